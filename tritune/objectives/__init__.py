"""What a model is trained for: how its labels are batched, its loss is summed, and its answers are read."""

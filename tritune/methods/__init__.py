"""The ways to fine-tune: each turns a model's layers into groups with learning rates."""

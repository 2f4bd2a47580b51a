"""Turns of a dialogue, as text and as the tokens that a model reads and writes."""

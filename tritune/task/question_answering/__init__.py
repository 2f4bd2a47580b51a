"""Question answering: an answer to a question from a text that is given with it, or "no answer"."""

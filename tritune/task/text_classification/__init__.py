"""Text classification: one or several labels for a text or a pair of texts."""

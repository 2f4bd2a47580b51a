"""From the user's labelled text to checked rows, one table a split."""

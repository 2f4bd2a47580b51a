"""What differs from task to task: one folder each, with the same files in all of them."""

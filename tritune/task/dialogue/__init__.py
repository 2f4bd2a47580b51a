"""Dialogue: the assistant's next turn, from the turns before it."""

"""What a tuned model has learnt: why it says what it says of a text, and what training changed in it."""

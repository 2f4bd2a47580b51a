"""What question answering is made of: questions, windows of their contexts, spans and written answers."""

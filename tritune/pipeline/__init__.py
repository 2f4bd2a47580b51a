"""The adapter between stages and DVC, the guard around a stage, and the registry."""

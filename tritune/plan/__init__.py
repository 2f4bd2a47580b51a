"""The tuning plan: which tensors learn, at which rate, from which step on."""

"""What a user may set, one frozen model per section of params.yaml."""

"""When what runs: Prefect flows and the `tritune` command."""

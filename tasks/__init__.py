"""What each stage of dvc.yaml reads and writes: one file a stage, named as the stage."""

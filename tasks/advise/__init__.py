"""What each stage of advise/dvc.yaml reads and writes; the pipeline itself is `pipeline.yaml`."""

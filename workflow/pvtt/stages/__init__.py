"""The stages of the pipeline, one sub-package each."""

"""Settings of each stage, a module per stage."""

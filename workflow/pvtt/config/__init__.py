"""Settings of a run: their types, defaults and checks."""

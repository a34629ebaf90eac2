"""Settings of a run, checked against their schemas."""

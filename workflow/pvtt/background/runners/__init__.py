"""Programs that are run by the Python of another environment; nothing of this library is imported there."""

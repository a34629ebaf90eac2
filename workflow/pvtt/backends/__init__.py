"""Backends: lookup by name, base classes, life cycle, checks before a run, programs in other environments."""

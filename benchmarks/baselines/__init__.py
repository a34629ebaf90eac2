"""Naive methods, measured beside the backends so that a figure has something to stand against."""

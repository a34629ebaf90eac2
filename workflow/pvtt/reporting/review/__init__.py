"""Review: a local page on which people judge pairs, and what their answers say.

The page shows no score and no verdict of the machine. Answers are lines of a file that only grows.
"""

"""Warm workers: a model is loaded once per GPU and used by many jobs.

A job that needs a model is a thin client (`client.py`). It sends its task to the broker (`broker.py`) of its Snakemake
process, and starts the broker if there is none. The broker has one slot per visible GPU. In a slot, it starts one
worker process (`worker.py`) per Python environment when needed; backends stay loaded there. `scheduler.py` selects the
next task of a free slot: pairs of one clip go to one worker.

The broker ends with its Snakemake process, and workers end with the broker. If a worker dies or exceeds its time limit,
it is replaced and the task is tried once more, on another GPU if there is one. Then the item is recorded as failed.
"""

from pvtt.execution.workers.client import Failure, ServingError, serve

__all__ = ["Failure", "ServingError", "serve"]

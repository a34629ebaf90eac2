"""Warm workers: a model is loaded once per GPU and works for one job after another.

A job that needs a model is a thin client (`client.py`). It hands its task to the broker (`broker.py`) of the Snakemake
process that started it, and starts that broker when there is none. The broker has one slot per visible GPU, and in it a
worker process (`worker.py`) per Python environment, started when there is work for it, in which backends stay loaded.
Which task a free slot gets next is decided in `queueing.py`: pairs of one clip stay with one worker.

Nothing outlives its job: the broker ends with its Snakemake, workers end with the broker. A worker that dies or takes
too long is replaced and its task tried once more, on another GPU where there is one; then the item is recorded as
failed.
"""

from pvtt.execution.workers.client import Failure, ServingError, serve

__all__ = ["Failure", "ServingError", "serve"]

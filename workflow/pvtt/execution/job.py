"""What every job of the workflow does around its one call: threads, log file, a readable error.

Importing this module is cheap; a script imports what its job needs inside the function that it decorates with `job`.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pvtt.execution import cache
from pvtt.execution.task import Task
from pvtt.io.files import clear_leftovers

WORKER = False  # whether this process is a warm worker, which does its tasks itself


def share_library() -> None:
    """Let scripts import this library in whichever environment their rule runs: put it first on their PYTHONPATH.

    What stands there stays, so that a backend of another package (`package.module:Class`) is found by the jobs too.
    """
    here = str(Path(__file__).parents[2])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *map(os.path.abspath, others)])


def job(snakemake: Any) -> Callable[[Callable[[], None]], None]:
    """Decorate the body of a job's script, which then runs at once.

    `snakemake` is the object that Snakemake gives to a script, or a `Task`. Messages and a failure's traceback go to
    the job's log file; errors are raised on, after one line on standard error.
    """

    def at_once(body: Callable[[], None]) -> None:
        task = Task.from_snakemake(snakemake, body.__globals__["__file__"])
        with _reported(task):
            _run(task, body)
            if not WORKER:  # Snakemake runs one job at a time for a result; workers that were killed at it are gone
                for path in task.output:
                    clear_leftovers(path)

    return at_once


def _run(task: Task, body: Callable[[], None]) -> None:
    """Take the task's results from the store, have a warm worker compute them, or compute them here.

    Rules whose parameters have a `version` are kept in the store. Those whose resource `worker_timeout_s` says how many
    seconds an item may take are for workers; what a worker could not do ends as a failed record, which is not kept.
    """
    limit_s = task.resources.names.get("worker_timeout_s", 0)
    if WORKER:
        compute(task, body)
        return
    if "version" in task.params.names and cache.root():
        task.input_mtimes = cache.fingerprint_mtime(task)
        task.key = cache.compute_key(task)
        if cache.restore(task):
            return
    if not limit_s:
        compute(task, body)
        return
    from pvtt.backends import lifecycle
    from pvtt.execution import workers

    try:
        workers.serve(task, limit_s)
    except workers.Failure as failure:
        logging.getLogger(task.rule).error("%s", failure)
        task.key = ""
        with lifecycle.skip_with_reason(str(failure)):
            compute(task, body)


def compute(task: Task, body: Callable[[], None]) -> None:
    """Run the body here, and keep its results when the task has a key."""
    import cv2

    cv2.setNumThreads(task.threads)
    body()
    if task.key:
        cache.save(task)


@contextmanager
def _reported(task: Task) -> Iterator[None]:
    """Messages and a failure's traceback go to the task's log file."""
    log = Path(str(task.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    if not WORKER:
        log.write_text("", encoding="utf-8")  # a job and the worker that does its task write to one file
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[logging.FileHandler(log, encoding="utf-8")],
        force=True,
    )
    try:
        yield
    except Exception as error:
        logging.getLogger(task.rule).error("%s", traceback.format_exc())
        print(f"{task}: {error}\nlog: {log}", file=sys.stderr)
        raise

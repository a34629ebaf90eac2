"""Frame of every job of the workflow: cache, workers, threads, log file, readable errors.

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

WORKER = False  # whether this process is a warm worker


def share_library() -> None:
    """Put this library first on the PYTHONPATH of the jobs, so that scripts import it in any environment.

    Existing entries are kept, so that jobs find backends of other packages (`package.module:Class`).
    """
    here = str(Path(__file__).parents[2])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *map(os.path.abspath, others)])


def job(snakemake: Any) -> Callable[[Callable[[], None]], None]:
    """Decorate the body of a job's script; the body runs immediately.

    Messages and tracebacks go to the log file of the job. Errors are raised after one line on standard error.

    Parameters
    ----------
    snakemake
        The object that Snakemake gives to a script, or a `Task`.
    """

    def at_once(body: Callable[[], None]) -> None:
        task = Task.from_snakemake(snakemake, body.__globals__["__file__"])
        with _reported(task):
            _run(task, body)
            if not WORKER:  # Snakemake runs one job at a time for a result, so no other process writes it
                for path in task.output:
                    clear_leftovers(path)

    return at_once


def _run(task: Task, body: Callable[[], None]) -> None:
    """Restore the results of a task from the cache, let a warm worker compute them, or compute them here.

    Rules with the parameter `version` use the cache (see `cache`). Rules with the resource `worker_timeout_s`, the
    longest time of an item in s, use workers. A failure of a worker becomes a failed record, which is not cached.
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
    """Run the body in this process, and cache its results if the task has a key."""
    import cv2

    cv2.setNumThreads(task.threads)
    body()
    if task.key:
        cache.save(task)


@contextmanager
def _reported(task: Task) -> Iterator[None]:
    """Write messages and the traceback of an error to the log file of the task."""
    log = Path(str(task.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    if not WORKER:
        log.write_text("", encoding="utf-8")  # a job and its worker write to the same file
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

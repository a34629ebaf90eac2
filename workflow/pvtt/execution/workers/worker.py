"""Warm worker: runs the scripts of tasks one after another in one process, in which backends stay loaded.

`python -m pvtt.execution.workers.worker PID` is started by the broker, process PID. A task comes as a line of JSON on
standard input. The original standard output carries one status per line: `ready` once; `loading` and `loaded` around
the loading of a model; then `done`, `failed` with the reason if the work raised an error, or `broken` if the item is
not the cause. All other output goes to the log of the worker.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from typing import Any

from pvtt.backends import lifecycle
from pvtt.execution import job
from pvtt.execution.task import Task
from pvtt.execution.workers import processes


def main(parent: int) -> None:
    """Work until the broker closes standard input or ends."""
    processes.die_with_parent(parent)
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)

    def notify(status: str, **facts: Any) -> None:
        answers.write(json.dumps({"status": status} | facts) + "\n")

    job.WORKER = True
    lifecycle.enable_model_cache(notify)
    notify("ready")
    for line in sys.stdin:
        task = Task.from_dict(json.loads(line)["task"])
        notify(**_outcome(task))


def _outcome(task: Task) -> dict[str, str]:
    try:
        _run(task)
    except (lifecycle.LoadError, OSError) as error:
        return {"status": "broken", "reason": f"{type(error).__name__}: {error}"}
    except Exception as error:
        if _out_of_memory(error):
            # The free memory of the device is unknown now: the next attempt needs a new process.
            print(f"{task}: {error}", file=sys.stderr, flush=True)
            os._exit(77)
        return {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {"status": "done"}


def _run(task: Task) -> None:
    """Run the script of a task; if the device runs out of memory, release other backends and run it once more."""
    try:
        runpy.run_path(task.script, init_globals={"snakemake": task})
    except Exception as error:
        if not _out_of_memory(error) or not lifecycle.release():
            raise
        runpy.run_path(task.script, init_globals={"snakemake": task})


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether an error or one of its causes is `torch.OutOfMemoryError`."""
    while error is not None:
        if type(error).__name__ == "OutOfMemoryError":
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main(int(sys.argv[1]))

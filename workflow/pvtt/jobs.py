"""What every job of the workflow does around its one call: threads, log file, a readable error.

Importing this module is cheap; a script imports what its job needs inside the function that it decorates with `job`.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pvtt import store
from pvtt.files import clear_leftovers

WORKER = False  # whether this process is a warm worker, which does its tasks itself


class Named(list):
    """A list some of whose items, or groups of them, have names: `files[0]`, `files.video`. Plain enough for JSON."""

    def __init__(self, items: Any = (), names: Mapping[str, Any] | None = None) -> None:
        super().__init__(items)
        self.names = dict(names or {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["names"][name]
        except KeyError:
            raise AttributeError(f"nothing is named {name!r} here") from None


@dataclass
class Task:
    """What a job's script is given, as plain values: it can be sent to another process, and run there."""

    rule: str
    script: str
    input: Named
    output: Named
    params: Named
    wildcards: Named
    resources: Named
    log: Named
    threads: int = 1
    key: str = field(default="", compare=False)  # of its results in the store
    stamps: list[list[int]] = field(default_factory=list, compare=False)  # of its inputs when the key was made

    @classmethod
    def of(cls, snakemake: Any, script: str) -> Task:
        """The task behind the object that Snakemake gives to a script."""
        if isinstance(snakemake, cls):
            return snakemake
        parts = ("input", "output", "params", "wildcards", "resources", "log")
        lists: dict[str, Any] = {part: _named(getattr(snakemake, part)) for part in parts}
        return cls(rule=snakemake.rule, script=script, threads=snakemake.threads, **lists)

    def plain(self) -> dict[str, Any]:
        """The task as JSON's types; `Task.from_plain` reads it."""
        return {key: [list(v), v.names] if isinstance(v, Named) else v for key, v in vars(self).items()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Task:
        """The task that `plain` wrote."""
        lists = ("input", "output", "params", "wildcards", "resources", "log")
        fields: dict[str, Any] = {key: Named(*value) if key in lists else value for key, value in plain.items()}
        return cls(**fields)

    def __str__(self) -> str:
        return f"{self.rule} ({', '.join(map(str, self.wildcards))})"


def share_library() -> None:
    """Let scripts import this library in whichever environment their rule runs: put it first on their PYTHONPATH.

    What stands there stays, so that a backend of another package (`package.module:Class`) is found by the jobs too.
    """
    here = str(Path(__file__).parents[1])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *map(os.path.abspath, others)])


def job(snakemake: Any) -> Callable[[Callable[[], None]], None]:
    """Decorate the body of a job's script, which then runs at once.

    `snakemake` is the object that Snakemake gives to a script, or a `Task`. Messages and a failure's traceback go to
    the job's log file; errors are raised on, after one line on standard error.
    """

    def at_once(body: Callable[[], None]) -> None:
        task = Task.of(snakemake, body.__globals__["__file__"])
        with _reported(task):
            _run(task, body)
            if not WORKER:  # Snakemake runs one job at a time for a result; workers that were killed at it are gone
                for path in task.output:
                    clear_leftovers(path)

    return at_once


def _run(task: Task, body: Callable[[], None]) -> None:
    """Take the task's results from the store, have a warm worker compute them, or compute them here.

    Rules whose parameters have a `version` are kept in the store. Those whose resource `worker_s` says how many seconds
    an item may take are for workers; what a worker could not do ends as a failed record, which is not kept.
    """
    limit_s = task.resources.names.get("worker_s", 0)
    if WORKER:
        compute(task, body)
        return
    if "version" in task.params.names and store.home():
        task.stamps = store.stamps(task)
        task.key = store.key_of(task)
        if store.fetch(task):
            return
    if not limit_s:
        compute(task, body)
        return
    from pvtt import loading, serving

    try:
        serving.serve(task, limit_s)
    except serving.Failure as failure:
        logging.getLogger(task.rule).error("%s", failure)
        task.key = ""
        with loading.given_up(str(failure)):
            compute(task, body)


def compute(task: Task, body: Callable[[], None]) -> None:
    """Run the body here, and keep its results when the task has a key."""
    import cv2

    cv2.setNumThreads(task.threads)
    body()
    if task.key:
        store.keep(task)


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


def _named(values: Any) -> Named:
    """Snakemake's own list with names as `Named`, with texts for its paths."""
    names = {name: _plain(value) for name, value in values.items()}
    return Named([_plain(value) for value in values], names)


def _plain(value: Any) -> Any:
    """A path as text, lists as lists; other values as they are."""
    if isinstance(value, str | os.PathLike):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value

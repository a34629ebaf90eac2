"""What every job of the workflow does around its one call: threads, log file, a readable error."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def share_library() -> None:
    """Let scripts import this library in whichever environment their rule runs: put it first on their PYTHONPATH.

    What stands there stays, so that a backend of another package (`package.module:Class`) is found by the jobs too.
    """
    here = str(Path(__file__).parents[1])
    others = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != here]
    os.environ["PYTHONPATH"] = os.pathsep.join([here, *map(os.path.abspath, others)])


@contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run a job's body: OpenCV keeps to the job's threads, messages and a failure's traceback go to its log file.

    `snakemake` is the object that Snakemake gives to a script. Errors are raised on, after one line on standard error.
    """
    import cv2

    cv2.setNumThreads(snakemake.threads)
    log = Path(str(snakemake.log[0]))
    log.parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[logging.FileHandler(log, mode="w", encoding="utf-8")],
        force=True,
    )
    try:
        yield
    except Exception as error:
        logging.getLogger(snakemake.rule).error("%s", traceback.format_exc())
        print(f"{snakemake.rule} ({', '.join(snakemake.wildcards)}): {error}\nlog: {log}", file=sys.stderr)
        raise

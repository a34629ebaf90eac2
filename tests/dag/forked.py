"""Snakemake in a copy of this process: a dry run costs no start of Python and no imports, most of its CPU time."""

from __future__ import annotations

import importlib
import io
import os
import sys
import tempfile
import traceback
from functools import cache
from pathlib import Path

from snakemake.cli import get_argument_parser, main

from conftest import ROOT

_CLASSICAL = ("cutouts.classical", "insertion.composite", "scoring.classical", "segmentation.classical")


@cache
def warm() -> None:
    """Import what every run imports, and have Snakemake look for its plugins."""
    for name in ("execution.startup", "stages.catalogue", *(f"stages.{stage}" for stage in _CLASSICAL)):
        importlib.import_module(f"pvtt.{name}")
    get_argument_parser()


def snakemake(folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit status and output of Snakemake with these arguments, started in a folder."""
    warm()
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _replace(folder, output.fileno(), arguments)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status), output.read().decode()


def _replace(folder: Path, output: int, arguments: tuple[str, ...]) -> None:
    """Become Snakemake: never returns."""
    status = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        # pytest has taken the old ones.
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(number, "w", closefd=False)) for number in (1, 2))
        os.chdir(folder)
        sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in sys.path]
        main(list(arguments))
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def workflow(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run the workflow with the feed and the results of a folder; settings come last, after `--config`."""
    place = arguments.index("--config") if "--config" in arguments else len(arguments)
    config = ("catalogue=feed/products.csv", "results=results", *arguments[place + 1 :])
    command = ("-s", str(ROOT / "Snakefile"), "--directory", str(folder), "--cores", "1", *arguments[:place])
    return snakemake(ROOT, *command, "--config", *config)

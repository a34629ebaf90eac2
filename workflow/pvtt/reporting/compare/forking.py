"""A results folder that begins with what another one has up to a stage, so that only that stage and the rest run.

Files are hard links where the file system allows it: no bytes, and their times stay, so Snakemake makes none of them
again. What writes results replaces files and never writes into them, so two folders cannot disturb each other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pvtt.backends import stages
from pvtt.io.files import link_or_copy
from pvtt.records import layout

_FILES = layout.Layout("")

# Runs with other shots share nothing but cut-outs.
STAGES = tuple(stage for stage in stages.WITH_BACKENDS if stage != "shots")


def share(results: Path, out: Path, stage: str) -> int:
    """Link into `out` what `results` holds that does not depend on `stage`; return the number of files.

    Its store is left out: two stores that hold each other's files could never be pruned. Runs can use the same one.

    ValueError when `results` is no results folder or `out` holds anything.
    """
    layout.require_run(results)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out}: not empty; name a new folder")
    if out.resolve().is_relative_to(results.resolve()):
        raise ValueError(f"{out}: lies inside {results}; name a folder beside it")
    count = 0
    for path in sorted(results.rglob("*")):
        name = path.relative_to(results)
        if path.is_file() and not _depends(name, stage):
            link_or_copy(path, out / name)
            shutil.copystat(path, out / name)
            count += 1
    return count


def _depends(name: Path, stage: str) -> bool:
    """Whether a file, a path below the results folder, depends on a stage or is the run's own: store, logs, hidden."""
    own = name.name.startswith(".") or name.is_relative_to(_FILES.store) or name.is_relative_to(_FILES.logs)
    return own or layout.stage_of(name) in stages.dependents(stage)

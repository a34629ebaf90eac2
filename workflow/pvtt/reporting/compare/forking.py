"""Fork a run: a new results folder with the results of another one before a stage, so that only later stages run.

Files are hard links if the file system allows it. They keep their times, so that Snakemake does not recompute them.
Results are replaced, never changed in place; the two folders cannot affect each other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pvtt.backends import stages
from pvtt.io.files import link_or_copy
from pvtt.records import layout
from pvtt.records.results_format import check_results

_FILES = layout.Layout("")

# Without `shots`: runs with different shots have only cut-outs in common.
STAGES = tuple(stage for stage in stages.WITH_BACKENDS if stage != "shots")


def fork(results: Path, out: Path, stage: str) -> int:
    """Link the results that do not depend on a stage into a new results folder.

    The result cache is not linked: two caches with each other's files could never be pruned. Runs can share one cache.

    Parameters
    ----------
    results : Path
        Results folder of a run.
    out : Path
        New results folder, missing or empty.
    stage : str
        First stage that will run again.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    ValueError
        If `results` is not a results folder of this format, or `out` is not empty or inside `results`.
    """
    layout.require_run(results)
    check_results(results)
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
    """Whether a file (path relative to the results folder) depends on a stage or belongs to its run only."""
    folders = (_FILES.store, _FILES.logs, _FILES.review)
    own = name.name.startswith(".") or any(name.is_relative_to(folder) for folder in folders)
    return own or layout.stage_of(name) in stages.dependents(stage)

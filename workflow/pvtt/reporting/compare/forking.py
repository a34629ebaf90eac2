"""A results folder that begins with what another one has up to a stage, so that only that stage and the rest run.

Files are hard links where the file system allows it: no bytes, and their times stay, so Snakemake makes none of them
again. What writes results replaces files and never writes into them, so two folders cannot disturb each other.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from pvtt.io.files import link_or_copy
from pvtt.records.results_format import check_results

_PAIRS = ("pairs/", "packs/", "filtered.parquet", "dataset/", "report/", "logs/")
_BACKGROUND = ("background.mp4", "background.json")
_MASKS = ("masks.mkv", "track.json", "mask_measures.json", "mask_verdict.json")
# Stage -> what depends on it: names at the top of the results (folders end in '/'), and names in a clip's folder.
_DEPENDENT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "scoring": (("packs/", "filtered.parquet", "dataset/", "report/", "logs/"), ()),
    "insertion": (_PAIRS, ()),
    "background": (_PAIRS, _BACKGROUND),
    "segmentation": ((*_PAIRS, "pairs.parquet", "mask_verdicts.tsv"), _BACKGROUND + _MASKS),
    "products": ((*_PAIRS, "pairs.parquet", "mask_verdicts.tsv", "products/"), _BACKGROUND + _MASKS),
}
STAGES = tuple(_DEPENDENT)


def share(results: Path, out: Path, stage: str) -> int:
    """Link into `out` what `results` holds that does not depend on `stage`; return the number of files.

    Its store is left out: two stores that hold each other's files could never be pruned. Runs can use the same one.

    ValueError when `results` is no results folder, or one of another format, or `out` holds anything.
    """
    if not (results / "clips.tsv").is_file():
        raise ValueError(f"{results}: no results of a run (clips.tsv is missing)")
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
    top, in_clips = _DEPENDENT[stage]
    first = name.parts[0] + ("/" if len(name.parts) > 1 else "")
    if name.name.startswith(".") or first in (*top, "store/"):
        return True
    if stage == "scoring" and first == "pairs/":
        return name.name in ("score.json", "judge.json")
    return first == "clips/" and name.name in in_clips

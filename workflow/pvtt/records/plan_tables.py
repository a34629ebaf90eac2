"""The tables behind the workflow's checkpoints: accepted clips, planned pairs and their packs.

The workflow asks for them many times while it builds its graph, so each is read once for each time it was written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from pvtt.records.layout import Layout


def accepted_clips(path: str | Path) -> list[str]:
    """Ids of the clips that passed shot detection, from `clips.tsv`."""
    clips = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    return list(clips.clip_id[clips.status == "accepted"])


def planned_pairs(path: str | Path) -> pd.DataFrame:
    """Rows of the planned pairs, from `pairs.parquet`; do not change them."""
    return _planned(str(path), os.stat(path).st_mtime_ns)


def packs(path: str | Path, results: str) -> dict[str, tuple[str, ...]]:
    """Pack -> folders of its planned pairs below `results`; empty for a plan of an old version, without packs."""
    return _packs(str(path), os.stat(path).st_mtime_ns, results)


def pair_folder(pair: Any, results: str) -> str:
    """Folder of a pair below `results`; `pair` is a row of the plan as `DataFrame.itertuples` gives it."""
    return Layout(results).pair(pair.clip_id, pair.target_id, pair.image_index).folder.as_posix()


def gpus_of_pack(scores: Sequence[Path], most: int) -> int:
    """GPUs that a pack can use: one for each score that is missing, at most `most`.

    When all scores are there, the pack is made again by other settings, so all count as missing.
    """
    missing = sum(not score.exists() for score in scores) or len(scores)
    return min(most, missing)


@cache
def _planned(path: str, _written: int) -> pd.DataFrame:
    pairs = pd.read_parquet(path)
    return pairs[pairs.status == "planned"]


@cache
def _packs(path: str, written: int, results: str) -> dict[str, tuple[str, ...]]:
    pairs = _planned(path, written)
    if "pack" not in pairs:
        return {}
    return {
        pack: tuple(pair_folder(pair, results) for pair in rows.itertuples())
        for pack, rows in pairs.groupby("pack", sort=True)
    }

"""The tables behind the workflow's checkpoints: accepted clips, planned pairs and their packs.

The workflow asks for them many times while it builds its graph, so each is read once for each time it was written.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pvtt.records.layout import Layout
from pvtt.records.results import Track

_CLIPS_LOOKED_AT = 8  # clips among which one with much motion is chosen, for every clip that canaries are made of


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


def canary_pairs(path: str | Path, count: int) -> list[dict[str, str]]:
    """The pairs of which canaries are made, one of each of `count` clips.

    Of a clip it is the planned pair of least rank. Of the first clips by rank, those are chosen whose product travels
    most, since frozen frames are a fault there.

    Returns
    -------
    list of dict
        `clip_id`, `source_id`, `target_id` and `image_index` of each.
    """
    planned = planned_pairs(path)
    first = planned.sort_values(["rank", "pair_id"]).drop_duplicates("clip_id").head(_CLIPS_LOOKED_AT * count)
    files = Layout(Path(path).parent)
    travelled = {clip: _travel(files.clip(clip).track) for clip in first.clip_id}
    names = ["clip_id", "source_id", "target_id", "image_index"]
    pairs = first[names].astype(str).to_dict("records")
    return sorted(pairs, key=lambda pair: -travelled[pair["clip_id"]])[:count]


@cache
def _travel(path: Path) -> float:
    """Path of the box's centre per frame, relative to the box's diagonal; 0 without a track."""
    track = Track.read_if_there(path)
    boxes = [frame.box for frame in track.frames if frame.box] if track else []
    if len(boxes) < 2:
        return 0.0
    sides = np.array(boxes, float)
    centres = (sides[:, :2] + sides[:, 2:]) / 2
    diagonal = np.median(np.hypot(*(sides[:, 2:] - sides[:, :2]).T))
    return float(np.hypot(*np.diff(centres, axis=0).T).mean() / max(1.0, diagonal))


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

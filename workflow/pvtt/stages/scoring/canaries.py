"""Scoring of canaries: results made of a finished pair of the run, whose right verdict is known.

Each is laid out as a pair in a temporary folder and scored by `score_pair`, as every pair is; no judge is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from pvtt.config.stages.scoring import ScoringSettings
from pvtt.imaging.geometry import box_of
from pvtt.io.arrays import BoolArray
from pvtt.io.video import MediaError, read_masks, video_fps, write_masks, write_video
from pvtt.records.canaries import KINDS, Canaries, Canary, Kind
from pvtt.records.layout import ClipFiles, Layout, PairFiles
from pvtt.records.media import Clip
from pvtt.records.results import Insertion, Score
from pvtt.stages.scoring import score_pair
from pvtt.stages.scoring.canary_kinds import MAKERS, Footage, Material, NotMadeError
from pvtt.stages.scoring.source_flow import read_flow, reduced_size

VERSION = "1"  # raise it when a kind is made otherwise
# Why a kind is left out that needs a product which the feed lacks.
_NO_PRODUCT: Mapping[Kind, str] = {
    "other_product": "no product of another category has photos",
    "true_swap": "no true swap of this clip is known",
}


def canary_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of scoring under which canaries are scored: those of the pairs, without a judge."""
    return {**settings, "judge": "none"}


def score_canaries(
    results: Path,
    chosen: Iterable[Mapping[str, Any]],
    cutouts: Mapping[str, Sequence[Path]],
    swaps: Mapping[str, tuple[Path, Path]],
    settings: Mapping[str, Any],
    device: str | None = None,
) -> None:
    """Make and score the canaries of a run and write `results`/canaries.json.

    Parameters
    ----------
    results : Path
        Folder of the run. Reads record, video, masks, background and flow of the clips, and the files of the pairs.
    chosen : iterable of mapping
        The pairs that they are made of: `clip_id`, `source_id`, `target_id`, `image_index`; `other_id`, a product that
        is nothing like the target, and `swap_id`, the product of the clip's true swap, each empty where there is none;
        `swap_start`, the first frame of the true swap in the source's video.
    cutouts : mapping of str to sequence of Path
        Product to its cut-outs, RGBA PNG files; those of rejected photos are empty.
    swaps : mapping of str to pair of Path
        Clip to video and masks of its true swap.
    settings : mapping
        The settings `scoring`.
    device : str, optional
        Where models run.
    """
    files, found = Layout(results), list[Canary]()
    for names in chosen:
        insert = Insertion.read(files.pair_of(names).record)
        swap = (swaps[insert.clip_id], int(names["swap_start"])) if names["swap_id"] else None
        material = _material(files, insert, swap, settings) if insert.status == "done" else None
        for kind in KINDS:
            own = {"other_product": names["other_id"], "true_swap": names["swap_id"]}.get(kind, insert.target_id)
            about: dict[str, Any] = {"kind": kind, "clip_id": insert.clip_id, "pair_id": insert.pair_id}
            about |= {"target_id": own or insert.target_id, "reason": "", "score": None}
            try:
                if material is None:
                    raise NotMadeError(f"the pair could not be made: {insert.reason}")
                if not own:
                    raise NotMadeError(_NO_PRODUCT[kind])
                both = _accepted(cutouts, own), cutouts.get(insert.source_id, ())
                footage = MAKERS[kind](material)
                about["score"] = _score(files.clip(insert.clip_id), insert, footage, both, settings, device)
            except (NotMadeError, MediaError) as error:
                about["reason"] = str(error)
            found.append(Canary(**about))
    passing = any(canary.score and "keep" in canary.score.model_fields_set for canary in found)
    record = Canaries(canaries=found, keep=False) if passing else Canaries(canaries=found)
    record.write(files.canaries)


def _material(
    files: Layout,
    insert: Insertion,
    swap: tuple[tuple[Path, Path], int] | None,
    settings: Mapping[str, Any],
) -> Material:
    """What the canaries of a finished pair are made of; `swap` has the files of a true swap and its first frame."""
    clip = files.clip(insert.clip_id)
    pair = files.pair(insert.clip_id, insert.target_id, insert.image_index)
    return Material(
        source=clip.video,
        background=clip.background,
        result=pair.video,
        masks=np.logical_or.reduce(read_masks(pair.mask)),
        cutout=files.cutout(insert.target_id, insert.image_index).image,
        motion_px=_motion(clip, ScoringSettings.of(settings)),
        swap=swap[0] if swap else None,
        swap_start=Clip.read(clip.record).source.start_frame - swap[1] if swap else 0,
        seed=insert.seed,
    )


def _motion(clip: ClipFiles, settings: ScoringSettings) -> float:
    """Mean motion of the source's product, of the whole frame where there is none, in px at `flow_side_px`."""
    masks: BoolArray = np.logical_or.reduce(read_masks(clip.masks))
    size, lengths = reduced_size(masks.shape[1:], settings), []
    for index, motion in read_flow(clip.flow).items():
        mask = cv2.resize(masks[index].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        length = np.hypot(*np.moveaxis(motion.forward, 2, 0))
        lengths.append(float(length[mask].mean() if mask.any() else length.mean()))
    return float(np.mean(lengths)) if lengths else 0.0


def _accepted(cutouts: Mapping[str, Sequence[Path]], product: str) -> Sequence[Path]:
    if not any(path.stat().st_size for path in cutouts.get(product, ())):
        raise NotMadeError(f"no photo of {product} could be cut out")
    return cutouts[product]


def _score(
    clip: ClipFiles,
    insert: Insertion,
    footage: Footage,
    cutouts: tuple[Sequence[Path], Sequence[Path]],
    settings: Mapping[str, Any],
    device: str | None,
) -> Score:
    """The score of a result, laid out as a pair in a temporary folder; `cutouts`: of the target and of the source."""
    rate = video_fps(clip.video)
    with TemporaryDirectory(prefix="pvtt-canary-") as folder:
        made = PairFiles(Path(folder))
        if isinstance(footage.video, Path):
            os.symlink(footage.video.absolute(), made.video)
        else:
            write_video(made.video, footage.video, rate)
        write_masks(made.mask, footage.masks, rate)
        boxes = [None if (box := box_of(mask)) is None else [float(side) for side in box] for mask in footage.masks]
        insert.model_copy(update={"boxes": boxes}).write(made.record)
        score_pair(clip.folder, made.folder, *cutouts, canary_settings(settings), device)
        return Score.read(made.score)

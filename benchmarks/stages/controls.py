"""Controls of scoring: the true swap, which must be kept, and the unchanged source, which must not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pvtt.imaging.geometry import box_of
from pvtt.io import video as media
from pvtt.io.files import link_or_copy
from pvtt.records import ids
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.records.results import Insertion
from stages import scoring
from stages.common import Options, Outcome, pair_folder, truth_provenance
from truth import Clip

TRUE, UNCHANGED = scoring.CONTROLS


def measure(options: Options, clip: Clip, target: str, true: Path) -> Iterator[Outcome]:
    """Score both controls of a clip as if they were results of insertion; `true` is the folder of its true inputs."""
    swaps = clip.folder / "swaps"
    for name, video, masks in (
        (TRUE, swaps / f"{target}.mp4", swaps / f"{target}.mkv"),
        (UNCHANGED, ClipFiles(true).video, ClipFiles(true).masks),
    ):
        folder = pair_folder(options, clip, target, name)
        made, shown = PairFiles(folder), media.read_masks(masks).any(0)
        link_or_copy(video, made.video)
        link_or_copy(masks, made.mask)
        pair = ids.pair_id(clip.clip_id, target, 1)
        boxes = [None if (box := box_of(mask)) is None else [float(side) for side in box] for mask in shown]
        known = {"pair_id": pair, "clip_id": clip.clip_id, "source_id": clip.product_id, "target_id": target}
        known |= {"image_index": 1, "seed": ids.seed_of(pair), "status": "done", "reason": "", "control": name}
        known |= {"measures": {}, "n_frames": len(shown), "fps": clip.record["fps"]}
        known |= {"width": shown.shape[2], "height": shown.shape[1], "boxes": boxes, "provenance": truth_provenance()}
        Insertion.of(known).write(made.record)
        facts = {"clip_id": clip.clip_id, "target_id": target}
        figures = {"ssim_coarse": 1.0 if name == TRUE else None}
        yield scoring.measure_pair(options, true, folder, Outcome("insertion", name, "isolated", pair, figures, facts))

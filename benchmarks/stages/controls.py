"""Controls of scoring: the true swap, which must be kept, and the unchanged source, which must not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pvtt.imaging.geometry import box_of
from pvtt.io import video as media
from pvtt.io.files import link_or_copy, write_json
from pvtt.records import ids
from stages import scoring
from stages.common import Options, Outcome, pair_folder
from truth import Clip

TRUE, UNCHANGED = scoring.CONTROLS


def measure(options: Options, clip: Clip, target: str, true: Path) -> Iterator[Outcome]:
    """Score both controls of a clip as if they were results of insertion; `true` is the folder of its true inputs."""
    swaps = clip.folder / "swaps"
    for name, video, masks in (
        (TRUE, swaps / f"{target}.mp4", swaps / f"{target}.mkv"),
        (UNCHANGED, true / "video.mp4", true / "masks.mkv"),
    ):
        folder = pair_folder(options, clip, target, name)
        link_or_copy(video, folder / "insert.mp4")
        link_or_copy(masks, folder / "insert_mask.mkv")
        boxes = [box_of(mask) for mask in media.read_masks(masks).any(0)]
        pair = ids.pair_id(clip.clip_id, target, 1)
        write_json(folder / "insert.json", {"pair_id": pair, "status": "done", "reason": "", "boxes": boxes})
        facts = {"clip_id": clip.clip_id, "target_id": target}
        figures = {"ssim_coarse": 1.0 if name == TRUE else None}
        yield scoring.measure_pair(options, true, folder, Outcome("insertion", name, "isolated", pair, figures, facts))

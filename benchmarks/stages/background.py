"""Background: the hole (product and shadow) against the true empty scene, the shadow's rest, and what is outside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.imaging.geometry import dilated
from pvtt.io import video
from pvtt.metrics import flicker, gmsd, psnr, shadow_residue, ssim
from pvtt.records.layout import ClipFiles
from pvtt.records.results import Background
from pvtt.stages.background import remove_product
from stages.common import (
    FAINT_SHADOW,
    MARGIN_PX,
    SHADOW,
    Options,
    Outcome,
    backend_name,
    clip_folder,
    frame_mean,
    mask_verdict,
    take,
)
from truth import Clip

Array = np.ndarray
_FILES = ClipFiles(Path())
_NAMES = tuple(path.name for path in (_FILES.video, _FILES.record, _FILES.masks, _FILES.track))


def measure_clip(options: Options, clip: Clip, true: Path) -> Iterator[Outcome]:
    """One outcome per backend on true masks, and one on our own, where segmentation accepted them."""
    for settings in options.settings("background"):
        name = backend_name("background", settings)
        folder = take(true, clip_folder(options, clip, f"background_{name}"), *_NAMES)
        yield _measured(clip, folder, settings, name, "isolated")
    if own := own_masks(options, clip):
        settings = options.settings("background")[0]
        name = backend_name("background", settings)
        folder = take(own, chained_folder(options, clip), *_NAMES, _FILES.mask_measures.name)
        yield _measured(clip, folder, settings, name, "chained")


def chained_folder(options: Options, clip: Clip) -> Path:
    """Folder of the clip with our own masks and our own background."""
    return clip_folder(options, clip, "chained")


def own_masks(options: Options, clip: Clip) -> Path | None:
    """Folder of the first backend's masks when segmentation was run and its QA accepted them."""
    if "segmentation" not in options.stages:
        return None
    name = backend_name("segmentation", options.settings("segmentation")[0])
    folder = clip_folder(options, clip, f"segmentation_{name}")
    return folder if mask_verdict(options, folder).status == "accepted" else None


def _measured(clip: Clip, folder: Path, settings: dict[str, Any], name: str, mode: str) -> Outcome:
    remove_product(folder, settings)
    files = ClipFiles(folder)
    record = Background.read(files.background_record)
    facts = {"status": record.status, "reason": record.reason, "measures": record.measures}
    figures: dict[str, float | None] = {"failed": float(record.status == "failed")}
    if record.status == "done":
        result = video.read_video(files.background)
        figures |= background_figures(clip, result, video.read_video(files.video))
    figures["s_per_frame"] = record.provenance.seconds / (clip.record["end_frame"] - clip.record["start_frame"])
    return Outcome("background", name, mode, clip.clip_id, figures, facts)


def background_figures(clip: Clip, result: Array, source: Array) -> dict[str, float | None]:
    """Figures of a background, uint8 (n, h, w, 3) RGB, against the clip's truth."""
    truth, mask, shadow = clip.background(), clip.masks(), clip.grey("shadow")
    front = clip.grey("occluder") > 0.5
    hole = (mask | (shadow > SHADOW)) & ~front
    near = np.stack([dilated(one, 2) for one in mask | front])
    outside = ~np.stack([dilated(one, MARGIN_PX) for one in mask | (shadow > FAINT_SHADOW)])
    return {
        "psnr_inside": psnr(result, truth, hole),
        "ssim_inside": frame_mean(ssim, result, truth, hole),
        "gmsd_inside": frame_mean(gmsd, result, truth, hole),
        "shadow_residue": shadow_residue(result, truth, source, (shadow > SHADOW) & ~near),
        "flicker": flicker(result, truth, hole),
        "psnr_outside": psnr(result, source, outside) if outside.any() else None,
    }

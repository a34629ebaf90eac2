"""Segmentation stage: find the product in a clip, track it, measure the masks, record the track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends.lifecycle import WorkError, load_model
from pvtt.backends.registry import backend_class
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.io import images, video
from pvtt.io.files import write_empty
from pvtt.models import devices
from pvtt.records import results
from pvtt.records.layout import ClipFiles
from pvtt.records.media import Clip
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.hands import HandEvidence
from pvtt.stages.segmentation.prompts import prompt_text
from pvtt.stages.segmentation.qa import VERSION as QA_VERSION
from pvtt.stages.segmentation.qa import MaskMeasures, measure_masks
from pvtt.stages.segmentation.refinement import compare
from pvtt.stages.segmentation.second_opinion import SecondOpinion
from pvtt.stages.segmentation.track import build_track, empty_track

Array = np.ndarray


def segment_clip(
    clip_dir: Path,
    references: Sequence[Path],
    title: str,
    settings: Mapping[str, Any],
    device: str | None = None,
    category: str = "",
    subcategory: str = "",
) -> None:
    """Write masks.mkv, track.json and, last, mask_measures.json into `clip_dir`, which holds video.mp4 and clip.json.

    `references` are RGBA cut-outs of the same product's photos (unreadable and 0-byte ones are skipped); `title`,
    `category` and `subcategory` are the catalogue's, the prompt of backends that read one. A clip marked `empty` gets
    masks without a set pixel and a track that says where a product can be placed. A clip that cannot be read is a
    failed record, not an error. Nothing here depends on a limit; `pvtt.stages.verdicts` judges the measures.
    """
    watch = Stopwatch()
    clip_dir = Path(clip_dir)
    files = ClipFiles(clip_dir)
    clip = Clip.read(files.record)
    used = used_backends(settings)
    backend = used[0]
    readable = readable_references(references)
    prompt = prompt_text(title, category, subcategory)
    inputs = {"video": files.video} | {f"reference_{k}": p for k, (p, _) in enumerate(readable, 1)}
    try:
        frames = video.read_video(files.video)
    except video.MediaError as error:
        write_empty(files.masks)
        write_empty(files.track)
        outcome = MaskMeasures("failed", f"the clip cannot be read: {error}", {})
    else:
        photos = [image for _, image in readable]
        masks, track, outcome = _segment(frames, photos, prompt, used, clip.empty, device or devices.selected_device())
        video.write_masks(files.masks, masks, Fraction(clip.fps))
        head = {"clip_id": clip.clip_id, "fps": clip.fps}
        size = {"n_frames": len(frames), "width": frames.shape[2], "height": frames.shape[1]}
        results.Track.of(head | size | track).write(files.track)
    results.MeasuredMasks(
        clip_id=clip.clip_id,
        status=outcome.status,
        reason=outcome.reason,
        measures=outcome.measures,
        provenance=provenance(backend, settings, inputs, watch, measured_by=_measured_by(settings)),
    ).write(files.mask_measures)


def used_backends(settings: Mapping[str, Any]) -> list[Any]:
    """The backend that makes the masks, then what the settings ask for besides; none is loaded."""
    chosen = SegmentationSettings.of(settings)
    used = [backend_class("segmentation", chosen.backend)(settings)]
    if chosen.second_opinion != "none":
        used.append(SecondOpinion(settings))
    if chosen.hands != "none":
        used.append(HandEvidence(settings))
    return used


def version(settings: Mapping[str, Any]) -> str:
    """Versions of what makes the masks and of what measures them, such as `1, qa 1`."""
    backend = backend_class("segmentation", SegmentationSettings.of(settings).backend)
    return f"{backend.version}, {_measured_by(settings)}"


def _measured_by(settings: Mapping[str, Any]) -> str:
    chosen = SegmentationSettings.of(settings)
    asked = [
        ("second opinion", chosen.second_opinion, SecondOpinion.version),
        ("hands", chosen.hands, HandEvidence.version),
    ]
    parts = [f"{what} {network} {number}" for what, network, number in asked if network != "none"]
    return ", ".join([f"qa {QA_VERSION}", *parts])


def _segment(
    frames: Array,
    references: Sequence[Array],
    prompt: str,
    used: Sequence[Any],
    empty: bool,
    device: str,
) -> tuple[Array, dict[str, Any], MaskMeasures]:
    if empty:
        outcome = MaskMeasures("empty", "", {"empty": True})
        return np.zeros((1, *frames.shape[:3]), bool), empty_track(frames), outcome
    backend, *others = used
    measures: dict[str, float] = {}
    try:
        with load_model(backend, device) as ready:
            result = ready.segment(frames, references, prompt)
    except WorkError as error:
        result = Segmentation.empty(frames, str(error))
    for other in others if result.masks.any() else []:
        with load_model(other, device) as ready:
            if isinstance(ready, HandEvidence):
                measures["hands"] = ready.share(frames, result.masks)
            else:
                result, measures = compare(frames, result, references, prompt, ready)
    outcome = measure_masks(frames, result)
    outcome.measures.update(measures)
    return result.masks, build_track(frames, result.masks), outcome


def readable_references(paths: Sequence[Path]) -> list[tuple[Path, Array]]:
    """Cut-outs that can be read and have opaque pixels, with their files: uint8 (h, w, 4) RGBA."""
    found = []
    for path in map(Path, paths):
        try:
            image = images.read_rgba(path) if path.stat().st_size else None
        except (video.MediaError, FileNotFoundError):
            continue
        if image is not None and (image[..., 3] > 127).any():
            found.append((path, image))
    return found

"""Embedded segmentation: classical vision on the CPU, without weights.

The product is found by co-segmentation of sampled frames (`cosegmentation.py`), segmented in the frame that shows it
best, and tracked in both directions (`mask_tracking.py`, `propagation.py`). The method suits products whose colours
stand out from their surroundings. Its evidence lets the quality check reject the others.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.config.stages.segmentation import SegmentationSettings
from pvtt.imaging.morphology import tolerant_iou
from pvtt.imaging.resize import at_size, reduced
from pvtt.stages.segmentation.base import SHORT_SIDE, Segmentation
from pvtt.stages.segmentation.classical.cosegmentation import InitialDetections, cosegment
from pvtt.stages.segmentation.classical.instances import split_instances
from pvtt.stages.segmentation.classical.mask_tracking import track_mask
from pvtt.stages.segmentation.classical.overlay import detect_overlays
from pvtt.stages.segmentation.classical.propagation import refine
from pvtt.stages.segmentation.photo_evidence import missing_colour, open_form_fill, sample_numbers, shape_gap

Array = np.ndarray

_MAX_ENLARGEMENT = 1.75  # factor by which small frames are enlarged at most


class Backend(Embedded[SegmentationSettings]):
    """Saliency, colour models and optical flow; see the module docstring."""

    settings_type = SegmentationSettings
    name = "classical"
    version = "3"

    def segment(self, frames: Array, references: Sequence[Array], prompt: str) -> Segmentation:
        """Find and track the product; see `base.SegmentationBackend.segment`."""
        numbers = sample_numbers(len(frames), self.settings.sampled_frames)
        overlay_masks = detect_overlays([reduced(frame, SHORT_SIDE) for frame in frames])
        sampled = [(number, frames[number]) for number in numbers]
        detections = cosegment(sampled, references, [overlay_masks[number] for number in numbers])
        if detections is None:
            return Segmentation.empty(frames, "nothing in the clip stands out from its background")
        working_frames = [resize_to_short_side(frame, self.settings.work_short_side_px) for frame in frames]
        tracklet, models = track_mask(working_frames, overlay_masks, detections)
        del working_frames
        full_masks = np.empty(frames.shape[:3], bool)
        for number, mask in enumerate(tracklet.masks):
            full_masks[number] = refine(frames[number], mask, models)
        evidence = _evidence(detections, tracklet.masks, prompt)
        missing = missing_colour([(frames[number], full_masks[number]) for number in numbers], references)
        if missing is not None:
            evidence["missing_colour"] = missing
        return Segmentation(
            split_instances(full_masks, detections.numbers[detections.best]), tracklet.confidence, evidence
        )


def resize_to_short_side(frame: Array, short_side: int) -> Array:
    """Frame (h, w, 3) resized to a short side of `short_side` px, enlarged at most by 1.75.

    The filters have windows of a fixed size in px, which would swallow the thin parts of small frames.
    """
    scale = min(_MAX_ENLARGEMENT, short_side / min(frame.shape[:2]))
    if scale <= 1:
        return reduced(frame, short_side)
    return np.asarray(cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))


def _evidence(detections: InitialDetections, masks: Sequence[Array], prompt: str) -> dict[str, float]:
    """Clip-level evidence: rivals of the product, likeness to the photos, agreement of detections and tracked masks."""
    pairs = [(mask, masks[number]) for number, mask in zip(detections.numbers, detections.masks, strict=True)]
    agreement = [tolerant_iou(mask, at_size(tracked, mask.shape)) for mask, tracked in pairs]
    evidence = {"ambiguity": detections.ambiguity, "agreement": float(np.median(agreement))}
    if detections.likeness is None:
        evidence |= {"skin_share": detections.skin_share, "ambiguity_unseen": detections.ambiguity}
    else:
        evidence["likeness"] = detections.likeness
    shown = [tracked for _, tracked in pairs]
    for name, value in (
        ("open_form_fill", open_form_fill(shown, prompt)),
        ("shape_gap", shape_gap(shown, detections.hull_prior)),
    ):
        if value is not None:
            evidence[name] = value
    return evidence

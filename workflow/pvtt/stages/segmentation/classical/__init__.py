"""Embedded segmentation: classical vision on the CPU, no weights.

The product is found by co-segmentation of sampled frames (`discovery.py`), segmented at the frame where it is seen
best, and carried through the clip both ways (`propagation.py`). It is meant for products that stand out in colour from
their surroundings; what it cannot do is left to the QA to reject, for which it returns its evidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.imaging.morphology import tolerant_iou
from pvtt.imaging.resize import at_size, reduced
from pvtt.stages.segmentation.base import SHORT_SIDE, Segmentation, nothing
from pvtt.stages.segmentation.classical.cosegmentation import Discovery, discover
from pvtt.stages.segmentation.classical.instances import separate
from pvtt.stages.segmentation.classical.mask_tracking import carry
from pvtt.stages.segmentation.classical.overlay import overlays
from pvtt.stages.segmentation.classical.propagation import refine
from pvtt.stages.segmentation.photo_evidence import missing_colour, open_form_fill, sample_numbers, shape_gap

Array = np.ndarray

_MOST_ENLARGED = 1.75


class Backend(Embedded):
    """Saliency, colour models and optical flow; see the module's text."""

    name = "classical"
    version = "3"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._work_side = int(settings["work_short_side_px"])
        self._samples = int(settings["sampled_frames"])

    def segment(self, frames: Array, references: Sequence[Array], prompt: str) -> Segmentation:
        """Find and follow the product; see `base.SegmentationBackend.segment`."""
        numbers = sample_numbers(len(frames), self._samples)
        covered = overlays([reduced(frame, SHORT_SIDE) for frame in frames])
        sampled = [(number, frames[number]) for number in numbers]
        found = discover(sampled, references, [covered[number] for number in numbers])
        if found is None:
            return nothing(frames, "nothing in the clip stands out from its ground")
        work = [resized_frame(frame, self._work_side) for frame in frames]
        carried, models = carry(work, covered, found)
        del work
        full = np.empty(frames.shape[:3], bool)
        for number, mask in enumerate(carried.masks):
            full[number] = refine(frames[number], mask, models)
        evidence = _evidence(found, carried.masks, prompt)
        missing = missing_colour([(frames[number], full[number]) for number in numbers], references)
        if missing is not None:
            evidence["missing_colour"] = missing
        return Segmentation(separate(full, found.numbers[found.best]), carried.confidence, evidence)


def resized_frame(frame: Array, short_side: int) -> Array:
    """Frame (h, w, 3) with a short side of `short_side`, at most 1.75 times its own.

    Filters have windows of a fixed size, which swallow the thin parts of small frames.
    """
    scale = min(_MOST_ENLARGED, short_side / min(frame.shape[:2]))
    if scale <= 1:
        return reduced(frame, short_side)
    return cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def _evidence(found: Discovery, masks: Sequence[Array], prompt: str) -> dict[str, float]:
    """Clip-level evidence: rivals of the product, likeness to the photos, detections against the carried masks."""
    pairs = [(mask, masks[number]) for number, mask in zip(found.numbers, found.masks, strict=True)]
    agreement = [tolerant_iou(mask, at_size(carried, mask.shape)) for mask, carried in pairs]
    evidence = {"ambiguity": found.ambiguity, "agreement": float(np.median(agreement))}
    if found.likeness is None:
        evidence |= {"skin_share": found.skin_share, "ambiguity_unseen": found.ambiguity}
    else:
        evidence["likeness"] = found.likeness
    shown = [carried for _, carried in pairs]
    for name, value in (
        ("open_form_fill", open_form_fill(shown, prompt)),
        ("shape_gap", shape_gap(shown, found.solidity)),
    ):
        if value is not None:
            evidence[name] = value
    return evidence

"""Embedded segmentation: classical vision on the CPU, no weights.

The product is found by co-segmentation of sampled frames (`discovery.py`), segmented at the frame where it is seen
best, and carried through the clip both ways (`propagation.py`). It is meant for products that stand out in colour from
their surroundings; what it cannot do is left to the QA to reject, for which it returns its evidence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from pvtt.backends import Embedded
from pvtt.segmentation.base import Segmentation, nothing
from pvtt.segmentation.discovery import SHORT_SIDE, Discovery, discover, reduced
from pvtt.segmentation.objects import separate
from pvtt.segmentation.overlay import overlays
from pvtt.segmentation.propagation import propagate, refine, segment_key_frame

Array = np.ndarray

# Products of these names are open forms: they fill little of their convex hull, unlike the box or card they lie on.
_OPEN_FORM = re.compile(r"\b(necklaces?|bracelets?|chains?|anklets?)\b", re.IGNORECASE)


class Backend(Embedded):
    """Saliency, colour models and optical flow; see the module's text."""

    name = "classical"
    version = "1"

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
        key = found.numbers[found.best]
        work = [reduced(frame, self._work_side) for frame in frames]
        start, models = segment_key_frame(work[key], found.masks[found.best], found.product, found.ground)
        masks: list[Array] = [start] * len(frames)
        confidence = np.ones(len(frames))
        for order in (range(key, len(frames)), range(key, -1, -1)):
            steps = propagate(((work[number], covered[number]) for number in order), start, models)
            for number, (mask, sure) in zip(order[1:], steps, strict=True):
                masks[number], confidence[number] = mask, sure
        evidence = _evidence(found, masks, prompt)
        del work
        full = np.empty(frames.shape[:3], bool)
        for number, mask in enumerate(masks):
            full[number] = refine(frames[number], mask, models)
        return Segmentation(separate(full, key), confidence, evidence)


def sample_numbers(count: int, wanted: int) -> list[int]:
    """Up to `wanted` frame numbers spread evenly over `count` frames, off the very ends when there are enough."""
    wanted = min(count, wanted)
    return [int((k + 0.5) * count / wanted) for k in range(wanted)]


def _evidence(found: Discovery, masks: Sequence[Array], prompt: str) -> dict[str, float]:
    """Clip-level evidence: rivals of the product, likeness to the photos, detections against the carried masks."""
    agreement, fill = [], []
    for number, mask in zip(found.numbers, found.masks, strict=True):
        carried = cv2.resize(masks[number].astype(np.float32), mask.shape[::-1], interpolation=cv2.INTER_AREA) > 0.5
        union = (mask | carried).sum()
        agreement.append((mask & carried).sum() / union if union else 1.0)
        fill.append(hull_fill(masks[number]))
    evidence = {"ambiguity": found.ambiguity, "agreement": float(np.median(agreement))}
    if found.likeness is None:
        evidence["skin_share"] = found.skin_share
    else:
        evidence["likeness"] = found.likeness
    if _OPEN_FORM.search(prompt):
        evidence["open_form_fill"] = float(np.median(fill))
    return evidence


def hull_fill(mask: Array) -> float:
    """Area of a mask over that of its convex hull, 0 to 1; 0 for an empty mask."""
    places = cv2.findNonZero(mask.astype(np.uint8))
    if places is None:
        return 0.0
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(places), 1)
    return float(mask.sum() / hull.sum())

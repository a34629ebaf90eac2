"""From boxes in one frame to the masks of a clip, by a promptable video model (`sam2_predictor.Predictor`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pvtt.imaging.morphology import iou
from pvtt.stages.segmentation.sam2.box_selection import overlap
from pvtt.stages.segmentation.sam2.cropped_video import Box, Clip
from pvtt.stages.segmentation.sam2.negative_points import opening_points
from pvtt.stages.segmentation.sam2.predictor import Predictor

Array = np.ndarray

_WORSE = 0.8  # of the fit to its box, below which a mask refined by points is not taken


@dataclass(frozen=True)
class Prompts:
    """The product in one frame of a clip: masks bool (k, h, w), their predicted IoUs (k,), points set in openings."""

    masks: Array
    quality: Array
    openings: int


class Follower:
    """A model with its switches and the words for the product, working on one clip at a time."""

    def __init__(self, model: Predictor, words: str, settings: Mapping[str, Any]) -> None:
        self._model, self._words = model, words
        self._offload = bool(settings["offload_video_to_cpu"]), bool(settings["offload_state_to_cpu"])

    def prompts(self, clip: Clip, place: int, boxes: Sequence[Box]) -> Prompts:
        """Masks of the boxes, in px of what is seen of the `place`-th frame, without the product's openings."""
        state = self._model.start(clip, *self._offload)
        found = [self._mask(state, clip.image(place), place, box) for box in boxes]
        masks = apart(np.stack([mask for mask, _, _ in found]))
        return Prompts(masks, np.array([quality for _, quality, _ in found]), sum(count for _, _, count in found))

    def _mask(self, state: dict[str, Any], image: Array, place: int, box: Box) -> tuple[Array, float, int]:
        masks, ious, logits = self._model.masks_of_box(state, place, box)
        fits = np.array([fit(mask, box) for mask in masks])
        best = int(np.argmax(ious * fits))
        points = opening_points(image, masks[best], box, self._words)
        if points:
            refined, quality, _ = self._model.masks_of_box(state, place, box, points, logits[best])
            if fit(refined[0], box) >= _WORSE * fits[best]:
                return refined[0], float(quality[0]), len(points)
        return masks[best], float(ious[best]), 0

    def follow(self, clip: Clip, place: int, prompts: Prompts) -> tuple[Array, Array]:
        """Masks of the prompts' objects in all frames, bool (k, n, h, w) of what is seen, and confidence float (n,).

        Forward from the `place`-th frame, then backward with the memory of the frames after it.
        """
        state = self._started(clip, place, prompts.masks)
        masks = np.zeros((len(prompts.masks), len(clip), *clip.size), bool)
        confidence = np.zeros(len(clip))
        for reverse in (False, True):
            for number, planes, quality in self._model.follow(state, place, reverse):
                masks[:, number] = planes
                shown = planes.any((1, 2))
                confidence[number] = float(quality[shown].mean()) if shown.any() else 0.0
        if masks[:, place].any():
            confidence[place] = float(prompts.quality.mean())
        return masks, confidence

    def round_trip(self, clip: Clip, place: int, masks: Array, steps: int) -> float | None:
        """IoU of the masks at `place` with those carried back to it from the farthest masks, the worse of both ways.

        In at most `steps` frames each way (Kalal et al., "Forward-backward error", ICPR 2010); None where there is no
        other mask, or with no steps.
        """
        shown = np.flatnonzero(masks.any((0, 2, 3)))
        ends = {int(end) for end in (shown.min(initial=place), shown.max(initial=place)) if end != place}
        if not steps or not ends:
            return None
        found = []
        for end in sorted(ends):
            path = np.unique(np.linspace(end, place, min(steps, abs(end - place)) + 1).round().astype(int))
            path = path if end < place else path[::-1]
            part = Clip(clip.frames, path.tolist(), clip.corners, clip.side)
            seen = masks[:, end].any((1, 2))
            state = self._started(part, 0, masks[seen, end])
            carried = [planes for _, planes, _ in self._model.follow(state, 0, False)][-1]
            back: Array = np.any(carried, axis=0)
            found.append(iou(back, np.any(masks[seen, place], axis=0)))
        return min(found)

    def agreement(self, clip: Clip, masks: Array, detected: Sequence[tuple[int, Box]]) -> float | None:
        """Median IoU of masks made of independently detected boxes (place, box) with the carried ones; None without."""
        if not detected:
            return None
        state = self._model.start(clip, *self._offload)
        found = []
        for place, box in detected:
            own, _, _ = self._mask(state, clip.image(place), place, box)
            union: Array = np.any(masks[:, place], axis=0)
            found.append(max(iou(own, plane) for plane in [*masks[:, place], union]))
        return float(np.median(found))

    def _started(self, clip: Clip, place: int, masks: Array) -> dict[str, Any]:
        state = self._model.start(clip, *self._offload)
        for number, mask in enumerate(masks, 1):
            self._model.add_mask(state, place, number, mask)
        return state


def fit(mask: Array, box: Box) -> float:
    """IoU of a mask's bounding box with a box; 0 for an empty mask."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return overlap((x, y, x + width, y + height), box) if width else 0.0


def apart(masks: Array) -> Array:
    """Masks, bool (k, h, w), without what an earlier one has."""
    before = np.cumsum(masks, axis=0) - masks
    return masks & (before == 0)

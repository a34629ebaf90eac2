"""From boxes in one frame to the masks of a clip, with a promptable video model (`predictor.Predictor`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pvtt.config.stages.segmentation import Sam2Settings
from pvtt.metrics import mask_iou
from pvtt.stages.segmentation.sam2.box_selection import box_iou
from pvtt.stages.segmentation.sam2.cropped_video import Box, CroppedVideo
from pvtt.stages.segmentation.sam2.negative_points import negative_prompts
from pvtt.stages.segmentation.sam2.predictor import Predictor

Array = np.ndarray

_MIN_RELATIVE_FIT = 0.8  # of the first mask's IoU with its box; a refined mask below it is rejected


@dataclass(frozen=True)
class Prompts:
    """The product in one frame: masks bool (k, h, w), their predicted IoUs (k,), the number of negative points used."""

    masks: Array
    quality: Array
    n_negative: int


class Sam2Tracker:
    """SAM 2 with its settings and the words for the product; works on one clip at a time."""

    def __init__(self, model: Predictor, words: str, settings: Sam2Settings) -> None:
        self._model, self._words = model, words
        self._offload = settings.offload_video_to_cpu, settings.offload_state_to_cpu

    def prompts(self, video: CroppedVideo, place: int, boxes: Sequence[Box]) -> Prompts:
        """Masks of boxes (px of the image) in the `place`-th frame, without the product's holes."""
        state = self._model.start(video, *self._offload)
        found = [self._mask(state, video.image(place), place, box) for box in boxes]
        masks = remove_overlaps(np.stack([mask for mask, _, _ in found]))
        return Prompts(masks, np.array([quality for _, quality, _ in found]), sum(count for _, _, count in found))

    def _mask(self, state: dict[str, Any], image: Array, place: int, box: Box) -> tuple[Array, float, int]:
        masks, ious, logits = self._model.masks_of_box(state, place, box)
        fits = np.array([box_mask_iou(mask, box) for mask in masks])
        best = int(np.argmax(ious * fits))
        points = negative_prompts(image, masks[best], box, self._words)
        if points:
            refined, quality, _ = self._model.masks_of_box(state, place, box, points, logits[best])
            if box_mask_iou(refined[0], box) >= _MIN_RELATIVE_FIT * fits[best]:
                return refined[0], float(quality[0]), len(points)
        return masks[best], float(ious[best]), 0

    def propagate(self, video: CroppedVideo, place: int, prompts: Prompts) -> tuple[Array, Array]:
        """Propagate the prompts from the `place`-th frame: forward, then backward with the memory of the later frames.

        Returns
        -------
        masks : bool (k, n, h, w)
            In px of the video's images.
        confidence : float64 (n,) in [0, 1]
        """
        state = self._start_with(video, place, prompts.masks)
        masks = np.zeros((len(prompts.masks), len(video), *video.size), bool)
        confidence = np.zeros(len(video))
        for reverse in (False, True):
            for number, planes, quality in self._model.propagate(state, place, reverse):
                masks[:, number] = planes
                visible_at = planes.any((1, 2))
                confidence[number] = float(quality[visible_at].mean()) if visible_at.any() else 0.0
        if masks[:, place].any():
            confidence[place] = float(prompts.quality.mean())
        return masks, confidence

    def round_trip(self, video: CroppedVideo, place: int, masks: Array, steps: int) -> float | None:
        """Forward-backward consistency: IoU of the masks at `place` with those propagated back from the first and last
        masks.

        Parameters
        ----------
        video : CroppedVideo
            With all frames.
        place : int
            Index of the frame that was prompted.
        masks : bool (k, n, h, w)
            Tracked masks, in px of the video's images.
        steps : int
            Most frames to propagate over in each direction, spread evenly.

        Returns
        -------
        float in [0, 1] or None
            The lower IoU of both directions; None without another mask or with no steps.

        References
        ----------
        Kalal, Mikolajczyk and Matas, "Forward-backward error: automatic detection of tracking failures", ICPR 2010.
        """
        visible_at = np.flatnonzero(masks.any((0, 2, 3)))
        ends = {int(end) for end in (visible_at.min(initial=place), visible_at.max(initial=place)) if end != place}
        if not steps or not ends:
            return None
        found = []
        for end in sorted(ends):
            path = np.unique(np.linspace(end, place, min(steps, abs(end - place)) + 1).round().astype(int))
            path = path if end < place else path[::-1]
            part = CroppedVideo(video.frames, path.tolist(), video.corners, video.side)
            visible = masks[:, end].any((1, 2))
            state = self._start_with(part, 0, masks[visible, end])
            propagated = [planes for _, planes, _ in self._model.propagate(state, 0, False)][-1]
            returned: Array = np.any(propagated, axis=0)
            found.append(mask_iou(returned, np.any(masks[visible, place], axis=0)))
        return min(found)

    def agreement(self, video: CroppedVideo, masks: Array, detected: Sequence[tuple[int, Box]]) -> float | None:
        """Median IoU of the tracked masks with masks of independently detected boxes.

        Each detected mask is compared with every object's mask and with their union; the highest IoU counts.

        Parameters
        ----------
        video : CroppedVideo
        masks : bool (k, n, h, w)
            Tracked masks, in px of the video's images.
        detected : list of (place, (x0, y0, x1, y1))
            Index of the frame, and box in px of the video's image.

        Returns
        -------
        float in [0, 1] or None
            None without boxes.
        """
        if not detected:
            return None
        state = self._model.start(video, *self._offload)
        found = []
        for place, box in detected:
            own, _, _ = self._mask(state, video.image(place), place, box)
            union: Array = np.any(masks[:, place], axis=0)
            found.append(max(mask_iou(own, plane) for plane in [*masks[:, place], union]))
        return float(np.median(found))

    def _start_with(self, video: CroppedVideo, place: int, masks: Array) -> dict[str, Any]:
        state = self._model.start(video, *self._offload)
        for number, mask in enumerate(masks, 1):
            self._model.add_mask(state, place, number, mask)
        return state


def box_mask_iou(mask: Array, box: Box) -> float:
    """IoU of a mask's bounding box with a box.

    Parameters
    ----------
    mask : bool (h, w)
    box : (x0, y0, x1, y1) in px of the mask

    Returns
    -------
    float in [0, 1]
        0 for an empty mask.
    """
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return box_iou((x, y, x + width, y + height), box) if width else 0.0


def remove_overlaps(masks: Array) -> Array:
    """Masks without the pixels of any earlier mask.

    Parameters
    ----------
    masks : bool (k, h, w)

    Returns
    -------
    bool (k, h, w)
        Disjoint.
    """
    before = np.cumsum(masks, axis=0) - masks
    return np.asarray(masks & (before == 0))

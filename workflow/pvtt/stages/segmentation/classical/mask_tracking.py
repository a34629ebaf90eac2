"""Track the product through a clip from its key frame, and redetect it after a loss.

The mask is propagated from the key frame in both directions (`propagation.py`). At every sampled frame it is compared
with the independent detection there. If both disagree and the detection is as similar to the product as the key frame
is, the product had been hidden or had not appeared yet. It is then tracked from the detection, forward and backward,
until the masks meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pvtt.imaging.resize import at_size
from pvtt.metrics import mask_iou
from pvtt.stages.segmentation.classical.cosegmentation import InitialDetections
from pvtt.stages.segmentation.classical.propagation import ColorModels, MaskPropagator, segment_key_frame

Array = np.ndarray

_AGREEMENT_IOU = 0.6  # IoU from which a detection and the propagated mask show the same object
_MEETING_IOU = 0.85  # IoU from which two propagated masks have met
_MIN_CONTRAST, _MIN_CONTRAST_GROWN, _MAX_CONTRAST_LOST = 0.85, 0.7, 0.5  # of the key frame's `color_contrast`
_REMNANT_AREA = 0.1  # of the key frame's mask area; a smaller mask counts as lost
_MIN_CONTAINED, _MIN_GROWTH = 0.7, 1.5  # share of the propagated mask inside the detection; area ratio to it
_MAX_AREA_GROWN, _MAX_AREA_RATIO = 1.3, 2.5  # area relative to the key frame's mask


@dataclass
class Tracklet:
    """Masks bool (h, w) and confidences float (n,) of all frames, and the frames at which the product was
    redetected.
    """

    masks: list[Array]
    confidence: Array
    restarts: list[int]


def track_mask(
    frames: Sequence[Array], overlay_masks: Array, detections: InitialDetections
) -> tuple[Tracklet, ColorModels]:
    """Track the product over all frames.

    Parameters
    ----------
    frames : uint8 (h, w, 3) RGB, at the working size
    overlay_masks : bool (n, h, w), any size
        True where a graphic overlay lies.
    detections : InitialDetections

    Returns
    -------
    The masks of all frames and the colour models at the key frame.
    """
    key = detections.numbers[detections.best]
    initial_models = ColorModels(
        detections.foreground, detections.foreground, detections.background, detections.hull_prior
    )
    start, models = segment_key_frame(frames[key], detections.masks[detections.best], initial_models)
    result = Tracklet([start] * len(frames), np.ones(len(frames)), [])
    for order in (range(key + 1, len(frames)), range(key - 1, -1, -1)):
        propagator, last = MaskPropagator(frames[key], start, models), key
        for number in order:
            mask, confident = propagator.step(frames[number], overlay_masks[number])
            if number in detections.numbers:
                k = detections.numbers.index(number)
                if _is_lost(detections, k, at_size(mask, detections.masks[k].shape)):
                    mask, restart_models = segment_key_frame(frames[number], detections.masks[k], initial_models)
                    propagator, confident = MaskPropagator(frames[number], mask, restart_models), 1.0
                    result.restarts.append(number)
                    _propagate_back(frames, overlay_masks, (number, mask, last), restart_models, result)
                last = number
            result.masks[number], result.confidence[number] = mask, confident
    return result, models


def _is_lost(detections: InitialDetections, k: int, propagated: Array) -> bool:
    """Whether the detection of the k-th sampled frame must replace the propagated mask, bool (h, w) of the same size.

    The detection must look like the key frame's product. The propagated mask must not, or be a remnant or a part of the
    detection, as when a product comes out from behind a hand.
    """
    detected, key = detections.masks[k], detections.masks[detections.best]
    if not detected.any() or mask_iou(detected, propagated) >= _AGREEMENT_IOU:
        return False
    key_contrast, size = detections.color_contrast(detections.best, key), detected.sum() / key.sum()
    color_contrast = detections.color_contrast(k, detected)
    remnant = (
        propagated.sum() < _REMNANT_AREA * key.sum()
        or (propagated & detected).sum() > _MIN_CONTAINED * propagated.sum()
    )
    if remnant and detected.sum() > _MIN_GROWTH * propagated.sum():
        return color_contrast > _MIN_CONTRAST_GROWN * key_contrast and size < _MAX_AREA_GROWN
    return (
        color_contrast > _MIN_CONTRAST * key_contrast
        and detections.color_contrast(k, propagated) < _MAX_CONTRAST_LOST * key_contrast
        and 1 / _MAX_AREA_RATIO < size < _MAX_AREA_RATIO
    )


def _propagate_back(
    frames: Sequence[Array], overlay_masks: Array, span: tuple[int, Array, int], models: ColorModels, result: Tracklet
) -> None:
    """Propagate from a restart (frame, mask) back to the previous sampled frame, until the masks meet."""
    number, mask, last = span
    propagator = MaskPropagator(frames[number], mask, models)
    for frame_number in range(number - 1, last, -1) if last < number else range(number + 1, last):
        mask, confident = propagator.step(frames[frame_number], overlay_masks[frame_number])
        if mask_iou(mask, result.masks[frame_number]) > _MEETING_IOU:
            return
        result.masks[frame_number], result.confidence[frame_number] = mask, confident

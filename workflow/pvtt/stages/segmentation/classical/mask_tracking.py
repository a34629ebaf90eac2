"""Carry the product through a clip from its key frame, and take it up again where it was lost.

Both ways from the key frame the mask is carried (`propagation.py`). At every sampled frame it meets what was detected
there on its own: where the two disagree and the detection is as like the product as the key frame, the product was lost
behind something or had not come in yet. It is then carried from the detection, on and back, until the masks meet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pvtt.imaging.morphology import iou
from pvtt.imaging.resize import at_size
from pvtt.stages.segmentation.classical.cosegmentation import Discovery
from pvtt.stages.segmentation.classical.propagation import Carrier, Models, segment_key_frame

Array = np.ndarray

_AGREE = 0.6  # IoU from which detection and carried mask are the same thing
_MEET = 0.85  # IoU from which two carried masks are
_LIKE, _LIKE_GROWN, _UNLIKE = 0.85, 0.7, 0.5  # of the key frame's `Discovery.fit`
_REMNANT = 0.1  # of the key frame's area: so little of the product is as good as lost
_WITHIN, _LARGER = 0.7, 1.5  # shares of the carried mask: of it in the detection, of the detection
_LARGEST, _OTHER_SIZE = 1.3, 2.5  # of the key frame's area


@dataclass
class Carried:
    """Masks bool (h, w) and confidences of all frames, and at which frames the product was taken up again."""

    masks: list[Array]
    confidence: Array
    restarts: list[int]


def carry(work: Sequence[Array], covered: Array, found: Discovery) -> tuple[Carried, Models]:
    """Masks of all frames `work` (uint8 (h, w, 3) RGB); `covered` bool (n, h, w): where overlays lie."""
    key = found.numbers[found.best]
    seen = Models(found.product, found.product, found.ground, found.solidity)
    start, models = segment_key_frame(work[key], found.masks[found.best], seen)
    result = Carried([start] * len(work), np.ones(len(work)), [])
    for order in (range(key + 1, len(work)), range(key - 1, -1, -1)):
        carrier, last = Carrier(work[key], start, models), key
        for number in order:
            mask, sure = carrier.step(work[number], covered[number])
            if number in found.numbers:
                k = found.numbers.index(number)
                if _lost(found, k, at_size(mask, found.masks[k].shape)):
                    mask, renewed = segment_key_frame(work[number], found.masks[k], seen)
                    carrier, sure = Carrier(work[number], mask, renewed), 1.0
                    result.restarts.append(number)
                    _carry_back(work, covered, (number, mask, last), renewed, result)
                last = number
            result.masks[number], result.confidence[number] = mask, sure
    return result, models


def _lost(found: Discovery, k: int, carried: Array) -> bool:
    """Whether the detection of the k-th sampled frame must take the place of the carried mask (of its size).

    It must look like the key frame's; and the carried mask must not, or be a remnant or a part of the detection: parts
    come out from behind a hand apart from what is carried.
    """
    detected, key = found.masks[k], found.masks[found.best]
    if not detected.any() or iou(detected, carried) >= _AGREE:
        return False
    good, size = found.fit(found.best, key), detected.sum() / key.sum()
    fit = found.fit(k, detected)
    remnant = carried.sum() < _REMNANT * key.sum() or (carried & detected).sum() > _WITHIN * carried.sum()
    if remnant and detected.sum() > _LARGER * carried.sum():
        return fit > _LIKE_GROWN * good and size < _LARGEST
    return fit > _LIKE * good and found.fit(k, carried) < _UNLIKE * good and 1 / _OTHER_SIZE < size < _OTHER_SIZE


def _carry_back(
    work: Sequence[Array], covered: Array, span: tuple[int, Array, int], models: Models, result: Carried
) -> None:
    """From a restart (frame, mask) back towards the sampled frame before it, until the masks meet."""
    number, mask, last = span
    carrier = Carrier(work[number], mask, models)
    for back in range(number - 1, last, -1) if last < number else range(number + 1, last):
        mask, sure = carrier.step(work[back], covered[back])
        if iou(mask, result.masks[back]) > _MEET:
            return
        result.masks[back], result.confidence[back] = mask, sure

"""Carry the product's mask from one frame through the clip.

From a key frame the mask is warped by optical flow in both directions and labelled anew in every frame, in a band
around the warped contour, with colour models of product and surroundings that adapt slowly: the scheme of Video
SnapCut (Bai et al., SIGGRAPH 2009) with one adaptive model in place of its local windows. Skin coming in over the
border belongs to the ground, so hands in front of the product are cut out of the mask.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from pvtt.segmentation import appearance
from pvtt.segmentation.discovery import border_skin, reduced
from pvtt.segmentation.labelling import GuidedFilter, drop_specks, label, main_parts, signed_distance
from pvtt.segmentation.motion import Flow, warp
from pvtt.segmentation.shade import shaded_evidence

Array = np.ndarray

_BAND = 4.0  # px over which the warped contour is in doubt
_REACH = 40  # px around the mask whose colours are its surroundings
_NEAR = 10.0  # px over which their weight falls
_SKIN_SHARE = 0.1
_ADAPT = 0.08


@dataclass
class Models:
    """Colour histograms: of the product at the key frame, of the product lately, of the whole ground, of skin."""

    product: Array
    recent: Array
    ground: Array

    def evidence(self, index: Array, image: Array, local: Array, mask: Array) -> Array:
        """Log-odds of the product per pixel, float32 (h, w); `local` is the histogram of the surroundings.

        `index` is `appearance.features(image)`, `mask` is about where the product lies.
        """
        ground = 0.3 * self.ground + 0.7 * local
        return shaded_evidence(index, image, 0.6 * self.product + 0.4 * self.recent, ground, mask)


def segment_key_frame(frame: Array, found: Array, product: Array, ground: Array) -> tuple[Array, Models]:
    """Mask of the key frame (uint8 (h, w, 3) RGB) from the mask found at reduced size, and the colour models."""
    size = (frame.shape[1], frame.shape[0])
    coarse = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    step = frame.shape[0] / found.shape[0]
    place = np.clip(signed_distance(coarse) / (2.5 * step), -5, 1)
    index, guided, skin = appearance.features(frame), GuidedFilter(frame), _skin(frame)
    mask = coarse
    for _ in range(3):
        models = Models(product, product, ground)
        odds = models.evidence(index, frame, _surroundings(index, mask, skin), mask)
        probability = label(odds + place - 2 * skin * (place < 1), guided)
        mask = main_parts(_tidy(probability > 0.5))
        if not mask.any():
            mask = coarse
        product = 0.3 * product + 0.7 * appearance.histogram(index, mask)
    return mask, Models(product, product, ground)


class Carrier:
    """A mask that is carried from frame to frame, starting at a frame where it is known."""

    def __init__(self, frame: Array, mask: Array, models: Models) -> None:
        """`frame` uint8 (h, w, 3) RGB, `mask` bool (h, w); the models' colours start anew from the key frame's."""
        self._flow = Flow()
        self._models = replace(models, recent=models.product)
        self.frame, self.mask = frame, mask

    def step(self, frame: Array, covered: Array) -> tuple[Array, float]:
        """Mask (bool (h, w)) and confidence of a neighbouring frame; `covered` (bool, any size): where overlays lie."""
        warped = warp(self.mask.astype(np.float32), self._flow(frame, self.frame))
        self.mask, confidence = _step(frame, warped, self._models, covered)
        self.frame = frame
        return self.mask, confidence


def _step(frame: Array, warped: Array, models: Models, covered: Array) -> tuple[Array, float]:
    expected = warped > 0.5
    result = np.zeros(expected.shape, bool)
    if expected.sum() < 12:
        return result, 0.0
    window = _window(expected)
    image, inside = np.ascontiguousarray(frame[window]), expected[window]
    index = appearance.features(image)
    overlaid = resized(covered, frame.shape[:2])[window]
    foreign = _strange_skin(index, _skin(frame)[window], inside, models) | overlaid
    distance = signed_distance(inside)
    place = np.clip(distance / _BAND, -8, 1.5)
    ratio = models.evidence(index, image, _surroundings(index, inside, foreign), inside)
    probability = label(ratio + place - 1.5 * foreign - 6 * overlaid, GuidedFilter(image))
    mask = _tidy(probability > 0.5)
    result[window] = mask
    sure = mask & (probability > 0.9) & (ratio > -1)
    if sure.sum() >= 50:
        models.recent = (1 - _ADAPT) * models.recent + _ADAPT * appearance.histogram(index, sure)
    return result, stability(probability)


def stability(probability: Array) -> float:
    """Area of the sure part of a mask over that of the possible part, 0 to 1.

    A mask that changes little with its threshold is well defined (the stability score of Kirillov et al., "Segment
    anything", ICCV 2023); log-odds of +-2 are compared.
    """
    possible = (probability > 0.12).sum()
    return float((probability > 0.88).sum() / possible) if possible else 0.0


def _surroundings(index: Array, mask: Array, skin: Array) -> Array:
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    # Near pixels weigh most: they share the product's edges, so that texture there does not pull the contour outwards.
    weights = np.where((distance > 1.5) & (distance <= _REACH), np.exp(-distance / _NEAR), 0)
    local = appearance.histogram(index, weights)
    if not skin.any():
        return local
    return (1 - _SKIN_SHARE) * local + _SKIN_SHARE * appearance.histogram(index, skin & ~mask)


def _window(mask: Array) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(0, rows[0] - _REACH), max(0, columns[0] - _REACH)
    return slice(top, rows[-1] + _REACH + 1), slice(left, columns[-1] + _REACH + 1)


def _skin(frame: Array) -> Array:
    return resized(border_skin(reduced(frame, 240)), frame.shape[:2])


def _strange_skin(index: Array, skin: Array, expected: Array, models: Models) -> Array:
    """Skin outside the expected mask, and inside it where the product, which may be skin-coloured, explains it less."""
    outside = skin & ~expected
    if outside.sum() < 20:
        return outside
    ratio = appearance.log_ratio(models.product, appearance.histogram(index, outside))
    return skin & (outside | (ratio[index[..., 0]] < -2))


def resized(mask: Array, shape: tuple[int, ...]) -> Array:
    """Bool mask (h, w) brought to another size by nearest neighbour."""
    return cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0


def _tidy(mask: Array) -> Array:
    return drop_specks(mask, max(8.0, 0.01 * mask.sum()))


def refine(frame: Array, mask: Array, models: Models) -> Array:
    """Mask at the size of `frame` (uint8 (h, w, 3) RGB) from one at reduced size: a narrow band is labelled anew."""
    if mask.shape == frame.shape[:2] or not mask.any():
        return resized(mask, frame.shape[:2])
    if mask.shape[0] > frame.shape[0]:
        return cv2.resize(mask.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.5
    soft = cv2.resize(mask.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    result = soft > 0.5
    window = _window(result)
    image, inside = np.ascontiguousarray(frame[window]), result[window]
    index = appearance.features(image)
    step = frame.shape[0] / mask.shape[0]
    place = np.clip(signed_distance(inside) / step, -6, 6)
    ratio = models.evidence(index, image, appearance.histogram(index, ~inside), inside)
    result[window] = label(place + 0.5 * ratio, GuidedFilter(image)) > 0.5
    return result

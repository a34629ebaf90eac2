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

from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation import color_histograms
from pvtt.stages.segmentation.classical.cosegmentation import foreign_skin
from pvtt.stages.segmentation.classical.pixel_labeling import (
    GuidedFilter,
    drop_specks,
    label,
    main_parts,
    signed_distance,
)
from pvtt.stages.segmentation.classical.shadow_edges import enclosed, shaded_evidence
from pvtt.stages.segmentation.concavity_filling import Solidity, filled
from pvtt.stages.segmentation.motion import Flow, warp

Array = np.ndarray

_BAND = 4.0  # px over which the warped contour is in doubt
_HELD = 4.0  # log-odds of the middle of what edges close off
_REACH = 40  # px around the mask whose colours are its surroundings
_NEAR = 10.0  # px over which their weight falls
_SKIN_SHARE = 0.1
_LEAST_SPAN = 12.0  # of Lab, between product and surroundings, for a mix of them to be told
_ADAPT = 0.08


@dataclass
class Models:
    """Colour histograms: of the product at the key frame, of the product lately, of the whole ground.

    `solidity` is what photos tell of its shape, None without any.
    """

    product: Array
    recent: Array
    ground: Array
    solidity: Solidity | None = None

    @property
    def solid(self) -> bool:
        """Whether what edges close off is the product's own: its photos show no large openings."""
        return self.solidity is not None and self.solidity.solid

    def evidence(self, index: Array, image: Array, local: Array, mask: Array) -> Array:
        """Log-odds of the product per pixel, float32 (h, w); `local` is the histogram of the surroundings.

        `index` is `appearance.features(image)`, `mask` is about where the product lies.
        """
        ground = 0.3 * self.ground + 0.7 * local
        return shaded_evidence(index, image, 0.6 * self.product + 0.4 * self.recent, ground, mask)


def segment_key_frame(frame: Array, found: Array, start: Models) -> tuple[Array, Models]:
    """Mask of the key frame (uint8 (h, w, 3) RGB) from the mask found at reduced size, and the colour models.

    `start` holds the models of the product as found.
    """
    size = (frame.shape[1], frame.shape[0])
    coarse = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
    step = frame.shape[0] / found.shape[0]
    distance = signed_distance(coarse)
    place = np.clip(distance / (2.5 * step), -5, 1)
    if start.solid:
        place = np.where(held(frame, coarse), np.clip(distance / (2.5 * step), place, _HELD), place)
    index, guided, skin = color_histograms.features(frame), GuidedFilter(frame), _skin(frame, start)
    mask, product = coarse, start.product
    for _ in range(3):
        models = replace(start, product=product, recent=product)
        odds = models.evidence(index, frame, _surroundings(index, mask, skin), mask)
        probability = label(odds + place - 2 * skin * (place < 1), guided)
        mask = filled(main_parts(_tidy(probability > 0.5)), frame, start.solidity)
        if not mask.any():
            mask = coarse
        product = 0.3 * product + 0.7 * color_histograms.histogram(index, mask)
    return mask, replace(start, product=product, recent=product)


def held(frame: Array, expected: Array) -> Array:
    """What of the expected mask edges close off from the ground around it, bool (h, w), whatever its colours."""
    small = reduced(frame, 240)
    inside = resized(expected, small.shape[:2])
    closed, _ = enclosed(small, cv2.dilate(inside.astype(np.uint8), np.ones((13, 13), np.uint8)) == 0)
    return resized(closed, frame.shape[:2]) & expected


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
    index = color_histograms.features(image)
    overlaid = resized(covered, frame.shape[:2])[window]
    foreign = _strange_skin(index, _skin(frame, models)[window], inside, models) | overlaid
    distance = signed_distance(inside)
    place = np.clip(distance / _BAND, -8, 1.5)
    if models.solid:
        place = np.where(held(frame, expected)[window], np.clip(distance / _BAND, place, _HELD), place)
    ratio = models.evidence(index, image, _surroundings(index, inside, foreign), inside)
    probability = label(ratio + place - 1.5 * foreign - 6 * overlaid, GuidedFilter(image))
    result[window] = _tidy(probability > 0.5)
    result = filled(result, frame, models.solidity)
    mask = result[window]
    sure = mask & (probability > 0.9) & (ratio > -1)
    if sure.sum() >= 50:
        models.recent = (1 - _ADAPT) * models.recent + _ADAPT * color_histograms.histogram(index, sure)
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
    local = color_histograms.histogram(index, weights)
    if not skin.any():
        return local
    return (1 - _SKIN_SHARE) * local + _SKIN_SHARE * color_histograms.histogram(index, skin & ~mask)


def _window(mask: Array) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = max(0, rows[0] - _REACH), max(0, columns[0] - _REACH)
    return slice(top, rows[-1] + _REACH + 1), slice(left, columns[-1] + _REACH + 1)


def _skin(frame: Array, models: Models) -> Array:
    shown = None if models.solidity is None else models.solidity.shown
    return resized(foreign_skin(reduced(frame, 240), shown), frame.shape[:2])


def _strange_skin(index: Array, skin: Array, expected: Array, models: Models) -> Array:
    """Skin outside the expected mask, and inside it where the product, which may be skin-coloured, explains it less."""
    outside = skin & ~expected
    if outside.sum() < 20:
        return outside
    ratio = color_histograms.log_ratio(models.product, color_histograms.histogram(index, outside))
    return skin & (outside | (ratio[index[..., 0]] < -2))


def resized(mask: Array, shape: tuple[int, ...]) -> Array:
    """Bool mask (h, w) brought to another size by nearest neighbour."""
    return cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0


def _tidy(mask: Array) -> Array:
    return drop_specks(mask, max(8.0, 0.01 * mask.sum()))


def refine(frame: Array, mask: Array, models: Models) -> Array:
    """Mask at the size of `frame` (uint8 (h, w, 3) RGB) from one at another size, its contour fitted to the frame."""
    if not mask.any():
        return resized(mask, frame.shape[:2])
    return unmixed(frame, _at_frame_size(frame, mask, models))


def _at_frame_size(frame: Array, mask: Array, models: Models) -> Array:
    if mask.shape == frame.shape[:2]:
        return mask
    if mask.shape[0] > frame.shape[0]:
        return cv2.resize(mask.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.5
    soft = cv2.resize(mask.astype(np.float32), frame.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    result = soft > 0.5
    window = _window(result)
    image, inside = np.ascontiguousarray(frame[window]), result[window]
    index = color_histograms.features(image)
    step = frame.shape[0] / mask.shape[0]
    place = np.clip(signed_distance(inside) / step, -6, 6)
    ratio = models.evidence(index, image, color_histograms.histogram(index, ~inside), inside)
    result[window] = label(place + 0.5 * ratio, GuidedFilter(image)) > 0.5
    return result


def unmixed(frame: Array, mask: Array) -> Array:
    """The mask, bool (h, w), with its contour where a pixel is half product and half surroundings.

    Pixels within 1.5 px of the contour are mixed of both (Smith and Blinn, SIGGRAPH 1996): the surroundings' colour is
    the mean of those nearby, the product's the mean of the pixels of the mask nearby, those most unlike the
    surroundings first. Where the two are alike, the contour stays.
    """
    window = _window(mask)
    lab = cv2.cvtColor(frame[window].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inside = mask[window]
    outward = cv2.distanceTransform(1 - inside.astype(np.uint8), cv2.DIST_L2, 5)
    inward = cv2.distanceTransform(inside.astype(np.uint8), cv2.DIST_L2, 5)
    around = ((outward > 2) & (outward <= _NEAR)).astype(np.float32)
    back, weight = _local_mean(lab, around, 2 * int(_NEAR) + 5)
    front, unlike = _local_mean(lab, inside * ((lab - back) ** 2).sum(2), 9)
    span = front - back
    length = (span**2).sum(2)
    share = ((lab - back) * span).sum(2) / np.maximum(length, 1)
    mixed = (outward <= 1.5) & (inward <= 1.5) & (length > _LEAST_SPAN**2) & (weight > 1e-3) & (unlike > 1e-3)
    result = mask.copy()
    result[window] = np.where(mixed, share > 0.5, inside)
    return result


def _local_mean(values: Array, weights: Array, side: int) -> tuple[Array, Array]:
    """Weighted mean of values (h, w, 3) in a window of `side` px, and the mean weight (h, w)."""
    total = cv2.blur(weights.astype(np.float32), (side, side))
    return cv2.blur(values * weights[..., None], (side, side)) / np.maximum(total, 1e-6)[..., None], total

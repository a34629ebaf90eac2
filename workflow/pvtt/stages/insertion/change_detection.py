"""Change detection: the mask of a generated product, from frames with and without it.

Two detectors for generators that return frames but no masks. They differ in what they assume about the generator:

- `detect_inserted_mask` for generators that change the whole frame a little. It takes the noise from outside the
  region and ignores pixels that only became darker, since a shadow keeps the chromaticity nearly unchanged
  (Horprasert, Harwood and Davis, ICCV workshop 1999).
- `detect_inserted_mask_otsu` for generators whose frames equal the background outside the region. There is no noise
  sample then, so the threshold is Otsu's (1979).
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.colour import luminance, to_linear
from pvtt.imaging.geometry import box_of, closed, disc, padded_box

Array = np.ndarray

# detect_inserted_mask
_MIN_CHANGE = 10.0  # grey levels, 0-255: smaller changes never count
_STRONG = 2.0  # times the threshold: a component needs at least one pixel that changed as much
_TINT = 0.04  # difference of r, g, b chromaticities (0-1): below it the tint is the background's
_DARKEST = 0.3  # share of the background's luminance: darker pixels are product, not shadow
_MIN_COMPONENT = 0.02  # share of the largest component's area
_EDGE = 0.35  # share of the strongest change within 2 px: less is blur from that pixel
_NOISE_SIGMAS = 5  # robust standard deviations above the median
_MIN_NOISE_PIXELS = 100  # pixels outside the region that the noise is measured on

# detect_inserted_mask_otsu
_OTSU_MIN, _OTSU_MAX = 12.0, 30.0  # grey levels, 0-255: limits of the threshold
_OTSU_MIN_SHARE = 0.02  # share of the region: with less change the whole region is returned
_OTSU_MIN_COMPONENT = 0.1  # share of the largest component's area


def detect_inserted_mask(result: Array, background: Array, region: Array) -> Array:
    """Mask of the product in a frame of a generator that changes the whole frame a little.

    Parameters
    ----------
    result, background : uint8 (h, w, 3), RGB, 0-255
        The frame with the product and without it.
    region : bool (h, w)
        Where the product can be. The change outside it is taken as noise.

    Returns
    -------
    bool (h, w)
        Holes are filled, small components removed. Empty when nothing in the region changes clearly.
    """
    seen = np.zeros(region.shape, bool)
    box = box_of(region)
    if box is None:
        return seen
    reach = 8 + max(box[2] - box[0], box[3] - box[1]) // 2
    x0, y0, x1, y1 = padded_box(box, reach, region.shape[1], region.shape[0])
    part = np.s_[y0:y1, x0:x1]
    after, before, inside = result[part], background[part], region[part]
    sharp = cv2.absdiff(after, before).max(2).astype(np.float32)
    change = cv2.blur(sharp, (3, 3))
    limit = max(_MIN_CHANGE, _noise_threshold(change[~inside]))
    # The blur spreads a strong change over its edge; a faint change beside a strong one is outside the product.
    edge = sharp > _EDGE * cv2.dilate(change, np.ones((5, 5), np.uint8))
    candidates = inside & (change > limit) & edge & ~_only_darker(after, before)
    candidates = cv2.morphologyEx(candidates.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0
    size = float(np.sqrt(candidates.sum()))
    mask = closed(candidates, max(1, round(0.03 * size))) & inside
    mask = _fill_holes(_strong_components(mask, candidates & (change > _STRONG * limit)))
    seen[part] = mask & inside
    return seen


def detect_inserted_mask_otsu(background: Array, result: Array, region: Array) -> tuple[Array, bool]:
    """Mask of the product in a frame that equals the background outside `region`.

    The difference is thresholded by Otsu's method, limited to 12-30 grey levels so that video compression does not
    count; then it is opened, closed, its holes filled and its small components removed. A dark shadow can count as
    product, and a product of the background's colour can be missed.

    Parameters
    ----------
    background, result : uint8 (h, w, 3), RGB, 0-255
        The frame without the product and with it.
    region : bool (h, w)
        Where the generator was allowed to paint.

    Returns
    -------
    mask : bool (h, w)
        The whole region when less than 2 % of it changed.
    clear : bool
        False in that case.
    """
    box = box_of(region)
    if box is None:
        return np.zeros(region.shape, bool), False
    part = np.s_[box[1] : box[3], box[0] : box[2]]
    size = min(region.shape) / 720
    difference = cv2.absdiff(background[part], result[part]).max(2)
    soft = cv2.GaussianBlur(difference, (0, 0), 0.8 + size)
    limit = cv2.threshold(soft[region[part]], 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]
    changed = (soft > np.clip(limit, _OTSU_MIN, _OTSU_MAX)) & region[part]
    changed = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0
    whole = _fill_holes(closed(changed, 2 + round(6 * size))) & region[part]
    whole = _large_components(whole)
    if whole.sum() < _OTSU_MIN_SHARE * region[part].sum():
        return region.copy(), False
    mask = np.zeros(region.shape, bool)
    mask[part] = whole
    return mask, True


def _noise_threshold(change: Array) -> float:
    """Noise threshold: median + 5 robust standard deviations of the change outside the region, in grey levels."""
    if change.size < _MIN_NOISE_PIXELS:
        return 0.0
    median = float(np.median(change))
    # 1.48: standard deviation of a normal distribution over its median absolute deviation.
    return median + _NOISE_SIGMAS * 1.48 * float(np.median(np.abs(change - median)))


def _only_darker(after: Array, before: Array) -> Array:
    """Pixels that are darker than the background but keep its tint, as in a shadow: bool (h, w)."""
    light, background = (to_linear(cv2.blur(image, (3, 3))) + 0.01 for image in (after, before))
    ratio = luminance(light) / luminance(background)
    tint = np.abs(light / light.sum(2, keepdims=True) - background / background.sum(2, keepdims=True)).max(2)
    darker: Array = (ratio < 1) & (ratio > _DARKEST) & (tint < _TINT)
    return darker


def _strong_components(mask: Array, strong: Array) -> Array:
    """Components of `mask` that contain a `strong` pixel and have at least 2 % of the largest component's area."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0
    keep = np.zeros(count, bool)
    keep[np.unique(labels[strong])] = True
    keep &= areas >= max(4.0, _MIN_COMPONENT * areas.max())
    keep[0] = False
    kept: Array = keep[labels]
    return kept


def _large_components(mask: Array) -> Array:
    """Components of `mask` that have at least a tenth of the largest component's area."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    areas = statistics[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return np.isin(labels, np.flatnonzero((areas > 0) & (areas >= _OTSU_MIN_COMPONENT * areas.max(initial=0))))


def _fill_holes(mask: Array) -> Array:
    """`mask` with the background pixels that it encloses."""
    contours = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    filled = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(filled, contours, -1, 1, cv2.FILLED)
    return filled > 0

"""Where a generated product is seen: what differs from the background, its shadow left out.

For generators that give frames and no masks. A difference counts when it is clearly more than the generator changes
where nothing was put, and when it is not only darker ground of the same tint (a shadow keeps the chromaticity nearly:
Horprasert, Harwood and Davis, ICCV workshop 1999).
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.colour import luminance, to_linear
from pvtt.imaging.geometry import box_of, closed, disc, padded_box

Array = np.ndarray

_LEAST = 10.0
_STRONG = 2.0
_TINT = 0.04
_DARKEST = 0.3
_SMALL = 0.02
_EDGE = 0.35


def seen_mask(result: Array, background: Array, region: Array) -> Array:
    """Mask bool (h, w) of the product in `result`, which shows `background` with it; both uint8 (h, w, 3) RGB.

    `region` (bool (h, w)) is where it can be. Differences outside it tell how much the generator changes anyway. Holes
    are filled, specks dropped; empty when nothing in the region differs clearly.
    """
    seen = np.zeros(region.shape, bool)
    box = box_of(region)
    if box is None:
        return seen
    reach = 8 + max(box[2] - box[0], box[3] - box[1]) // 2
    x0, y0, x1, y1 = padded_box(box, reach, region.shape[1], region.shape[0])
    part = np.s_[y0:y1, x0:x1]
    there, plain, inside = result[part], background[part], region[part]
    sharp = cv2.absdiff(there, plain).max(2).astype(np.float32)
    change = cv2.blur(sharp, (3, 3))
    limit = max(_LEAST, _usual(change[~inside]))
    # The blur reaches over the edge; what is faint beside something strong lies outside of it.
    edge = sharp > _EDGE * cv2.dilate(change, np.ones((5, 5), np.uint8))
    candidates = inside & (change > limit) & edge & ~_only_darker(there, plain)
    candidates = cv2.morphologyEx(candidates.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0
    size = float(np.sqrt(candidates.sum()))
    mask = closed(candidates, max(1, round(0.03 * size))) & inside
    mask = _filled(_parts(mask, candidates & (change > _STRONG * limit)))
    seen[part] = mask & inside
    return seen


def _usual(change: Array) -> float:
    """The change that hardly any pixel exceeds where nothing was put, in the presence of things that were."""
    if change.size < 100:
        return 0.0
    middle = float(np.median(change))
    return middle + 5 * 1.48 * float(np.median(np.abs(change - middle)))


def _only_darker(there: Array, plain: Array) -> Array:
    """Where the light is less than the ground's and of its tint, bool (h, w)."""
    light, ground = (to_linear(cv2.blur(image, (3, 3))) + 0.01 for image in (there, plain))
    ratio = luminance(light) / luminance(ground)
    tint = np.abs(light / light.sum(2, keepdims=True) - ground / ground.sum(2, keepdims=True)).max(2)
    return (ratio < 1) & (ratio > _DARKEST) & (tint < _TINT)


def _parts(mask: Array, strong: Array) -> Array:
    """Parts of `mask` with a `strong` pixel and at least 2 % of the largest one's area."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return mask
    areas = stats[:, cv2.CC_STAT_AREA].astype(float)
    areas[0] = 0
    keep = np.zeros(count, bool)
    keep[np.unique(labels[strong])] = True
    keep &= areas >= max(4.0, _SMALL * areas.max())
    keep[0] = False
    return keep[labels]


def _filled(mask: Array) -> Array:
    """`mask` with what it encloses."""
    outlines = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    full = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(full, outlines, -1, 1, cv2.FILLED)
    return full > 0

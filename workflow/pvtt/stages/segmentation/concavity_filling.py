"""What is a product's own though its colours speak against it: parts that it encloses.

A white label on a white ground, or the pale body of a mug, is bitten out of a mask by any colour model. The photos tell
how much of its convex hull a product fills, and which colours it has: bites that its photos explain are filled until
the mask is as solid as the product is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.stages.segmentation import color_histograms

Array = np.ndarray

SOLID = 0.65  # of its convex hull, from which a product is one without large openings
_KNOWN = 0.6  # share of a bite's colours that the photos show
_BOUNDED = 0.55  # share of a bite's contour that lies on the mask
_CUT = 0.15  # of the square root of the area: length on one side of the frame, from which a mask is cut
_LEAST = 0.004  # of the hull, for a bite
_SLACK = 0.03  # by which a mask may become more solid than most photos show


@dataclass(frozen=True)
class Solidity:
    """What photos tell of a product: the shares of its convex hull that it fills in them, 0 to 1, sorted, and its
    colours' likeness per bin."""

    fills: Array
    shown: Array

    @property
    def fill(self) -> float:
        """The usual share."""
        return float(np.median(self.fills))

    @property
    def solid(self) -> bool:
        """Whether it has no large openings."""
        return self.fill > SOLID

    def gap(self, fill: float) -> float:
        """How far a mask's share is from those of the photos, 0 between them."""
        return float(max(self.fills[0] - fill, fill - self.fills[-1], 0.0))


def photographed(references: Sequence[Array]) -> Solidity | None:
    """Solidity of RGBA cut-outs (uint8 (h, w, 4)); None without any that shows colours."""
    known = color_histograms.reference_histogram(references)
    if known is None:
        return None
    fills = np.sort([color_histograms.hull_fill(cutout[..., 3] > 127) for cutout in references])
    return Solidity(fills, color_histograms.likeness(known))


def filled(mask: Array, image: Array, solidity: Solidity | None) -> Array:
    """The mask, bool (h, w), with its bites filled that the product explains; `image` uint8 (h, w, 3) RGB.

    A product that the frame cuts has another hull than in its photos: its mask stays as it is.
    """
    places = cv2.findNonZero(mask.astype(np.uint8))
    if solidity is None or not solidity.solid or places is None or _cut(mask):
        return mask
    x, y, width, height = cv2.boundingRect(places)
    part = np.s_[y : y + height, x : x + width]
    inside = mask[part]
    hull = np.zeros(inside.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(places - (x, y)), 1)
    lacking = (solidity.fill + _SLACK) * hull.sum() - inside.sum()
    bites = cv2.morphologyEx(hull & ~inside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bites, connectivity=4)
    colours = color_histograms.features(np.ascontiguousarray(image[part]))[..., 0]
    result = inside.copy()
    for k in sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA]):
        area, bite = int(stats[k, cv2.CC_STAT_AREA]), labels == k
        if not _LEAST * hull.sum() < area <= lacking:
            continue
        if _bounded(bite, inside) > _BOUNDED and solidity.shown[colours[bite]].mean() > _KNOWN:
            result |= bite
            lacking -= area
    if (result != inside).any():
        result = cv2.morphologyEx(result.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    whole = mask.copy()
    whole[part] |= result
    return whole


def _cut(mask: Array) -> bool:
    return bool(max(mask[0].sum(), mask[-1].sum(), mask[:, 0].sum(), mask[:, -1].sum()) > _CUT * np.sqrt(mask.sum()))


def _bounded(bite: Array, mask: Array) -> float:
    """Share of a bite's contour that lies on the mask, 0 to 1."""
    around = (cv2.dilate(bite.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~bite
    return float((around & mask).sum() / max(1, around.sum()))

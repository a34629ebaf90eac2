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

MIN_SOLIDITY = 0.65  # of its convex hull, from which a product is one without large openings
_MIN_REFERENCE_SHARE = 0.6  # share of a bite's colours that the photos show
_MIN_CONTACT = 0.55  # share of a bite's contour that lies on the mask
_MAX_BORDER_LENGTH = 0.15  # of the square root of the area: length on one side of the frame, from which a mask is cut
_MIN_AREA_SHARE = 0.004  # of the hull, for a bite
_SOLIDITY_SLACK = 0.03  # by which a mask may become more solid than most photos show


@dataclass(frozen=True)
class HullPrior:
    """What photos tell of a product: the shares of its convex hull that it fills in them, 0 to 1, sorted, and its
    colours' likeness per bin."""

    solidities: Array
    color_likelihood: Array

    @property
    def median_solidity(self) -> float:
        """The usual share."""
        return float(np.median(self.solidities))

    @property
    def is_solid(self) -> bool:
        """Whether it has no large openings."""
        return self.median_solidity > MIN_SOLIDITY

    def gap(self, median_solidity: float) -> float:
        """How far a mask's share is from those of the photos, 0 between them."""
        return float(max(self.solidities[0] - median_solidity, median_solidity - self.solidities[-1], 0.0))


def estimate_hull_prior(references: Sequence[Array]) -> HullPrior | None:
    """Solidity of RGBA cut-outs (uint8 (h, w, 4)); None without any that shows colours."""
    reference = color_histograms.reference_histogram(references)
    if reference is None:
        return None
    solidities = np.sort([color_histograms.solidity(cutout[..., 3] > 127) for cutout in references])
    return HullPrior(solidities, color_histograms.color_likelihood(reference))


def fill_concavities(mask: Array, image: Array, hull_prior: HullPrior | None) -> Array:
    """The mask, bool (h, w), with its bites filled that the product explains; `image` uint8 (h, w, 3) RGB.

    A product that the frame cuts has another hull than in its photos: its mask stays as it is.
    """
    pixels = cv2.findNonZero(mask.astype(np.uint8))
    if hull_prior is None or not hull_prior.is_solid or pixels is None or _is_truncated(mask):
        return mask
    x, y, width, height = cv2.boundingRect(pixels)
    window = np.s_[y : y + height, x : x + width]
    inside = mask[window]
    hull = np.zeros(inside.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(pixels - (x, y)), 1)
    missing_area = (hull_prior.median_solidity + _SOLIDITY_SLACK) * hull.sum() - inside.sum()
    concavities = cv2.morphologyEx(hull & ~inside.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(concavities, connectivity=4)
    color_bins = color_histograms.bin_indices(np.ascontiguousarray(image[window]))[..., 0]
    grown = inside.copy()
    for k in sorted(range(1, count), key=lambda k: -stats[k, cv2.CC_STAT_AREA]):
        area, concavity = int(stats[k, cv2.CC_STAT_AREA]), labels == k
        if not _MIN_AREA_SHARE * hull.sum() < area <= missing_area:
            continue
        if (
            _contact_share(concavity, inside) > _MIN_CONTACT
            and hull_prior.color_likelihood[color_bins[concavity]].mean() > _MIN_REFERENCE_SHARE
        ):
            grown |= concavity
            missing_area -= area
    if (grown != inside).any():
        grown = cv2.morphologyEx(grown.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)) > 0
    result = mask.copy()
    result[window] |= grown
    return result


def _is_truncated(mask: Array) -> bool:
    return bool(
        max(mask[0].sum(), mask[-1].sum(), mask[:, 0].sum(), mask[:, -1].sum())
        > _MAX_BORDER_LENGTH * np.sqrt(mask.sum())
    )


def _contact_share(concavity: Array, mask: Array) -> float:
    """Share of a bite's contour that lies on the mask, 0 to 1."""
    outline = (cv2.dilate(concavity.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~concavity
    return float((outline & mask).sum() / max(1, outline.sum()))

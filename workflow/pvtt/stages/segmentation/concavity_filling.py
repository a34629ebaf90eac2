"""Fill concavities of a mask whose colours also occur in the product photos.

Any colour model leaves a white label on a white background, or the pale body of a mug, out of the mask. The photos
tell how much of its convex hull the product fills (its solidity) and which colours it has. Concavities with these
colours are filled until the mask is as solid as the product is in its photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging import color_histograms
from pvtt.imaging.morphology import components, convex_hull

Array = np.ndarray

MIN_SOLIDITY = 0.65  # area over convex hull area, above which a product has no large openings
_MIN_REFERENCE_SHARE = 0.6  # of a concavity's pixels: colours that the photos show
_MIN_CONTACT = 0.55  # of a concavity's outline: pixels on the mask
# Pixels of the mask along one side of the frame, over the square root of its area; above it, the product is truncated.
_MAX_BORDER_LENGTH = 0.15
_MIN_AREA_SHARE = 0.004  # of the hull's area; smaller concavities are not filled
_SOLIDITY_SLACK = 0.03  # solidity by which a filled mask may exceed the median of the photos


@dataclass(frozen=True)
class HullPrior:
    """Shape and colours of a product in its photos.

    solidities: area over convex hull area in each photo, float64 (photos,) in [0, 1], sorted. color_likelihood: float64
    (32768,) per colour bin, see `color_histograms.color_likelihood`.
    """

    solidities: Array
    color_likelihood: Array

    @property
    def median_solidity(self) -> float:
        """Median solidity of the photos."""
        return float(np.median(self.solidities))

    @property
    def is_solid(self) -> bool:
        """Whether the product has no large openings."""
        return self.median_solidity > MIN_SOLIDITY

    def gap(self, median_solidity: float) -> float:
        """Distance of a mask's solidity to the range of the photos' solidities, 0 inside it."""
        return float(max(self.solidities[0] - median_solidity, median_solidity - self.solidities[-1], 0.0))


def estimate_hull_prior(references: Sequence[Array]) -> HullPrior | None:
    """Hull prior of cut-outs.

    Parameters
    ----------
    references : uint8 (h, w, 4) RGBA, each
        Cut-outs of one product; may be empty.

    Returns
    -------
    HullPrior or None
        None if no cut-out has enough opaque pixels, see `color_histograms.reference_histogram`.
    """
    reference = color_histograms.reference_histogram(references)
    if reference is None:
        return None
    solidities = np.sort([color_histograms.solidity(cutout[..., 3] > 127) for cutout in references])
    return HullPrior(solidities, color_histograms.color_likelihood(reference))


def fill_concavities(mask: Array, image: Array, hull_prior: HullPrior | None) -> Array:
    """Fill concavities whose colours the photos show.

    A mask that the frame border truncates stays as it is, as its hull cannot be compared with the photos.

    Parameters
    ----------
    mask : bool (h, w)
    image : uint8 (h, w, 3) RGB
    hull_prior : HullPrior or None

    Returns
    -------
    bool (h, w), a superset of `mask`.
    """
    if hull_prior is None or not hull_prior.is_solid or not mask.any() or _is_truncated(mask):
        return mask
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    window = np.s_[y : y + height, x : x + width]
    inside = mask[window]
    hull = convex_hull(inside)
    missing_area = (hull_prior.median_solidity + _SOLIDITY_SLACK) * hull.sum() - inside.sum()
    concavities = cv2.morphologyEx((hull & ~inside).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    parts = components(concavities, 4)
    color_bins = color_histograms.bin_indices(np.ascontiguousarray(image[window]))[..., 0]
    grown = inside.copy()
    for k in sorted(range(1, len(parts)), key=lambda k: -parts.areas[k]):
        area, concavity = int(parts.areas[k]), parts.labels == k
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
    """Share of a concavity's outline that lies on the mask, 0 to 1."""
    outline = (cv2.dilate(concavity.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~concavity
    return float((outline & mask).sum() / max(1, outline.sum()))

"""Cut-out without weights: background colour model for uniform backgrounds, GrabCut for others.

Uniform background: hysteresis thresholding of the colour difference to the fitted background (`background_model.py`).
Shadows are background of lower lightness and equal chromaticity (`cast_shadow.py`). Enclosed regions of exactly the
background's colour are holes and stay open. The alpha solves the compositing equation (`matting.py`).

Otherwise: saliency (`saliency.py`) seeds GrabCut (Rother, Kolmogorov and Blake, "GrabCut: interactive foreground
extraction using iterated graph cuts", SIGGRAPH 2004), from a strict and from a generous seed. The photo is rejected if
the two results disagree, if much salient area is left out, if the contour does not lie on edges of the photo, or if it
reaches the photo's border.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.config.stages.products import ProductsSettings
from pvtt.imaging.colour import to_lab
from pvtt.imaging.morphology import components, flood, remove_small_objects
from pvtt.imaging.resize import fit_long_side
from pvtt.stages.cutouts.background_model import BackgroundFit, fit_background
from pvtt.stages.cutouts.base import Matte, NoCutOutError
from pvtt.stages.cutouts.cast_shadow import contact_shadow, lightness_slope, max_soft_slope, soft_shadow
from pvtt.stages.cutouts.grabcut import confidence_measures, grabcut
from pvtt.stages.cutouts.mask_cleaning import fill_unlike_holes, holes, main_components
from pvtt.stages.cutouts.matting import guided_alpha, known_background_alpha, nearest_values
from pvtt.stages.cutouts.saliency import saliency_map

_MAX_SHADED_DISTANCE = 14.0  # CIE76 difference; background in the product's own shade, seen through an opening
_MAX_PLANE_RESIDUAL = 1.8  # CIE76 difference, standard deviation about a plane; above it a region is not plain
_MIN_OPENING_SHARE = 0.05  # of the product's area; larger bare background inside it is an opening, not a highlight
_MAX_PALE_SHARE = 0.2  # of the product's area: shadow inside its hull, above which pale parts have been lost
_MIN_CAST_RATIO = 1.3  # area of a cast shadow relative to the part of it within the product's hull
_MAX_STRAY_EDGES = 0.005  # px of edges away from the mask, relative to the outlines' length


class Backend(Embedded[ProductsSettings]):
    """Classical cut-out; see the module docstring."""

    settings_type = ProductsSettings
    name = "classical"
    version = "3"

    def cut_out(self, image: np.ndarray) -> Matte:
        """See `base.CutOutBackend.cut_out`; NoCutOutError if the background is too cluttered."""
        background = fit_background(image)
        if background.is_plain(self.settings.min_ground_uniformity):
            alpha = _cut_by_background(background, to_lab(image))
            return Matte(np.rint(alpha * 255).astype(np.uint8))
        return self._cut_by_grabcut(image)

    def _cut_by_grabcut(self, image: np.ndarray) -> Matte:
        small = fit_long_side(image, self.settings.work_px)
        saliency = saliency_map(small)
        level = float(cv2.threshold((saliency * 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)[0]) / 255
        masks = [grabcut(small, saliency, level * factor) for factor in (0.7, 1.3)]
        parts = confidence_measures(small, saliency, masks)
        confidence = float(np.prod(list(parts.values())))
        measures = {key: round(float(value), 4) for key, value in (parts | {"confidence": confidence}).items()}
        min_confidence = self.settings.min_confidence
        if confidence < min_confidence:
            detail = ", ".join(f"{key} {value:.2f}" for key, value in measures.items() if key != "confidence")
            raise NoCutOutError(
                f"the background is too cluttered: confidence {confidence:.2f} "
                f"(min_confidence {min_confidence:.2f}; {detail})",
                measures,
            )
        mask = fill_unlike_holes(main_components(masks[0] & masks[1]), to_lab(small))
        return Matte(np.rint(guided_alpha(image, mask, radius_px=3) * 255).astype(np.uint8), measures)


def _cut_by_background(background: BackgroundFit, lab: np.ndarray) -> np.ndarray:
    """Alpha, float32 (h, w) in [0, 1], of a photo, CIE Lab float32 (h, w, 3), with its fitted background."""
    low, high = max(2.5, 2.5 * background.noise), max(9.0, 6 * background.noise)
    mask = flood(background.distance > low, background.distance > high, 8)
    openings = remove_small_objects(
        background.distance <= _exact_distance(background), _MIN_OPENING_SHARE * float(mask.sum()), 4
    )
    outer_shadow = mask & soft_shadow(background, lab, low, np.zeros_like(mask))
    mask &= ~soft_shadow(background, lab, low, openings)
    product = _clean(mask, background, lab, outer_shadow)
    _check_pale_parts(product, outer_shadow, lightness_slope(lab))
    contact = contact_shadow(background, lab, low, openings, product)
    if (contact & product).any():
        product = _clean(mask & ~contact, background, lab, outer_shadow)
    around = ~cv2.dilate(product.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    ground = nearest_values(lab, around) if around.any() else background.lab  # with its shadows
    return known_background_alpha(lab, ground, product, band_px=3)


def _clean(mask: np.ndarray, background: BackgroundFit, lab: np.ndarray, outer_shadow: np.ndarray) -> np.ndarray:
    """A mask without halos, specks and false holes, and with its true ones."""
    mask = _remove_weak_rim(mask, background.distance, max(9.0, 6 * background.noise))
    mask = _close_false_holes(mask, background, _exact_distance(background))
    depth = _MAX_SHADED_DISTANCE
    if outer_shadow.sum() > _MIN_OPENING_SHARE * mask.sum():
        depth = max(depth, float(np.percentile(background.distance[outer_shadow], 98)))
    return _open_true_holes(main_components(mask), background, lab, depth)


def _exact_distance(background: BackgroundFit) -> float:
    """CIE76 difference up to which a pixel has exactly the background's colour."""
    return max(1.2, 1.5 * background.noise)


def _check_pale_parts(mask: np.ndarray, shadow: np.ndarray, slope: np.ndarray) -> None:
    """Reject a photo whose product encloses much of the assumed shadow: pale parts of the product have been lost.

    Lost parts leave edges behind, away from the rest of the product, or lie wholly within its hull. A shadow has no
    edges and continues outside.
    """
    outlines = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    if not outlines:
        return
    hull = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(np.vstack(outlines)), 1)
    shadow_in_hull = float((shadow & (hull > 0)).sum())
    share = shadow_in_hull / float(mask.sum())
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5) > max(4.0, 0.012 * min(mask.shape))
    stray_edge_px = float((away & (slope > max_soft_slope(mask.shape))).sum())
    is_enclosed = float(shadow.sum()) < _MIN_CAST_RATIO * shadow_in_hull
    has_stray_edges = stray_edge_px > _MAX_STRAY_EDGES * sum(cv2.arcLength(line, True) for line in outlines)
    if share > _MAX_PALE_SHARE and (is_enclosed or has_stray_edges):
        raise NoCutOutError(
            f"parts of the product are as pale as a shadow on the background: {share:.0%} of its area "
            f"(at most {_MAX_PALE_SHARE:.0%})",
            {"pale_share": round(share, 4)},
        )


def _close_false_holes(mask: np.ndarray, background: BackgroundFit, exact_distance: float) -> np.ndarray:
    """Fill enclosed regions, except those of exactly the background's colour that are not tiny: these are real
    openings.
    """
    min_area = max(12.0, 0.0004 * float(mask.sum()))
    filled = mask.copy()
    for window, inside in holes(mask):
        # A quarter of a large opening is enough: the rest may lie in the product's own shadow.
        share = 25 if inside.sum() > _MIN_OPENING_SHARE * float(mask.sum()) else 50
        if inside.sum() < min_area or float(np.percentile(background.distance[window][inside], share)) > exact_distance:
            filled[window] |= inside
    return filled


def _open_true_holes(mask: np.ndarray, background: BackgroundFit, lab: np.ndarray, depth: float) -> np.ndarray:
    """Open enclosed plain regions of the background's colour in the product's own shade, at most `depth` darker.

    A plain region follows a plane of lightness and has nothing inside it. A white dial has hands and marks.
    """
    chroma_change = np.linalg.norm((lab - background.lab)[..., 1:], axis=2)
    plain = (
        mask & (background.distance < depth) & (chroma_change < 4) & (lightness_slope(lab) < max_soft_slope(lab.shape))
    )
    plain = cv2.morphologyEx(plain.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(bool)
    parts = components(plain, 4)
    opened = mask.copy()
    for index in range(1, len(parts)):
        (x, y, w, h), area = parts.boxes[index], parts.areas[index]
        if area < 0.02 * mask.sum():
            continue
        window = np.s_[y : y + h, x : x + w]
        inside = parts.labels[window] == index
        marked_px = sum(hole.sum() for _, hole in holes(np.pad(inside, 1)))
        max_residual = _MAX_PLANE_RESIDUAL * depth / _MAX_SHADED_DISTANCE
        if marked_px < 0.01 * area and _plane_residual(background.distance[window], inside) < max_residual:
            opened[window] &= ~inside
    return opened


def _plane_residual(values: np.ndarray, where: np.ndarray) -> float:
    """Standard deviation of `values` about their best plane over the pixels `where`."""
    y, x = np.nonzero(where)
    basis = np.stack([np.ones(len(x)), x, y], axis=1)
    coefficients = np.linalg.lstsq(basis, values[where], rcond=None)[0]
    return float(np.std(values[where] - basis @ coefficients))


def _remove_weak_rim(mask: np.ndarray, distance: np.ndarray, high: float) -> np.ndarray:
    """`mask` without thin outer parts that differ from the background by less than `high`: reflections and halos."""
    weak = mask & (distance < high)
    thin = max(2.0, 0.025 * float(np.sqrt(mask.sum())))
    depth = cv2.distanceTransform(weak.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.dilate((~mask).astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    parts = components(weak, 4)
    deepest = np.zeros(len(parts))
    np.maximum.at(deepest, parts.labels.ravel(), depth.ravel())
    return np.asarray(mask & ~parts.select(parts.containing(outside & weak) & (deepest <= thin)))

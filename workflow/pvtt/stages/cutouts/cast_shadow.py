"""The product's shadow on the ground of a studio photo: ground that is darker, and keeps its colour.

A soft shadow is reached from bare ground without crossing an edge. Where the product touches the ground the shadow is
deep and falls off steeply; the product's own edges are steeper still. Such a contact shadow is told from a product of
its colour by its size: if what is reached is too large a part of the product, or too large beside the soft shadow, then
it is the product.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.morphology import flood
from pvtt.stages.cutouts.background_model import BackgroundFit, border_mask

_MAX_SOFT_DEPTH = 40.0  # L (0-100); a darker pixel is no soft shadow on the ground
_SOFT_SLOPE = 2.0  # L per px at a short side of 500 px; steepest slope of a soft shadow
# Contact shadows, tuned on 42 rendered photos with their truth: the slopes that are tried, depth, and
# chroma's difference to ground in less light, as a constant and a share of the depth.
_CONTACT_SLOPES = (6.0, 5.0, 4.0, 3.0)  # L per px at a short side of 500 px
_MAX_CONTACT_DEPTH = 60.0  # L
_CONTACT_CHROMA, _CONTACT_CHROMA_SHARE = 3.0, 0.03  # CIE Lab
# Of the product's area. Contact shadows of the rendered photos take up to 0.072; where the flood enters the product, it
# takes 0.12 and more.
_MAX_CONTACT_SHARE = 0.1
# Area of the soft shadow by that of the contact shadow: 20 and more on the rendered photos, 2 to 8 where a photo
# without any shadow has a pale product.
_MIN_SOFT_RATIO = 12.0
_RIM = 2 / 500  # of the short side: ground between the shadow that was reached and the product's edge


def soft_shadow(background: BackgroundFit, lab: np.ndarray, low: float, openings: np.ndarray) -> np.ndarray:
    """Soft shadow, reached from bare ground without crossing an edge.

    Parameters
    ----------
    background : BackgroundFit
    lab : float32 (h, w, 3)
        The photo in CIE Lab.
    low : float
        CIE76 difference up to which a pixel is bare ground.
    openings : bool (h, w)
        Bare ground that the product encloses; the photo's border shows bare ground, too.

    Returns
    -------
    bool (h, w)
    """
    change = lab - background.lab
    chroma_change = np.hypot(change[..., 1], change[..., 2])
    soft = (
        (change[..., 0] < 0)
        & (change[..., 0] > -_MAX_SOFT_DEPTH)
        & (chroma_change < 4 + 0.1 * np.abs(change[..., 0]))
        & (lightness_slope(lab) < max_soft_slope(lab.shape))
    )
    return _reached(background, soft, low, openings)


def contact_shadow(
    background: BackgroundFit, lab: np.ndarray, low: float, openings: np.ndarray, product: np.ndarray
) -> np.ndarray:
    """Deep shadow between the soft one and the product.

    Parameters
    ----------
    background, lab, low, openings
        As of `soft_shadow`.
    product : bool (h, w)
        The product with its contact shadow.

    Returns
    -------
    bool (h, w)
        Nothing where a shadow cannot be told from a product of its colour.
    """
    depth = background.lab[..., 0] - lab[..., 0]
    light = (lab[..., :1] + 16) / (background.lab[..., :1] + 16)  # cube root of the share of light (CIE 1976)
    chroma_change = np.linalg.norm(lab[..., 1:] - background.lab[..., 1:] * light, axis=2)
    shaded = (depth > 0) & (depth < _MAX_CONTACT_DEPTH)
    shaded &= chroma_change < _CONTACT_CHROMA + _CONTACT_CHROMA_SHARE * np.abs(depth)
    slope, soft = lightness_slope(lab), soft_shadow(background, lab, low, openings)
    for steepest in _CONTACT_SLOPES:
        gentle = slope < max_soft_slope(lab.shape, steepest)
        shadow = _reached(background, shaded & gentle, low, openings)
        contact = int((shadow & product).sum())
        if contact <= min(_MAX_CONTACT_SHARE * product.sum(), soft.sum() / _MIN_SOFT_RATIO):
            rim = max(1, round(_RIM * min(lab.shape[:2])))
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1,) * 2)
            return np.asarray(shadow | (cv2.dilate(shadow.astype(np.uint8), kernel).astype(bool) & shaded))
    return np.zeros(product.shape, bool)


def _reached(background: BackgroundFit, shaded: np.ndarray, low: float, openings: np.ndarray) -> np.ndarray:
    plain = background.distance <= low
    return np.asarray(flood(shaded | plain, (border_mask(*plain.shape) & plain) | openings, 4) & shaded)


def lightness_slope(lab: np.ndarray) -> np.ndarray:
    """Slope of the lightness, float32 (h, w), L (0-100) per px, of a photo in CIE Lab, float32 (h, w, 3)."""
    smooth = cv2.GaussianBlur(lab[..., 0], (0, 0), max(0.8, min(lab.shape[:2]) / 600))
    return np.asarray(np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)) / 8)


def max_soft_slope(shape: tuple[int, ...], steepest: float = _SOFT_SLOPE) -> float:
    """Steepest slope of a shadow, L per px, in a photo of this size, from that at a short side of 500 px and more."""
    return steepest * max(1.0, 500 / min(shape[:2]))

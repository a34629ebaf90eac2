"""From a hard mask to a soft alpha with clean colours at its edge.

`known_background_alpha` solves the compositing equation C = aF + (1-a)B for a where the background B is known, with F
from the nearest pixel that is surely product (Smith and Blinn, "Blue screen matting", SIGGRAPH 1996). `guided_alpha`
refines a mask along the photo's edges where B is unknown (He, Sun and Tang, "Guided image filtering", PAMI 2013).
`decontaminate` replaces the colours of half-transparent pixels by their nearest opaque ones, which removes the halo of
the background.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.guided_filter import gray_guided_coefficients

_GUIDE_EPSILON = 1e-3  # variance of the gray levels (0-1) below which the guided filter smooths


def known_background_alpha(lab: np.ndarray, background: np.ndarray, mask: np.ndarray, band_px: int) -> np.ndarray:
    """Alpha of a product on a known background.

    Parameters
    ----------
    lab : float32 (h, w, 3)
        The photo in CIE Lab.
    background : float32 (h, w, 3)
        The background in CIE Lab.
    mask : bool (h, w)
    band_px : int
        Width of the band on both sides of the mask's edge that may become soft.

    Returns
    -------
    float32 (h, w) in [0, 1]
    """
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * band_px + 1, 2 * band_px + 1))
    solid = mask.astype(np.uint8)
    core = _keep_thin_parts(lab, background, mask, cv2.erode(solid, kernel).astype(bool))
    dilated = cv2.dilate(solid, kernel).astype(bool)
    band = dilated & ~core
    alpha = core.astype(np.float32)
    if not band.any() or not core.any():
        return mask.astype(np.float32)
    foreground_color = nearest_values(lab, core)[band]
    background_color = background[band]
    span = foreground_color - background_color
    length = np.maximum((span**2).sum(1), 25.0)
    alpha[band] = np.clip(((lab[band] - background_color) * span).sum(1) / length, 0, 1)
    outside = band & ~mask
    near = cv2.dilate(solid, np.ones((3, 3), np.uint8)).astype(bool)
    alpha[outside & ~near] *= 0.5
    alpha[alpha < 0.04] = 0
    alpha[alpha > 0.96] = 1
    return alpha


def _keep_thin_parts(lab: np.ndarray, background: np.ndarray, mask: np.ndarray, eroded: np.ndarray) -> np.ndarray:
    """`eroded` with the pixels of thin parts that erosion removed: those most unlike the background in their
    neighbourhood.
    """
    distance = np.where(mask, np.linalg.norm(lab - background, axis=2), 0).astype(np.float32)
    peak = cv2.dilate(distance, np.ones((5, 5), np.uint8))
    return np.asarray(eroded | (mask & (distance >= 0.85 * peak)))


def guided_alpha(image: np.ndarray, mask: np.ndarray, radius_px: int) -> np.ndarray:
    """Alpha of a mask, refined along the edges of the photo.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    mask : bool, of the photo's size or smaller
    radius_px : int
        Radius of the filter, px at a long side of at most 1024 px.

    Returns
    -------
    float32 (h, w) in [0, 1]
    """
    height, width = image.shape[:2]
    scale = min(1.0, 1024 / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    target = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    slope, offset = gray_guided_coefficients(small, target, radius_px, _GUIDE_EPSILON)
    full = (width, height)
    alpha = cv2.resize(slope, full) * grey + cv2.resize(offset, full)
    hard = cv2.resize(target, full)
    band = cv2.blur(((hard > 0.5) * 1.0).astype(np.float32), (round((2 * radius_px + 1) / scale) | 1,) * 2)
    alpha = np.where(band > 0.999, 1, np.where(band < 0.001, 0, alpha))
    return np.clip((alpha - 0.15) / 0.7, 0, 1).astype(np.float32)


def decontaminate(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Photo whose colours under alpha < 255 are those of the nearest opaque product pixel.

    Fully transparent pixels get these colours, too, so that resampling the cut-out does not mix in background.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    alpha : uint8 (h, w)

    Returns
    -------
    uint8 (h, w, 3) RGB
    """
    opaque = alpha >= 250
    if not opaque.any():
        return image.copy()
    eroded = cv2.erode(opaque.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    spread = nearest_values(image, eroded if eroded.sum() > 0.3 * opaque.sum() else opaque)
    weight = np.clip((alpha.astype(np.float32) / 255 - 0.85) / 0.13, 0, 1)[..., None]
    mixed = image * weight + spread * (1 - weight)
    return np.where(opaque[..., None], image, np.rint(mixed).astype(np.uint8))


def nearest_values(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Fill pixels with the values of the nearest valid pixel.

    Parameters
    ----------
    values : (h, w, c), of any dtype
    valid : bool (h, w)
        Where the values are kept.

    Returns
    -------
    (h, w, c), of the dtype of `values`
    """
    _, labels = cv2.distanceTransformWithLabels(
        (~valid).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros((int(labels.max()) + 1, values.shape[2]), values.dtype)
    table[labels[valid]] = values[valid]
    return np.asarray(table[labels])

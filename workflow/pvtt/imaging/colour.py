"""Colour between sRGB and linear light, and measures of it.

Light adds up in linear values only: blending, shadows, exposure and colour casts are computed there (IEC 61966-2-1).
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray

_LEVELS = np.arange(256, dtype=np.float64) / 255
_TO_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
# A table over the square root of the light: fine enough near black for every 8-bit level to come back exactly.
_STEPS = 8192
_ROOTS = (np.arange(_STEPS, dtype=np.float64) / (_STEPS - 1)) ** 2
_TO_SRGB = np.rint(255 * np.where(_ROOTS <= 0.0031308, _ROOTS * 12.92, 1.055 * _ROOTS ** (1 / 2.4) - 0.055)).astype(
    np.uint8
)
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def to_linear(image: Array) -> Array:
    """Linear light, float32 0-1, of uint8 sRGB values of any shape."""
    return np.asarray(_TO_LINEAR[image])


def to_srgb(linear: Array) -> Array:
    """uint8 sRGB of linear light of any shape; values outside 0-1 are clipped."""
    return np.asarray(_TO_SRGB[(np.sqrt(np.clip(linear, 0, 1)) * (_STEPS - 1) + 0.5).astype(np.int32)])


def luminance(linear: Array) -> Array:
    """Relative luminance (..., ) of linear RGB (..., 3): Rec. 709 weights."""
    return linear @ _LUMINANCE


def to_lab(image: Array) -> Array:
    """CIE L*a*b* (D65), float32 (h, w, 3), of a uint8 RGB image: L 0-100, a and b about -128 to 127."""
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def white_point(linear: Array, weights: Array | None = None, norm: float = 6.0) -> Array:
    """Colour of the light, float32 (3,) scaled to luminance 1, of linear RGB (..., 3): shades of grey.

    The Minkowski mean of `norm` 6 (Finlayson and Trezzi, Shades of gray and colour constancy, 2004). `weights` (...)
    says how much each pixel counts. A black image gives (1, 1, 1).
    """
    values = np.clip(linear.reshape(-1, 3), 0, 1).astype(np.float64)
    share = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    total = float(share.sum())
    light = (share @ values**norm / total) ** (1 / norm) if total > 0 else np.zeros(3)
    brightness = float(light @ _LUMINANCE)
    return (light / brightness if brightness > 1e-6 else np.ones(3)).astype(np.float32)

"""Colour conversion between sRGB and linear light (IEC 61966-2-1), luminance, CIE Lab and the white point.

Blending, shadows, exposure and colour casts are computed in linear light, where light adds up.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, Float32Array, UInt8Array

_LEVELS = np.arange(256, dtype=np.float64) / 255
_TO_LINEAR = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
# Entries of the table over the square root of the light; every 8-bit level survives the round trip.
_STEPS = 8192
_ROOTS = (np.arange(_STEPS, dtype=np.float64) / (_STEPS - 1)) ** 2
_TO_SRGB = np.rint(255 * np.where(_ROOTS <= 0.0031308, _ROOTS * 12.92, 1.055 * _ROOTS ** (1 / 2.4) - 0.055)).astype(
    np.uint8
)
# Weights of linear R, G, B in luminance (Rec. 709).
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def to_linear(image: UInt8Array) -> Float32Array:
    """Convert sRGB to linear light.

    Parameters
    ----------
    image : uint8, any shape
        sRGB levels.

    Returns
    -------
    float32 in [0, 1], same shape
    """
    return np.asarray(_TO_LINEAR[image])


def to_srgb(linear: AnyArray) -> UInt8Array:
    """Convert linear light to sRGB.

    Parameters
    ----------
    linear : float, any shape
        Linear light; values outside [0, 1] are clipped.

    Returns
    -------
    uint8, same shape
    """
    return np.asarray(_TO_SRGB[(np.sqrt(np.clip(linear, 0, 1)) * (_STEPS - 1) + 0.5).astype(np.int32)])


def luminance(linear: AnyArray) -> AnyArray:
    """Relative luminance by the weights of Rec. 709.

    Parameters
    ----------
    linear : float (..., 3)
        Linear RGB in [0, 1].

    Returns
    -------
    float (...) in [0, 1]
    """
    return np.asarray(linear @ _LUMINANCE)


def to_lab(image: UInt8Array) -> Float32Array:
    """Convert to CIE L*a*b* (D65).

    Parameters
    ----------
    image : uint8 (h, w, 3)
        sRGB, RGB order.

    Returns
    -------
    float32 (h, w, 3)
        L in [0, 100], a and b about -128 to 127.
    """
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def white_point(linear: AnyArray, weights: AnyArray | None = None, norm: float = 6.0) -> Float32Array:
    """Estimate the colour of the light by shades of grey.

    Parameters
    ----------
    linear : float (..., 3)
        Linear RGB; values outside [0, 1] are clipped.
    weights : float (...), optional
        Weight of each pixel.
    norm : float
        Order of the Minkowski mean; 6 in the paper.

    Returns
    -------
    float32 (3,)
        RGB with luminance 1; (1, 1, 1) for a black image.

    References
    ----------
    Finlayson and Trezzi, "Shades of gray and colour constancy", Color Imaging Conference 2004.
    """
    values = np.clip(linear.reshape(-1, 3), 0, 1).astype(np.float64)
    share = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64).reshape(-1)
    total = float(share.sum())
    light = (share @ values**norm / total) ** (1 / norm) if total > 0 else np.zeros(3)
    brightness = float(light @ _LUMINANCE)
    return (light / brightness if brightness > 1e-6 else np.ones(3)).astype(np.float32)

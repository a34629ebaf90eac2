"""Resampling of images and masks."""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray


def reduced(image: Array, short_side: int) -> Array:
    """`image` with its short side at most `short_side` px (area-averaged, never enlarged)."""
    scale = short_side / min(image.shape[:2])
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image


def at_size(mask: Array, shape: tuple[int, ...]) -> Array:
    """Bool mask (h, w) at a reduced size: a pixel is set where more than half of its area is."""
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0.5)


def fit_long_side(image: Array, long_side: int) -> Array:
    """Reduce an image to a long side of at most `long_side` px.

    Parameters
    ----------
    image : (h, w) or (h, w, c), any type that OpenCV resizes
    long_side : int
        px

    Returns
    -------
    The area-averaged image; the same object if it is small enough already.
    """
    scale = long_side / max(image.shape[:2])
    if scale >= 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def resize_nearest(mask: Array, shape: tuple[int, ...]) -> Array:
    """Resize a bool mask (h, w) to `shape` (h, w) by nearest neighbour; bool."""
    return np.asarray(cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0)

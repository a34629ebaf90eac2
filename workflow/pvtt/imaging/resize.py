"""Resampling of images and masks."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray


def reduced(image: AnyArray, short_side: int) -> AnyArray:
    """Reduce an image to a short side of at most `short_side` px.

    Parameters
    ----------
    image : (h, w) or (h, w, c), any type that OpenCV resizes
    short_side : int
        px

    Returns
    -------
    The area-averaged image; the same object if it is small enough already.
    """
    scale = short_side / min(image.shape[:2])
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))


def fit_long_side(image: AnyArray, long_side: int) -> AnyArray:
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


def at_size(mask: AnyArray, shape: tuple[int, ...]) -> BoolArray:
    """Reduce a mask by area: a pixel is set if more than half of its area is.

    Parameters
    ----------
    mask : bool (h, w)
    shape : tuple of int
        New (h, w) in px.

    Returns
    -------
    bool (h, w)
    """
    return np.asarray(cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0.5)


def resize_nearest(mask: AnyArray, shape: tuple[int, ...]) -> BoolArray:
    """Resize a mask by nearest neighbour.

    Parameters
    ----------
    mask : bool (h, w)
    shape : tuple of int
        New (h, w, ...) in px.

    Returns
    -------
    bool (h, w)
    """
    return np.asarray(cv2.resize(mask.astype(np.uint8), (shape[1], shape[0]), interpolation=cv2.INTER_NEAREST) > 0)

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
    return cv2.resize(mask.astype(np.float32), shape[::-1], interpolation=cv2.INTER_AREA) > 0.5

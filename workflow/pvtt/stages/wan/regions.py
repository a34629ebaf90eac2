"""Masks on the model's grid, and what it made put back into the frame.

A VACE token covers 16 x 16 pixels and 4 frames. A mask that runs through a token shows the model a part of what it
should replace, so masks are spread over whole blocks and over the neighbouring frames (Diffusers takes a latent's mask
from one of its frames, or from a frame beside them).
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.resize import resize_nearest
from pvtt.stages.wan.windows import STEP

Array = np.ndarray


def on_grid(mask: Array, size: tuple[int, int], block_px: int) -> Array:
    """A bool (h, w) mask at the model's `size` (width, height): every block of `block_px` that it touches is set."""
    width, height = size
    if not mask.any():
        return np.zeros((height, width), bool)
    touched = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    if mask.shape[0] < height or mask.shape[1] < width:
        touched |= cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    rows, columns = (-(-side // block_px) * block_px for side in (height, width))
    padded = np.zeros((rows, columns), bool)
    padded[:height, :width] = touched
    blocks = padded.reshape(rows // block_px, block_px, columns // block_px, block_px).any((1, 3))
    return np.repeat(np.repeat(blocks, block_px, 0), block_px, 1)[:height, :width]


def spread_in_time(masks: Array, reach: int = STEP) -> Array:
    """Bool (n, h, w) masks of which each also has what its neighbours up to `reach` frames away have."""
    spread = masks.copy()
    for shift in range(1, min(reach, len(masks) - 1) + 1):
        spread[shift:] |= masks[:-shift]
        spread[:-shift] |= masks[shift:]
    return spread


def in_frame(region: Array, shape: tuple[int, ...]) -> Array:
    """A region of the model's grid in a frame of `shape` (h, w, ...)."""
    return resize_nearest(region, shape)

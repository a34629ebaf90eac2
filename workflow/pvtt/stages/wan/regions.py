"""Masks on the token grid of the model.

A VACE token covers 16 x 16 px and 4 frames. If a mask covers a token partly, the model sees a part of what it should
replace. Masks are therefore extended to whole blocks and to neighbouring frames: Diffusers takes the mask of a latent
from one of its frames, or from a frame next to them.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.resize import resize_nearest
from pvtt.io.arrays import BoolArray
from pvtt.stages.wan.windows import LATENT_FRAMES


def align_to_blocks(mask: BoolArray, size: tuple[int, int], block_px: int) -> BoolArray:
    """Resize a mask to the model's frame size and set every block that it touches.

    Parameters
    ----------
    mask : bool (h, w)
    size : (width, height)
        Frame size of the model in px.
    block_px : int
        Side of a block in px at the model's size.

    Returns
    -------
    bool (H, W)
    """
    width, height = size
    if not mask.any():
        return np.zeros((height, width), bool)
    touched = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    if mask.shape[0] < height or mask.shape[1] < width:
        touched |= resize_nearest(mask, (height, width))
    rows, columns = (-(-side // block_px) * block_px for side in (height, width))
    padded = np.zeros((rows, columns), bool)
    padded[:height, :width] = touched
    blocks = padded.reshape(rows // block_px, block_px, columns // block_px, block_px).any((1, 3))
    return np.repeat(np.repeat(blocks, block_px, 0), block_px, 1)[:height, :width]


def dilate_in_time(masks: BoolArray, radius: int = LATENT_FRAMES) -> BoolArray:
    """Union of each mask with those of neighbouring frames.

    Parameters
    ----------
    masks : bool (n, h, w)
    radius : int
        Largest distance of a neighbour in frames.

    Returns
    -------
    bool (n, h, w)
    """
    dilated = masks.copy()
    for shift in range(1, min(radius, len(masks) - 1) + 1):
        dilated[shift:] |= masks[:-shift]
        dilated[:-shift] |= masks[shift:]
    return dilated

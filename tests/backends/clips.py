"""A clip with a known background: a striped square that walks over textured ground."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from pvtt.io.video import write_masks, write_video
from synthetic.records import clip_record


def scene(n_frames: int, size: tuple[int, int], step: int = 4, side: int = 24) -> tuple:
    """Frames (n, h, w, 3), masks (n, h, w) and the ground (h, w, 3) of a clip of `size` (width, height)."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 1, (height, width)), (0, 0), 2)
    grey = 150 + 0.25 * x - 0.1 * y + 8 * noise / noise.std()
    plain = np.clip(np.stack([grey + 12, grey, grey - 20], 2), 0, 255).astype(np.uint8)
    frames, masks = np.stack([plain] * n_frames), np.zeros((n_frames, height, width), bool)
    for index in range(n_frames):
        left, top = 8 + step * index, height // 3
        masks[index, top : top + side, left : left + side] = True
        frames[index][masks[index]] = [200, 30, 40]
        frames[index, top + 8 : top + 14, left : left + side] = np.where(
            masks[index, top + 8 : top + 14, left : left + side, None],
            [20, 20, 90],
            plain[top + 8 : top + 14, left : left + side],
        )
    return frames, masks, plain


def write_clip(folder: Path, frames: np.ndarray, masks: np.ndarray) -> Path:
    """A clip's folder as the background stage reads it."""
    folder.mkdir(parents=True)
    write_video(folder / "video.mp4", frames, Fraction(25))
    write_masks(folder / "masks.mkv", masks, Fraction(25))
    clip_record("toy_s01").write(folder / "clip.json")
    return folder

"""What stands in front of the product: hands and other things that pass over it.

Where the product's whole outline, carried along its path, says that it should be, and the frame's mask says that it is
not, something may cover it; it does when the frame there differs from the scene as it is at other times (the median of
the background, aligned by the camera's motion). A turning product changes its outline too, but uncovers the scene.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from pvtt.imaging.geometry import camera_motion, dilated, disc, similarity
from pvtt.stages.insertion.trajectory import Path

Array = np.ndarray

_SHORT_SIDE = 160
_DIFFERENT = 20
_SAMPLES = 15
_MIN_SHARE = 0.02


def find_occluders(background: Callable[[], Iterator[Array]], masks: Array, path: Path) -> Array:
    """What is in front of the product, bool (n, h', w') at a short side of at most 160 pixels.

    `background()` starts a pass over uint8 (h, w, 3) RGB frames, `masks` bool (n, h, w) are the source product's.
    """
    height, width = masks.shape[1:]
    scale = min(1.0, _SHORT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    expected = expected_outlines(masks, path, size)
    seen = np.stack([_shrunk(mask, size) > 0.5 for mask in masks])
    missing = [want & ~dilated(have, 1) for want, have in zip(expected, seen, strict=True)]
    missing = [cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0 for part in missing]
    result = np.zeros_like(seen)
    least = _MIN_SHARE * float(np.median(expected.sum((1, 2))))
    if not any(part.sum() > least for part in missing):
        return result
    small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in background()])
    foreign = _foreign(small, seen)
    for index, part in enumerate(missing):
        core = part & foreign[index]
        if core.sum() <= least:
            continue
        labels = cv2.connectedComponents((foreign[index] & ~seen[index]).astype(np.uint8))[1]
        touched = np.unique(labels[core])
        result[index] = np.isin(labels, touched[touched > 0])
    return result


def expected_outlines(masks: Array, path: Path, size: tuple[int, int]) -> Array:
    """The mask of the path's reference frame, carried along the path: bool (n, h', w') of `size` (width, height)."""
    fx, fy = size[0] / masks.shape[2], size[1] / masks.shape[1]
    whole = _shrunk(masks[path.reference], size)
    grid = np.diag([fx, fy, 1.0])
    start = path.centres[path.reference]
    outlines = []
    for index in range(len(masks)):
        shift = path.centres[index] - start
        move = similarity(float(path.scales[index]), float(path.angles[index]), tuple(shift), tuple(start))
        outlines.append(cv2.warpAffine(whole, (grid @ move @ np.linalg.inv(grid))[:2], size) > 0.5)
    return np.stack(outlines)


def _shrunk(mask: Array, size: tuple[int, int]) -> Array:
    return cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def _foreign(frames: Array, masks: Array) -> Array:
    """Where each frame differs from the scene as it mostly is: bool (n, h, w)."""
    grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    motion = camera_motion(grays, list(masks), len(frames) // 2)
    chosen = np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).round().astype(int))
    aligned = [_moved(frames[index], motion[index], cv2.INTER_LINEAR) for index in chosen]
    scene = np.median(np.stack(aligned), 0).astype(np.uint8)
    result = []
    for frame, transform in zip(frames, motion, strict=True):
        usual = _moved(scene, transform, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        different = cv2.absdiff(cv2.GaussianBlur(frame, (3, 3), 0), cv2.GaussianBlur(usual, (3, 3), 0)).max(2)
        result.append(cv2.morphologyEx((different > _DIFFERENT).astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0)
    return np.stack(result)


def _moved(frame: Array, transform: Array, flags: int) -> Array:
    size = (frame.shape[1], frame.shape[0])
    return cv2.warpPerspective(frame, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)

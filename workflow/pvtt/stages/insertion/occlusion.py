"""Occluders: hands and other things that pass in front of the product.

The outline of the product is moved along its trajectory. A part of it that is missing from the frame's mask is a
candidate. It is an occluder when the frame differs there from the usual scene, which is the temporal median of the
background after camera motion is compensated. A product that turns loses parts of its outline too, but there the
usual scene shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np

from pvtt.imaging.camera_motion import camera_motion
from pvtt.imaging.geometry import dilated, disc, similarity
from pvtt.stages.insertion.trajectory import Trajectory

Array = np.ndarray

_SHORT_SIDE = 160  # px: short side of the frames that occluders are looked for in
_MIN_DIFFERENCE = 20  # grey levels, 0-255: a frame that differs by more does not show the usual scene
_SAMPLES = 15  # frames that the usual scene is the median of
_MIN_SHARE = 0.02  # share of the product's area: smaller missing parts are not looked at


def find_occluders(background: Callable[[], Iterator[Array]], masks: Array, trajectory: Trajectory) -> Array:
    """Find what occludes the product.

    Parameters
    ----------
    background : callable
        Starts a pass over n clean frames, uint8 (h, w, 3), RGB.
    masks : bool (n, h, w)
        Masks of the source product.
    trajectory
        Trajectory of the source product.

    Returns
    -------
    bool (n, h', w')
        Occluders, at a short side of at most 160 px.
    """
    height, width = masks.shape[1:]
    scale = min(1.0, _SHORT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    expected = expected_outlines(masks, trajectory, size)
    seen = np.stack([_reduced(mask, size) > 0.5 for mask in masks])
    missing = [want & ~dilated(have, 1) for want, have in zip(expected, seen, strict=True)]
    missing = [cv2.morphologyEx(part.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0 for part in missing]
    result = np.zeros_like(seen)
    least = _MIN_SHARE * float(np.median(expected.sum((1, 2))))
    if not any(part.sum() > least for part in missing):
        return result
    small = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in background()])
    foreign = _unusual(small, seen)
    for index, part in enumerate(missing):
        core = part & foreign[index]
        if core.sum() <= least:
            continue
        labels = cv2.connectedComponents((foreign[index] & ~seen[index]).astype(np.uint8))[1]
        touched = np.unique(labels[core])
        result[index] = np.isin(labels, touched[touched > 0])
    return result


def expected_outlines(masks: Array, trajectory: Trajectory, size: tuple[int, int]) -> Array:
    """Mask of the reference frame, moved along the trajectory.

    Parameters
    ----------
    masks : bool (n, h, w)
        Masks of the product.
    trajectory : Trajectory
        Trajectory of the product, in px of the masks.
    size : (width, height)
        Size of the result in px.

    Returns
    -------
    bool (n, height, width)
    """
    fx, fy = size[0] / masks.shape[2], size[1] / masks.shape[1]
    whole = _reduced(masks[trajectory.reference], size)
    grid = np.diag([fx, fy, 1.0])
    start = trajectory.centres[trajectory.reference]
    outlines = []
    for index in range(len(masks)):
        shift = trajectory.centres[index] - start
        move = similarity(float(trajectory.scales[index]), float(trajectory.angles[index]), tuple(shift), tuple(start))
        outlines.append(cv2.warpAffine(whole, (grid @ move @ np.linalg.inv(grid))[:2], size) > 0.5)
    return np.stack(outlines)


def _reduced(mask: Array, size: tuple[int, int]) -> Array:
    """Share of each reduced pixel that the mask covers: float32 (h', w'), 0-1."""
    share: Array = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return share


def _unusual(frames: Array, masks: Array) -> Array:
    """Where each frame (uint8 (n, h, w, 3), RGB) differs from the usual scene: bool (n, h, w)."""
    grays = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    motion = camera_motion(grays, list(masks), len(frames) // 2)
    chosen = np.unique(np.linspace(0, len(frames) - 1, _SAMPLES).round().astype(int))
    aligned = [_warp(frames[index], motion[index], cv2.INTER_LINEAR) for index in chosen]
    scene = np.median(np.stack(aligned), 0).astype(np.uint8)
    result = []
    for frame, transform in zip(frames, motion, strict=True):
        usual = _warp(scene, transform, cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        different = cv2.absdiff(cv2.GaussianBlur(frame, (3, 3), 0), cv2.GaussianBlur(usual, (3, 3), 0)).max(2)
        result.append(cv2.morphologyEx((different > _MIN_DIFFERENCE).astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0)
    return np.stack(result)


def _warp(frame: Array, transform: Array, flags: int) -> Array:
    size = (frame.shape[1], frame.shape[0])
    warped: Array = cv2.warpPerspective(frame, transform, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return warped

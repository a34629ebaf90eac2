"""Motion between frames: dense optical flow and the camera's global similarity.

Flow is DIS (Kroeger et al., ECCV 2016); the global motion is a similarity fitted by RANSAC to tracked corners
(Shi and Tomasi, CVPR 1994; pyramidal Lucas-Kanade).
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray


class Flow:
    """Dense flow at a fixed reduced size, so that its cost does not grow with the frame's."""

    def __init__(self, short_side: int = 240) -> None:
        self._short_side = short_side
        self._engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, image: Array, other: Array) -> Array:
        """Displacement (h, w, 2) float32 px (x, y): a point p of `image` lies at p + flow in `other` (uint8 RGB)."""
        height, width = image.shape[:2]
        scale = min(1.0, self._short_side / min(height, width))
        planes = [_grey(picture, scale) for picture in (image, other)]
        if min(planes[0].shape) < 16:  # smaller than the engine's patches
            return np.zeros((height, width, 2), np.float32)
        flow = self._engine.calc(planes[0], planes[1], None)
        return cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) / np.float32(scale)


def _grey(image: Array, scale: float) -> Array:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else grey


def warp(values: Array, flow: Array) -> Array:
    """Bring a float32 (h, w) map of the other frame onto this one: result(p) = values(p + flow(p)), 0 outside."""
    height, width = values.shape
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return cv2.remap(values, grid_x + flow[..., 0], grid_y + flow[..., 1], cv2.INTER_LINEAR)


def global_similarity(image: Array, next_image: Array, points: Array) -> Array:
    """Similarity (2, 3) that carries `image` onto `next_image` (uint8 grey), from corners (m, 1, 2) float32 of `image`.

    The identity when too few corners are tracked.
    """
    identity = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    if points is None or len(points) < 6:
        return identity
    moved, status, _ = cv2.calcOpticalFlowPyrLK(image, next_image, points, None)
    tracked = status.ravel() == 1
    if tracked.sum() < 6:
        return identity
    cv2.setRNGSeed(0)
    matrix, _ = cv2.estimateAffinePartial2D(points[tracked], moved[tracked], ransacReprojThreshold=1.5)
    return identity if matrix is None else matrix

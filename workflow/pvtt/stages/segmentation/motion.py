"""Motion between frames: dense optical flow and the camera's global similarity.

Optical flow is DIS (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016). The global motion is a
similarity fitted by RANSAC to tracked corners (Shi and Tomasi, CVPR 1994; pyramidal Lucas-Kanade).
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.resize import reduced

Array = np.ndarray


class Flow:
    """Dense optical flow at a reduced size, so that the cost does not grow with the frame."""

    def __init__(self, short_side: int = 240) -> None:
        self._short_side = short_side
        self._engine = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)

    def __call__(self, image: Array, other: Array) -> Array:
        """Displacement from `image` to `other`, both uint8 (h, w, 3) RGB.

        Returns
        -------
        float32 (h, w, 2), (x, y) in px: the point p of `image` lies at p + flow in `other`. Zero for images too small
        for the algorithm's patches.
        """
        height, width = image.shape[:2]
        scale = min(1.0, self._short_side / min(height, width))
        planes = [reduced(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), self._short_side) for picture in (image, other)]
        if min(planes[0].shape) < 16:  # smaller than the engine's patches
            return np.zeros((height, width, 2), np.float32)
        flow = self._engine.calc(planes[0], planes[1], None)
        return np.asarray(cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) / np.float32(scale))


def warp(values: Array, flow: Array) -> Array:
    """Warp a map of the other frame to this one: result(p) = values(p + flow(p)), 0 outside.

    Parameters
    ----------
    values : float32 (h, w)
    flow : float32 (h, w, 2)
        Displacement in px, from this frame to the other.
    """
    height, width = values.shape
    grid_x, grid_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(cv2.remap(values, grid_x + flow[..., 0], grid_y + flow[..., 1], cv2.INTER_LINEAR))


def global_similarity(image: Array, next_image: Array, points: Array) -> Array:
    """Similarity transform from `image` to `next_image`.

    Parameters
    ----------
    image, next_image : uint8 (h, w)
        Gray.
    points : float32 (m, 1, 2)
        Corners of `image` in px; None without any.

    Returns
    -------
    float64 (2, 3); the identity if fewer than six corners are tracked.
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

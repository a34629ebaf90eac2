"""Warping of a product's mask from one frame to all frames, by the motion of the scene.

The camera's motion is estimated on the clean background (corners, pyramidal Lucas-Kanade, a similarity or a homography
by RANSAC: `pvtt.imaging.camera_motion`). The mask of the first frame moves with it. Where the source product
leaves the place that this motion predicts, the product moved by itself; the difference in position, size and angle is
added. There is no depth: the scene is taken as a plane, and nothing occludes the mask. This replaces the 4D-aware
masks of InsertAnywhere, which use depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.camera_motion import camera_motion
from pvtt.imaging.geometry import apply, dilated, scale_and_angle, similarity
from pvtt.io.video_reader import Frames
from pvtt.stages.insertion.base import Box
from pvtt.stages.insertion.trajectory import Trajectory

Array = np.ndarray

_SHORT_SIDE = 360  # px: the motion is estimated on frames of at most this short side
_STILL_TOLERANCE = 0.15  # share of the product's size; the boxes of a still product move by less


@dataclass(frozen=True)
class MaskMotion:
    """Motion of a product's mask.

    `transforms` float64 (n, 3, 3): from the points of frame `first` to those of each frame, in pixels; `moves`: whether
    the product moves relative to the scene.
    """

    transforms: Array
    first: int
    moves: bool


def estimate_mask_motion(
    background: Frames, masks: Array, boxes: list[Box | None], trajectory: Trajectory
) -> MaskMotion:
    """Estimate how the product's mask moves from the first frame that shows it to the other frames.

    Parameters
    ----------
    background : callable
        Starts a pass over the clean frames, uint8 (h, w, 3), RGB.
    masks : bool (n, h, w)
        Masks of the source product, where the background is filled in; they do not count for the camera's motion.
    boxes : list of n
        Boxes (x0, y0, x1, y1) of the source product in pixels, None where it is not visible.
    trajectory
        Trajectory of the source product.
    """
    shown = [index for index, box in enumerate(boxes) if box is not None]
    first = shown[0]
    ground = np.linalg.inv(_ground_motion(background, masks, first))
    centre = trajectory.centres[first]
    expected = np.stack([apply(move, centre[None])[0] for move in ground])
    length = float(trajectory.scales[first]) * float(np.sqrt(trajectory.size[0] * trajectory.size[1]))
    away = np.linalg.norm(trajectory.centres - expected, axis=1)[shown]
    if away.max() <= _STILL_TOLERANCE * max(length, 1.0):
        return MaskMotion(ground, first, False)
    transforms = ground.copy()
    for index in range(len(ground)):
        scale, angle = scale_and_angle(_local(ground[index], centre))
        more = float(trajectory.scales[index] / trajectory.scales[first]) / max(scale, 1e-6)
        turn = float(trajectory.angles[index] - trajectory.angles[first]) - angle
        shift = trajectory.centres[index] - expected[index]
        own = similarity(more, turn, (float(shift[0]), float(shift[1])), tuple(expected[index]))
        transforms[index] = own @ ground[index]
    return MaskMotion(transforms, first, True)


def _ground_motion(background: Frames, masks: Array, reference: int) -> Array:
    """Transforms (n, 3, 3) from each frame's points to those of the reference frame, in full-size pixels."""
    height, width = masks.shape[1:]
    scale = min(1.0, _SHORT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    grays = [
        cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA)
        for frame in background()
    ]
    covered = [dilated(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA) > 0, 3) for mask in masks]
    # Pixel centres: (x + 0.5) / full = (x' + 0.5) / reduced.
    fx, fy = size[0] / width, size[1] / height
    reduce = np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
    motion: Array = np.linalg.inv(reduce) @ camera_motion(grays, covered, reference) @ reduce
    return motion


def _local(transform: Array, point: Array) -> Array:
    """Linear part of the similarity that approximates a transform around a point (2,)."""
    around = apply(transform, point + np.array([[0, 0], [1, 0], [0, 1]]))
    x, y = around[1] - around[0], around[2] - around[0]
    cos, sin = (x[0] + y[1]) / 2, (x[1] - y[0]) / 2
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def warp_outline(
    alpha: Array,
    place: tuple[tuple[float, float], tuple[float, float], float],
    motion: MaskMotion,
    shape: tuple[int, ...],
) -> Iterator[Array]:
    """Warp the outline of a cut-out into every frame.

    Parameters
    ----------
    alpha : uint8 (h', w'), 0-255
        Alpha channel of the cut-out's opaque box.
    place
        Centre (x, y) and size (width, height) in pixels and angle in radians, in the first frame.
    motion
        See `estimate_mask_motion`.
    shape : (h, w)
        Size of a frame.

    Yields
    ------
    bool (h, w), one mask per frame
    """
    (x, y), (width, height), angle = place
    fx, fy = width / alpha.shape[1], height / alpha.shape[0]
    # Box coordinates start at the corner of the first pixel, transforms at its centre.
    x, y = x - 0.5, y - 0.5
    fit = np.array([[fx, 0, x - (width - fx) / 2], [0, fy, y - (height - fy) / 2], [0, 0, 1]])
    put = similarity(1.0, angle, (0.0, 0.0), (x, y)) @ fit
    for transform in motion.transforms:
        drawn = cv2.warpPerspective(alpha, transform @ put, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
        yield drawn > 127

"""A product's mask carried through the clip by the geometry of the scene.

The camera's motion is estimated on the clean background from its own features (corners followed by pyramidal
Lucas-Kanade, a similarity or a homography by RANSAC: `pvtt.imaging.geometry.camera_motion`), so the mask of the first frame
moves as the ground under it does. Where the source's product leaves the place that the ground has for it, it moved by
itself, and the difference, in place, size and angle, is added. There is no depth: the scene is taken as a plane, which
is true of a table and not of what stands in front of it; nothing hides the mask. The 4D-aware masks of InsertAnywhere
know depth; these stand in for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.geometry import apply, camera_motion, dilated, scale_and_angle, similarity
from pvtt.io.video_reader import Frames
from pvtt.stages.insertion.base import Box
from pvtt.stages.insertion.trajectory import Path

Array = np.ndarray

_SHORT_SIDE = 360
_STANDS = 0.15  # of the product's size; boxes of a still product tremble by less


@dataclass(frozen=True)
class Carried:
    """Transforms float64 (n, 3, 3) from the first frame that shows the product to each, and whether it moves itself."""

    transforms: Array
    first: int
    moves: bool


def carry(background: Frames, masks: Array, boxes: list[Box | None], path: Path) -> Carried:
    """How the product's mask in the first frame that shows it moves to the other frames.

    `background` gives the clean frames, uint8 (h, w, 3); `masks` bool (n, h, w) say where they are made up; `path` is
    where the source's product went.
    """
    shown = [index for index, box in enumerate(boxes) if box is not None]
    first = shown[0]
    ground = np.linalg.inv(_ground_motion(background, masks, first))
    centre = path.centres[first]
    expected = np.stack([apply(move, centre[None])[0] for move in ground])
    length = float(path.scales[first]) * float(np.sqrt(path.size[0] * path.size[1]))
    away = np.linalg.norm(path.centres - expected, axis=1)[shown]
    if away.max() <= _STANDS * max(length, 1.0):
        return Carried(ground, first, False)
    transforms = ground.copy()
    for index in range(len(ground)):
        scale, angle = scale_and_angle(_local(ground[index], centre))
        more = float(path.scales[index] / path.scales[first]) / max(scale, 1e-6)
        turn = float(path.angles[index] - path.angles[first]) - angle
        shift = path.centres[index] - expected[index]
        own = similarity(more, turn, (float(shift[0]), float(shift[1])), tuple(expected[index]))
        transforms[index] = own @ ground[index]
    return Carried(transforms, first, True)


def _ground_motion(background: Frames, masks: Array, reference: int) -> Array:
    """Transforms of each frame's points to those of the reference, at full size."""
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
    return np.linalg.inv(reduce) @ camera_motion(grays, covered, reference) @ reduce


def _local(transform: Array, point: Array) -> Array:
    """The similarity that a transform is about a point."""
    around = apply(transform, point + np.array([[0, 0], [1, 0], [0, 1]]))
    x, y = around[1] - around[0], around[2] - around[0]
    cos, sin = (x[0] + y[1]) / 2, (x[1] - y[0]) / 2
    return np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])


def outlines(
    alpha: Array,
    place: tuple[tuple[float, float], tuple[float, float], float],
    carried: Carried,
    shape: tuple[int, ...],
) -> Iterator[Array]:
    """The outline of a cut-out, carried into every frame: bool (h, w).

    `alpha` is uint8 (h', w') of its opaque box; `place` its centre, size (width, height) and angle in the first frame.
    """
    (x, y), (width, height), angle = place
    fx, fy = width / alpha.shape[1], height / alpha.shape[0]
    # Boxes count from the corner of the first pixel, transforms from its centre.
    x, y = x - 0.5, y - 0.5
    fit = np.array([[fx, 0, x - (width - fx) / 2], [0, fy, y - (height - fy) / 2], [0, 0, 1]])
    put = similarity(1.0, angle, (0.0, 0.0), (x, y)) @ fit
    for transform in carried.transforms:
        drawn = cv2.warpPerspective(alpha, transform @ put, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)
        yield drawn > 127

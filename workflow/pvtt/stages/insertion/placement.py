"""Size and place of the new product, from the trajectory of the old one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pvtt.stages.insertion.base import Box
from pvtt.stages.insertion.layer import rotated_box
from pvtt.stages.insertion.trajectory import Trajectory

Array = np.ndarray

_DEPTH = 0.15


def adapted_size(trajectory: Trajectory, aspect: float, frame: tuple[int, int], max_side: float) -> tuple[float, float]:
    """Width and height, in the reference frame, of a product of `aspect` (width / height) in the source's place.

    Their longer sides are equal, as of products that fill the same picture; one goes beyond `max_side` of the frame at
    the largest scale shrinks.
    """
    longest = max(trajectory.size)
    width, height = longest * min(1.0, aspect), longest * min(1.0, 1 / aspect)
    largest = float(trajectory.scales.max())
    fit = min(1.0, max_side * frame[0] / (width * largest), max_side * frame[1] / (height * largest))
    return width * fit, height * fit


def align_to_ground(trajectory: Trajectory, height: float, top: float = 0.0) -> Trajectory:
    """The trajectory of a product of `height` (reference frame) that stands where the source's product stands.

    Both stand on the ground, not on a line: what looks flat lies deep, so its lower edge is nearer to the camera than
    the middle of its foot, by `_DEPTH` of what it lacks in height. One that would rise above the frame's `top` sinks.
    """
    up = (0.5 + _DEPTH) * (height - trajectory.size[1])
    above = float(trajectory.centres[trajectory.reference][1]) - up - height / 2 - top
    rise = (up + min(0.0, above) if up > 0 else up) * trajectory.scales
    turn = np.stack([np.sin(trajectory.angles), -np.cos(trajectory.angles)], 1)
    return replace(trajectory, centres=trajectory.centres + rise[:, None] * turn, size=(trajectory.size[0], height))


def target_boxes(boxes: list[Box | None], trajectory: Trajectory, size: tuple[float, float]) -> list[Box | None]:
    """Boxes of the new product per frame, None where the source's is None."""
    placed: list[Box | None] = []
    for index, box in enumerate(boxes):
        scale = float(trajectory.scales[index])
        centre = (float(trajectory.centres[index][0]), float(trajectory.centres[index][1]))
        whole = rotated_box(centre, (scale * size[0], scale * size[1]), float(trajectory.angles[index]))
        placed.append(None if box is None else (whole[0], whole[1], whole[2], whole[3]))
    return placed

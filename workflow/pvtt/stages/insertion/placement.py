"""Size and position of the new product, from the trajectory of the source product."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pvtt.stages.insertion.base import Box
from pvtt.stages.insertion.layer import rotated_box
from pvtt.stages.insertion.trajectory import Trajectory

Array = np.ndarray

_DEPTH = 0.15  # share of the missing height by which a flatter product's lower edge is nearer to the camera


def adapted_size(trajectory: Trajectory, aspect: float, frame: tuple[int, int], max_side: float) -> tuple[float, float]:
    """Size of the new product in the reference frame: its longer side equals the source product's.

    Parameters
    ----------
    trajectory
        Trajectory of the source product.
    aspect : float
        Width over height of the new product.
    frame : (width, height)
        Size of the frame in pixels.
    max_side : float
        Largest share (0-1) of the frame's width and height, at the trajectory's largest scale.

    Returns
    -------
    (width, height)
        In pixels.
    """
    longest = max(trajectory.size)
    width, height = longest * min(1.0, aspect), longest * min(1.0, 1 / aspect)
    largest = float(trajectory.scales.max())
    fit = min(1.0, max_side * frame[0] / (width * largest), max_side * frame[1] / (height * largest))
    return width * fit, height * fit


def align_to_ground(trajectory: Trajectory, height: float, top: float = 0.0) -> Trajectory:
    """Shift a trajectory so that a product of another height stands on the same ground.

    In the reference frame the lower edge moves to `y_bottom + _DEPTH * (height_source - height)`: a flatter product
    usually reaches further towards the camera.

    Parameters
    ----------
    trajectory
        Trajectory of the source product.
    height : float
        Height of the new product in pixels of the reference frame.
    top : float
        y of the frame's upper edge in pixels; a product that would exceed it is lowered.
    """
    up = (0.5 + _DEPTH) * (height - trajectory.size[1])
    above = float(trajectory.centres[trajectory.reference][1]) - up - height / 2 - top
    rise = (up + min(0.0, above) if up > 0 else up) * trajectory.scales
    turn = np.stack([np.sin(trajectory.angles), -np.cos(trajectory.angles)], 1)
    return replace(trajectory, centres=trajectory.centres + rise[:, None] * turn, size=(trajectory.size[0], height))


def target_boxes(boxes: list[Box | None], trajectory: Trajectory, size: tuple[float, float]) -> list[Box | None]:
    """Boxes (x0, y0, x1, y1) of the new product per frame, in pixels; None where the source product's box is None.

    `size` is its width and height in pixels of the reference frame.
    """
    placed: list[Box | None] = []
    for index, box in enumerate(boxes):
        scale = float(trajectory.scales[index])
        centre = (float(trajectory.centres[index][0]), float(trajectory.centres[index][1]))
        whole = rotated_box(centre, (scale * size[0], scale * size[1]), float(trajectory.angles[index]))
        placed.append(None if box is None else (whole[0], whole[1], whole[2], whole[3]))
    return placed

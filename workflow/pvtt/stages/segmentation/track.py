"""The product's track: visibility, box and area per frame, objects, and key points that move with the product.

Key points are corners (Shi and Tomasi, CVPR 1994) thinned by non-maximum suppression and followed (`points.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from pvtt.imaging.resize import reduced
from pvtt.stages.segmentation.motion import global_similarity
from pvtt.stages.segmentation.points import track_queries

__all__ = ["build_track", "camera_path", "empty_track", "track_points", "track_queries"]

Array = np.ndarray

MAX_POINTS = 32
_SHORT_SIDE = 480
_PLACEMENT_AREA = 0.06  # of the frame: the box where a product can be placed in an empty scene


def build_track(frames: Array, masks: Array) -> dict[str, Any]:
    """Frames, objects and points of `track.json` from frames uint8 (n, h, w, 3) and masks bool (k, n, h, w)."""
    size = masks[0, 0].size if len(masks) else 1
    union: list[Array] = [np.any(masks[:, number], axis=0) for number in range(masks.shape[1])]
    objects = []
    for number, plane in enumerate(masks, 1):
        areas = plane.reshape(len(plane), -1).sum(1) / size
        visible_areas = areas[areas > 0]
        mean = round(float(visible_areas.mean()), 6) if len(visible_areas) else 0.0
        objects.append({"id": number, "visible_frames": len(visible_areas), "mean_area": mean})
    points = track_points(frames, union) if any(mask.any() for mask in union) else []
    return {"frames": [_frame(mask) for mask in union], "objects": objects, "points": points}


def _frame(mask: Array) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return {"visible": False, "box": None, "area": 0.0}
    box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
    return {"visible": True, "box": box, "area": round(float(mask.mean()), 6)}


def track_points(frames: Array, masks: Sequence[Array]) -> list[dict[str, Any]]:
    """At most 32 corners of the largest mask's frame, followed both ways while they stay on the product."""
    start = int(np.argmax([mask.sum() for mask in masks]))
    grey = cv2.cvtColor(reduced(frames[start], _SHORT_SIDE), cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    plane = cv2.resize(masks[start].astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    spacing = max(4.0, float(np.sqrt(plane.sum() / (2 * MAX_POINTS))))
    corners = cv2.goodFeaturesToTrack(grey, MAX_POINTS, 0.02, spacing, mask=plane)
    if corners is None:
        return []
    positions = corners[:, 0] * np.array([frames.shape[2] / width, frames.shape[1] / height], np.float32)
    paths = track_queries(frames, masks, np.column_stack([np.full(len(positions), start), positions]))
    return [{"xy": [_point(place) for place in path]} for path in paths]


def _point(place: Array) -> list[float] | None:
    return None if np.isnan(place[0]) else [round(float(place[0]), 2), round(float(place[1]), 2)]


def empty_track(frames: Array) -> dict[str, Any]:
    """Track of a scene without product: a square box of 6 % of the frame, low in the middle, carried by the camera.

    The camera's motion is a similarity fitted to the whole frame's corners, accumulated from the first frame.
    """
    height, width = frames.shape[1:3]
    side = min(float(np.sqrt(_PLACEMENT_AREA * height * width)), height, width)
    centre = np.array([width / 2, min(0.62 * height, height - side / 2)])
    motions = camera_path(frames)
    rows = []
    for matrix in motions:
        middle = matrix[:, :2] @ centre + matrix[:, 2]
        half = side * float(np.sqrt(abs(np.linalg.det(matrix[:, :2])))) / 2
        rows.append(_clipped_box(middle, half, width, height))
    return {"frames": rows, "objects": [], "points": []}


def _clipped_box(middle: Array, half: float, width: int, height: int) -> dict[str, Any]:
    left, right = (round(float(np.clip(middle[0] + s * half, 0, width))) for s in (-1, 1))
    top, bottom = (round(float(np.clip(middle[1] + s * half, 0, height))) for s in (-1, 1))
    if right - left < 2 or bottom - top < 2:
        return {"visible": False, "box": None, "area": 0.0}
    area = round((right - left) * (bottom - top) / (width * height), 6)
    return {"visible": True, "box": [left, top, right, bottom], "area": area}


def camera_path(frames: Array) -> Array:
    """Similarity of every frame relative to the first, float64 (n, 2, 3), in px of the frames."""
    greys = [cv2.cvtColor(reduced(frame, _SHORT_SIDE), cv2.COLOR_RGB2GRAY) for frame in frames]
    scale = frames.shape[1] / greys[0].shape[0]
    path = [np.array([[1.0, 0, 0], [0, 1.0, 0]])]
    for before, after in pairwise(greys):
        corners = cv2.goodFeaturesToTrack(before, 300, 0.01, 8)
        step = global_similarity(before, after, corners)
        step = np.column_stack([step[:, :2], step[:, 2] * scale])
        last = path[-1]
        path.append(np.column_stack([step[:, :2] @ last[:, :2], step[:, :2] @ last[:, 2] + step[:, 2]]))
    return np.stack(path)

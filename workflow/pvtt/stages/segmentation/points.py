"""Point tracking over a clip, in both directions, while the points are on the product.

Pyramidal Lucas-Kanade with a forward-backward check (Kalal, Mikolajczyk and Matas, "Forward-backward error: automatic
detection of tracking failures", ICPR 2010) between neighbouring frames. A point that fails the check, for instance on
a plain surface, moves with its neighbours and with the product, and stays visible while it is on the mask. A point
that leaves the mask, for instance behind a hand, moves on invisibly until its last reliable patch is found again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.resize import reduced, resize_nearest

Array = np.ndarray

_SHORT_SIDE = 480  # px at which points are tracked; the px below are px at this size
_MAX_STEP_ERROR_PX, _MAX_REDETECTION_ERROR_PX = 1.0, 0.7  # forward-backward error: to the next frame, to a far frame
_NEIGHBOR_REACH, _MAX_REDETECTION_SHIFT = 0.15, 0.1  # of the product's size: sigma of neighbours, px from the guess
_GLOBAL_MOTION_WEIGHT = 0.2  # weight of the product's global motion; a neighbour at distance 0 has weight 1


def track_queries(frames: Array, masks: Array | Sequence[Array], queries: Array) -> Array:
    """Paths of query points.

    Parameters
    ----------
    frames : uint8 (n, h, w, 3) RGB
    masks : bool (n, h, w)
        The product.
    queries : float (k, 3)
        Frame number and position (x, y) in px, from which the point is tracked to both ends of the clip.

    Returns
    -------
    float32 (k, n, 2), (x, y) in px of the frames; NaN where the point is lost or hidden.
    """
    greys = [cv2.cvtColor(reduced(frame, _SHORT_SIDE), cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = greys[0].shape
    masks_resized = [resize_nearest(mask, (height, width)).astype(np.uint8) for mask in masks]
    scale = np.array([frames.shape[2] / width, frames.shape[1] / height], np.float32)
    queries = np.asarray(queries, np.float32).reshape(-1, 3)
    start, positions = queries[:, 0].astype(int), queries[:, 1:] / scale
    paths = np.full((len(queries), len(frames), 2), np.nan, np.float32)
    paths[np.arange(len(queries)), start] = positions
    for order in (range(len(frames)), range(len(frames) - 1, -1, -1)):
        state = _State(
            np.full_like(positions, np.nan), np.zeros(len(positions), bool), np.zeros(len(positions), int), positions
        )
        last = order[0]
        for number in order:
            active = np.flatnonzero(~np.isnan(state.positions[:, 0]))
            if len(active):
                _advance(greys, masks_resized[number], (last, number), state, active)
                visible_points = active[state.visible[active]]
                paths[visible_points, number] = state.positions[visible_points]
            begins = start == number
            state.positions[begins], state.visible[begins], state.anchor_frame[begins] = positions[begins], True, number
            last = number
    return paths * scale


@dataclass
class _State:
    """Positions of k points, whether they are visible, and the frame and position of each one's last reliable match."""

    positions: Array
    visible: Array
    anchor_frame: Array
    anchor: Array

    def __post_init__(self) -> None:
        self.anchor = self.anchor.copy()


def _advance(greys: list[Array], plane: Array, step: tuple[int, int], state: _State, active: Array) -> None:
    """Move the active points from one frame to the next, whose mask is `plane` (uint8)."""
    last, number = step
    previous = state.positions[active]
    moved, reliable = _track_forward_backward(greys[last], greys[number], previous, previous, _MAX_STEP_ERROR_PX)
    reliable &= state.visible[active] & on_mask(plane, moved, 1)
    size = max(4.0, float(np.sqrt(plane.sum())))
    if not reliable.all():
        moved[~reliable] = previous[~reliable] + _shared_motion(previous, moved, reliable, _NEIGHBOR_REACH * size)
        hidden = np.flatnonzero(~state.visible[active] & on_mask(plane, moved, 1))
        for frame in np.unique(state.anchor_frame[active[hidden]]):
            group = hidden[state.anchor_frame[active[hidden]] == frame]
            patch = state.anchor[active[group]]
            redetected, accepted = _track_forward_backward(
                greys[frame], greys[number], patch, moved[group], _MAX_REDETECTION_ERROR_PX
            )
            accepted &= (np.linalg.norm(redetected - moved[group], axis=1) < _MAX_REDETECTION_SHIFT * size) & on_mask(
                plane, redetected, 0
            )
            moved[group[accepted]], reliable[group[accepted]] = redetected[accepted], True
    state.visible[active] = reliable | (state.visible[active] & on_mask(plane, moved, 1))
    state.positions[active] = moved
    state.anchor[active[reliable]], state.anchor_frame[active[reliable]] = moved[reliable], number


def _track_forward_backward(
    first: Array, second: Array, previous: Array, guess: Array, tolerance: float
) -> tuple[Array, Array]:
    """Positions float32 (m, 2) in the second image of the points `previous`, and which passed the forward-backward
    check.
    """
    moved, ahead = _lucas_kanade(first, second, previous, guess)
    back, behind = _lucas_kanade(second, first, moved, previous)
    return moved, ahead & behind & (np.linalg.norm(back - previous, axis=1) < tolerance)


def _lucas_kanade(first: Array, second: Array, previous: Array, guess: Array) -> tuple[Array, Array]:
    start, initial_guess = (np.ascontiguousarray(points, np.float32)[:, None].copy() for points in (previous, guess))
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 30, 0.01)
    moved, anchor, _ = cv2.calcOpticalFlowPyrLK(
        first,
        second,
        start,
        initial_guess,
        winSize=(21, 21),
        maxLevel=3,
        criteria=criteria,
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    return moved[:, 0], anchor.ravel() == 1


def _shared_motion(previous: Array, moved: Array, reliable: Array, reach: float) -> Array:
    """Motion float32 (m, 2) of the points that are not `reliable`: from reliable neighbours and from a global
    similarity.
    """
    unreliable_points = previous[~reliable]
    if reliable.sum() < 3:
        return np.zeros_like(unreliable_points)
    motion = moved[reliable] - previous[reliable]
    global_motion = np.repeat(motion.mean(0)[None], len(unreliable_points), 0)
    if reliable.sum() >= 4:
        cv2.setRNGSeed(0)
        matrix, _ = cv2.estimateAffinePartial2D(previous[reliable], moved[reliable], ransacReprojThreshold=2.0)
        global_motion = (
            global_motion if matrix is None else unreliable_points @ matrix[:, :2].T + matrix[:, 2] - unreliable_points
        )
    weights = np.exp(-((unreliable_points[:, None] - previous[reliable][None]) ** 2).sum(2) / (2 * reach**2))
    motion_of_rest = ((weights @ motion) + _GLOBAL_MOTION_WEIGHT * global_motion) / (
        weights.sum(1) + _GLOBAL_MOTION_WEIGHT
    )[:, None]
    return np.asarray(motion_of_rest.astype(np.float32))


def on_mask(plane: Array, positions: Array, margin: int) -> Array:
    """Which points lie on a mask or near it.

    Parameters
    ----------
    plane : uint8 (h, w)
        The mask; above 0 inside.
    positions : float (m, 2)
        (x, y) in px of the mask, rounded to whole pixels.
    margin : int
        Distance in px, along x and along y, up to which a point is near.

    Returns
    -------
    bool (m,)
        False for points outside the frame.
    """
    near = cv2.dilate(plane, np.ones((2 * margin + 1,) * 2, np.uint8))
    columns, rows = np.rint(np.clip(positions, -1e6, 1e6)).astype(int).T
    inside = (columns >= 0) & (rows >= 0) & (columns < plane.shape[1]) & (rows < plane.shape[0])
    inside[inside] = near[rows[inside], columns[inside]] > 0
    return np.asarray(inside)

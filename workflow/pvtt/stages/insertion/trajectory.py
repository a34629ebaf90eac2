"""The trajectory of the new product through the clip, from the source's boxes or key points.

Three controls, as in VideoAnyDoor (Tu et al., SIGGRAPH 2025): `boxes` follows the sequence of boxes, `ends` only the
first and the last one, `points` the trajectories of key points: points with non-maximum suppression, of which the 8
of largest motion are kept. With `boxes`, in-plane turns and quick movements come from the key points where enough of
them agree, and boxes cut short by a hand or by the frame's edge lose to them. Paths are smoothed by a penalty on
acceleration (Whittaker 1923; Eilers, A perfect smoother, 2003), which leaves steady motion as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pvtt.imaging.geometry import apply, fit_similarity, robust_similarity, scale_and_angle
from pvtt.stages.insertion.base import Box, InsertionError

Array = np.ndarray

N_POINTS = 8  # points that are tracked
_MIN_AGREEING = 4  # smallest number of points that agree on a motion
# One step of the key points is trusted as much as a box whose error is this many times larger.
_POINT_TRUST = 9.0
_LAG = 4  # frames on each side over which a step is measured
_EDGE_TRUST = 0.05  # weight of a box side that the border of the frame cuts, relative to others


@dataclass(frozen=True)
class Trajectory:
    """Where the product is: per frame its centre (n, 2) in pixels, scale (n,) and angle (n,) in radians.

    Scales and angles are relative to frame `reference`, where its box measures `size` (width, height) pixels.
    """

    centres: Array
    scales: Array
    angles: Array
    size: tuple[float, float]
    reference: int


def estimate_trajectory(
    control: str, boxes: Sequence[Box | None], points: Array, frame: tuple[int, int], smooth_frames: float
) -> Trajectory:
    """Trajectory of the product.

    Parameters
    ----------
    control : str
        `boxes`, `ends` or `points`.
    boxes : sequence of n (x0, y0, x1, y1) or None
        Boxes of the product in px; None where it is not visible.
    points : float (k, n, 2)
        Key points of the product, (x, y) in px; NaN where lost.
    frame : (width, height)
        Size of the frame in px.
    smooth_frames : float
        Length over which the trajectory is smoothed, in frames; `ends` does not use it.

    Returns
    -------
    Trajectory

    Raises
    ------
    InsertionError
        If there is no box, or for `points` fewer than 2 selected key points.
    """
    seen = [index for index, box in enumerate(boxes) if box is not None]
    if not seen:
        raise InsertionError("the product is not visible in any frame of the clip")
    if control == "ends":
        return trajectory_from_ends(boxes)
    if control == "points":
        return trajectory_from_points(boxes, points, smooth_frames)
    return trajectory_from_boxes(boxes, points, frame, smooth_frames)


def trajectory_from_ends(boxes: Sequence[Box | None]) -> Trajectory:
    """Straight from the first box to the last one; nothing between them is looked at."""
    seen = [index for index, box in enumerate(boxes) if box is not None]
    first, last = seen[0], seen[-1]
    start, end = np.array(boxes[first], float), np.array(boxes[last], float)
    share = np.clip((np.arange(len(boxes)) - first) / max(1, last - first), 0, 1)[:, None]
    sides = start + share * (end - start)
    width, height = sides[:, 2] - sides[:, 0], sides[:, 3] - sides[:, 1]
    centres = np.stack([sides[:, 0] + sides[:, 2], sides[:, 1] + sides[:, 3]], 1) / 2
    scales = np.sqrt(width * height / (width[first] * height[first]))
    return Trajectory(centres, scales, np.zeros(len(boxes)), (float(width[first]), float(height[first])), first)


def trajectory_from_boxes(
    boxes: Sequence[Box | None], points: Array, frame: tuple[int, int], smooth_frames: float = 0.0
) -> Trajectory:
    """Trajectory through every box; quick movements and turns come from the key points where they agree.

    Parameters
    ----------
    boxes, points, frame, smooth_frames
        As in `estimate_trajectory`; at least one box. Boxes that the border cuts count less, unless all are cut.

    Returns
    -------
    Trajectory
    """
    weight, centres, sizes = _observed(boxes, frame)
    reference = _reference(sizes, weight)
    size = sizes[reference]
    logs = _minmod(np.log(sizes / size))
    length = float(np.sqrt(size.prod()))
    steps, agree = point_steps(points, centres, length)
    stiffness = smooth_frames**4
    columns = []
    for values, step in ((centres[:, 0] / length, 0), (centres[:, 1] / length, 1), (logs, 2)):
        delta = steps[:, step] / (length if step < 2 else 1)
        columns.append(smooth(values, weight, delta, agree * _POINT_TRUST, stiffness))
    still = np.zeros(len(boxes))
    anchored = still.copy()
    anchored[reference] = 1e3
    # Where no points agree the angle is held by its smoothness and by a step of zero.
    angles = smooth(still, anchored, steps[:, 3], np.where(agree, _POINT_TRUST, 1.0), stiffness)
    centre = np.stack([columns[0], columns[1]], 1) * length
    scales = np.exp(columns[2] - columns[2][reference])
    return Trajectory(centre, scales, angles - angles[reference], (float(size[0]), float(size[1])), reference)


def trajectory_from_points(boxes: Sequence[Box | None], points: Array, smooth_frames: float = 0.0) -> Trajectory:
    """Similarity of the selected key points from the reference frame to each frame.

    Parameters
    ----------
    boxes, points, smooth_frames
        As in `estimate_trajectory`; at least one box. Boxes give the centre and size in the reference frame, the radius
        of `select_points`, and the frames that can be the reference.

    Returns
    -------
    Trajectory

    Raises
    ------
    InsertionError
        If fewer than 2 key points are selected.
    """
    chosen = select_points(points, _radius(boxes))
    if len(chosen) < 2:
        raise InsertionError("control `points` needs at least 2 key points on the product; use control `boxes`")
    tracks = points[chosen]
    there = np.isfinite(tracks).all(2)
    counts = np.where([box is not None for box in boxes], there.sum(0), -1)
    reference = int(counts.argmax())
    x0, y0, x1, y1 = boxes[reference]  # type: ignore[misc]
    centre = np.array([[(x0 + x1) / 2, (y0 + y1) / 2]])
    values, weight = np.zeros((len(boxes), 4)), np.zeros(len(boxes))
    for index in range(len(boxes)):
        common = there[:, index] & there[:, reference]
        if common.sum() < 2:
            continue
        start, end = tracks[common, reference], tracks[common, index]
        robust, inliers = robust_similarity(start, end)
        transform = robust if robust is not None and inliers.sum() >= 2 else fit_similarity(start, end)
        scale, angle = scale_and_angle(transform)
        values[index] = [*apply(transform, centre)[0], np.log(max(scale, 1e-3)), angle]
        weight[index] = 1
    known = weight > 0
    values[known, 3] = np.unwrap(values[known, 3])
    none = np.zeros(len(boxes) - 1)
    stiffness = smooth_frames**4
    x, y, logs, angles = (smooth(values[:, column], weight, none, none, stiffness) for column in range(4))
    return Trajectory(np.stack([x, y], 1), np.exp(logs), angles, (x1 - x0, y1 - y0), reference)


def select_points(points: Array, radius_px: float, count: int = N_POINTS) -> Array:
    """Select the key points of largest motion by non-maximum suppression.

    Motion is the length of the trajectory. Distance is taken in the first frame in which both points are seen.

    Parameters
    ----------
    points : float (k, n, 2)
        (x, y) in px; NaN where lost. A point that is seen in fewer than 2 frames is not selected.
    radius_px : float
        Smallest distance of two selected points, px.
    count : int
        Largest number of selected points.

    Returns
    -------
    int64 (m,)
        Indices of the points, by descending motion.
    """
    there = np.isfinite(points).all(2)
    steps = np.linalg.norm(np.diff(points, axis=1), axis=2)
    motion = np.where(np.isfinite(steps), steps, 0).sum(1)
    chosen: list[int] = []
    for index in sorted(range(len(points)), key=lambda k: (-motion[k], k)):
        if there[index].sum() < 2 or len(chosen) == count:
            continue
        if all(_apart(points, there, index, other) >= radius_px for other in chosen):
            chosen.append(index)
    return np.array(chosen, int)


def _apart(points: Array, there: Array, one: int, other: int) -> float:
    both = np.flatnonzero(there[one] & there[other])
    return float(np.linalg.norm(points[one, both[0]] - points[other, both[0]])) if len(both) else np.inf


def _radius(boxes: Sequence[Box | None]) -> float:
    """Suppression radius: a tenth of the typical box."""
    sides = [np.sqrt((b[2] - b[0]) * (b[3] - b[1])) for b in boxes if b is not None]
    return 0.1 * float(np.median(sides))


def point_steps(points: Array, centres: Array, length: float) -> tuple[Array, Array]:
    """Motion of the product between neighbouring frames by its key points.

    Points agree on a step when at least 4 of them, and 6 of 10, fit one similarity, from frame to frame and over the
    frames around, there to 1.5 px plus a hundredth of `length`. A product that turns out of the image plane fails the
    latter.

    Parameters
    ----------
    points : float (k, n, 2)
        Key points of the product, (x, y) in px; NaN where lost.
    centres : float (n, 2)
        Centres of the product, (x, y) in px.
    length : float
        Length of the product in px.

    Returns
    -------
    steps : float64 (n - 1, 4)
        Steps of the centre (x, y) in px, of the natural logarithm of the scale, and of the angle in radians; 0 where
        the points do not agree.
    agree : bool (n - 1,)
        Where the points agree.
    """
    n = len(centres)
    steps, agree = np.zeros((n - 1, 4)), np.zeros(n - 1, bool)
    for index in range(n - 1):
        transform = _agreed(points, index, index + 1, 1.5)
        around = max(0, index - _LAG), min(n - 1, index + 1 + _LAG)
        if transform is None or _agreed(points, *around, 1.5 + 0.01 * length) is None:
            continue
        scale, angle = scale_and_angle(transform)
        moved = apply(transform, centres[index : index + 1])[0] - centres[index]
        steps[index], agree[index] = [*moved, np.log(max(scale, 1e-3)), angle], True
    return steps, agree


def _agreed(points: Array, first: int, last: int, tolerance_px: float) -> Array | None:
    """Similarity between two frames on which at least 4 points and 6 of 10 agree, or None."""
    common = np.isfinite(points[:, (first, last)]).all((1, 2))
    if common.sum() < _MIN_AGREEING:
        return None
    transform, inliers = robust_similarity(points[common, first], points[common, last], tolerance_px)
    return transform if inliers.sum() >= max(_MIN_AGREEING, 0.6 * common.sum()) else None


def smooth(values: Array, weight: Array, steps: Array, trust: Array, stiffness: float) -> Array:
    """Robust smooth trajectory x through values and steps between them.

    Minimises sum weight (x - values)^2 + sum trust (dx - steps)^2 + stiffness sum (d2x - d steps)^2, with the first
    sum's weights lowered for outliers (six rounds). Without stiffness and trust the values stay as they are.

    Parameters
    ----------
    values : float (n,)
    weight : float (n,)
        Weights of the values, at least 0.
    steps : float (n - 1,)
        Differences of neighbouring values, in the unit of `values`.
    trust : float (n - 1,)
        Weights of the steps, at least 0.
    stiffness : float
        Weight of the acceleration, at least 0.

    Returns
    -------
    float64 (n,)
        x, in the unit of `values`.

    References
    ----------
    Whittaker, 1923.
    Eilers, "A perfect smoother", 2003.
    """
    from scipy.linalg import solveh_banded  # slow to import; a pair reads its clip's trajectory and smooths none

    n = len(values)
    if n == 1:
        return values.astype(float).copy()
    current, scaled = values.astype(float), weight.astype(float)
    first = np.diff(np.eye(n), axis=0)
    second = np.diff(first, axis=0)
    bend = np.diff(np.where(trust > 0, steps, 0))
    base = first.T @ (trust[:, None] * first) + stiffness * second.T @ second
    base += 1e-9 * (np.eye(n) + 1e3 * second.T @ second)
    pull = first.T @ (trust * steps) + stiffness * second.T @ bend
    for _ in range(6):
        current = solveh_banded(_banded(base + np.diag(scaled)), pull + scaled * values)
        error = np.abs(current - values)
        used = error[weight > 0]
        limit = max(3 * 1.48 * float(np.median(used)), 1e-3) if len(used) else 1.0
        scaled = weight * np.minimum(1, limit / np.maximum(error, 1e-12)) ** 2
    return current


def _banded(matrix: Array) -> Array:
    """Upper bands of a symmetric pentadiagonal matrix, as LAPACK wants them."""
    n = len(matrix)
    bands = np.zeros((3, n))
    for offset in range(min(3, n)):
        bands[2 - offset, offset:] = np.diagonal(matrix, offset)
    return bands


def _observed(boxes: Sequence[Box | None], frame: tuple[int, int]) -> tuple[Array, Array, Array]:
    """Weights (n,), centres (n, 2) and sizes (n, 2) of the boxes, interpolated with weight 0 where there is none."""
    seen = [index for index, box in enumerate(boxes) if box is not None]
    table = np.array([boxes[index] for index in seen], float)
    every = np.stack([np.interp(np.arange(len(boxes)), seen, table[:, side]) for side in range(4)], 1)
    cut = (every[:, 0] <= 0) | (every[:, 1] <= 0) | (every[:, 2] >= frame[0]) | (every[:, 3] >= frame[1])
    weight = np.zeros(len(boxes))
    weight[seen] = 1
    if not cut[seen].all():
        weight *= np.where(cut, _EDGE_TRUST, 1)
    return weight, (every[:, :2] + every[:, 2:]) / 2, np.maximum(every[:, 2:] - every[:, :2], 1)


def _reference(sizes: Array, weight: Array) -> int:
    """The frame at the upper quartile of the sizes among the best seen: whole, and not an outlier."""
    best = np.flatnonzero(weight == weight.max())
    order = best[np.argsort(sizes[best].prod(1), kind="stable")]
    return int(order[(3 * (len(order) - 1)) // 4])


def _minmod(logs: Array) -> Array:
    """Change of scale that both sides agree on: turning or half hiding a product changes one side only."""
    x, y = logs[:, 0], logs[:, 1]
    return np.where(x * y > 0, np.sign(x) * np.minimum(np.abs(x), np.abs(y)), 0)

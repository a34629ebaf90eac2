"""Motion of the camera, from corners of the scene.

Points are float (n, 2), (x, y) in px; transforms are 3 x 3 and map column vectors (x, y, 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pvtt.imaging.geometry import apply, dilated, robust_similarity
from pvtt.io.arrays import AnyArray, BoolArray, Float32Array, Float64Array, UInt8Array

_MIN_POINTS = 12  # smallest number of points for an estimate of the camera's motion
_MIN_SPREAD = 0.4  # smallest extent of the inliers along an axis, relative to the frame
_BETTER = 0.92  # largest ratio of changed pixels after and before alignment at which the alignment is used


def camera_motion(grays: Sequence[UInt8Array], covered: Sequence[BoolArray], reference: int) -> Float64Array:
    """Estimate the motion of the camera from corners of the scene.

    Corners of an anchor frame are tracked by pyramidal Lucas-Kanade with a forward-backward check. A similarity is
    fitted by RANSAC, or a homography if it explains clearly more points. When too few points are left, a later frame
    becomes the anchor. Hands and rotating products move in front of a still camera. The camera is therefore taken as
    still if many corners keep their position, if the corners are few or close together, or if alignment does not reduce
    the difference between frames.

    Parameters
    ----------
    grays : sequence of uint8 (h, w)
        Grey frames.
    covered : sequence of bool (h, w)
        Pixels that do not belong to the scene.
    reference : int
        Index of the reference frame.

    Returns
    -------
    float64 (n, 3, 3)
        Maps points of each frame to the reference frame; identities for a still camera.
    """
    still = np.tile(np.eye(3), (len(grays), 1, 1))
    corners = _corners(grays[reference], covered[reference])
    if _is_still(grays, covered, reference, corners):
        return still
    motion = still.copy()
    for frames in (range(reference + 1, len(grays)), range(reference - 1, -1, -1)):
        anchor, tracked, last, previous = reference, corners, np.eye(3), reference
        for index in frames:
            found, kept = _relative_motion(grays, covered, anchor, index, tracked, last)
            if kept < 0.4 * len(tracked) and previous != anchor:
                anchor, tracked = previous, _corners(grays[previous], covered[previous])
                found, _ = _relative_motion(grays, covered, anchor, index, tracked, np.eye(3))
            last, previous = found, index
            motion[index] = motion[anchor] @ np.linalg.inv(found)
    return motion if _fits_better(grays, covered, reference, motion) else still


def _corners(gray: UInt8Array, covered: BoolArray, cells: int = 4) -> Float32Array:
    """Corners of the uncovered scene, float32 (k, 2); per cell of a grid, so that parts of low contrast have some."""
    free = (~dilated(covered, 4)).astype(np.uint8)
    height, width = gray.shape
    found = [np.zeros((0, 2), np.float32)]
    for top, bottom in zip(*_cells(height, cells), strict=True):
        for left, right in zip(*_cells(width, cells), strict=True):
            part = np.s_[top:bottom, left:right]
            corners = cv2.goodFeaturesToTrack(gray[part], 25, 0.02, 7, mask=free[part], blockSize=5)
            if corners is not None:
                found.append(corners[:, 0] + np.array([left, top], np.float32))
    return np.concatenate(found)


def _cells(length: int, cells: int) -> tuple[list[int], list[int]]:
    edges = [round(cell * length / cells) for cell in range(cells + 1)]
    return edges[:-1], edges[1:]


def _track_with_check(
    grays: Sequence[UInt8Array],
    covered: Sequence[BoolArray],
    anchor: int,
    index: int,
    corners: Float32Array,
    guess: AnyArray,
) -> tuple[Float32Array, BoolArray]:
    """Corners of the anchor in frame `index`, float32 (k, 2), and which of them are reliable, bool (k,)."""
    positions, found = _track(grays[anchor], grays[index], corners, apply(guess, corners).astype(np.float32))
    back, _ = _track(grays[index], grays[anchor], positions, corners)
    height, width = grays[index].shape
    reliable = (positions >= 0).all(1) & (positions[:, 0] <= width - 1) & (positions[:, 1] <= height - 1)
    reliable &= (found[:, 0] > 0) & (np.linalg.norm(back - corners, axis=1) < 0.5)
    at = np.clip(np.rint(positions), 0, [width - 1, height - 1]).astype(int)
    return positions, reliable & ~covered[index][at[:, 1], at[:, 0]]


def _track(
    first: UInt8Array, second: UInt8Array, points: Float32Array, guess: Float32Array
) -> tuple[Float32Array, UInt8Array]:
    """Pyramidal Lucas-Kanade from a guess: the points in the second frame, and which of them were found."""
    positions, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points, guess.copy(), winSize=(21, 21), maxLevel=3, flags=cv2.OPTFLOW_USE_INITIAL_FLOW
    )
    return positions, found


def _is_still(grays: Sequence[UInt8Array], covered: Sequence[BoolArray], reference: int, corners: Float32Array) -> bool:
    """Whether, in most of the sampled frames, a third of the tracked corners has not moved."""
    if len(corners) < _MIN_POINTS:
        return True
    votes = []
    for index in np.unique(np.linspace(0, len(grays) - 1, 9).round().astype(int)):
        positions, reliable = _track_with_check(grays, covered, reference, int(index), corners, np.eye(3))
        if index != reference and reliable.sum() >= _MIN_POINTS:
            votes.append((np.linalg.norm(positions - corners, axis=1)[reliable] < 0.5).mean() > 1 / 3)
    return bool(votes) and float(np.mean(votes)) > 0.6


def _relative_motion(
    grays: Sequence[UInt8Array],
    covered: Sequence[BoolArray],
    anchor: int,
    index: int,
    corners: Float32Array,
    guess: Float64Array,
) -> tuple[Float64Array, int]:
    """Transform from the anchor to frame `index` and the number of its inliers; `guess` and 0 if they are too few."""
    if len(corners) < _MIN_POINTS:
        return guess, 0
    positions, reliable = _track_with_check(grays, covered, anchor, index, corners, guess)
    source, target = corners[reliable], positions[reliable]
    simple, inliers = robust_similarity(source, target, 1.0)
    spread = np.ptp(source[inliers], axis=0) / grays[index].shape[::-1] if inliers.any() else np.zeros(2)
    if simple is None or inliers.sum() < _MIN_POINTS or spread.max() < _MIN_SPREAD:
        return guess, 0
    if inliers.sum() >= 30:
        general, flagged = cv2.findHomography(source, target, cv2.RANSAC, 1.0)
        if general is not None and flagged.sum() > 1.15 * inliers.sum():
            return general, int(flagged.sum())
    return simple, int(inliers.sum())


def _fits_better(
    grays: Sequence[UInt8Array], covered: Sequence[BoolArray], reference: int, motion: Float64Array
) -> bool:
    """Whether, over sampled frames, alignment clearly reduces the number of pixels that differ from the reference."""
    before = after = 0.0
    height, width = grays[reference].shape
    base = grays[reference].astype(np.float32)
    for index in np.unique(np.linspace(0, len(grays) - 1, 9).round().astype(int)):
        free = (~(covered[reference] | covered[index])).astype(np.uint8)
        moved = cv2.warpPerspective(grays[index], motion[index], (width, height)).astype(np.float32)
        shared = (cv2.warpPerspective(free, motion[index], (width, height)) > 0) & (free > 0)
        if shared.any():
            before += float((np.abs(grays[index] - base)[shared] > 6).mean())
            after += float((np.abs(moved - base)[shared] > 6).mean())
    return after < _BETTER * before

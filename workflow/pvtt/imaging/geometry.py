"""Similarity transforms, boxes, dilation and camera motion.

Points are float (n, 2), (x, y) in px; the centre of the top left pixel is (0, 0). Boxes are (x0, y0, x1, y1) in px; x1
and y1 are exclusive. Transforms are 3 x 3 and map column vectors (x, y, 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, Float32Array, Float64Array, UInt8Array

_MIN_POINTS = 12  # smallest number of points for an estimate of the camera's motion
_MIN_SPREAD = 0.4  # smallest extent of the inliers along an axis, relative to the frame
_BETTER = 0.92  # largest ratio of changed pixels after and before alignment at which the alignment is used


def similarity(
    scale: float, angle: float, shift: tuple[float, float], centre: tuple[float, float] = (0, 0)
) -> Float64Array:
    """Similarity transform: scaling and rotation about a centre, then a translation.

    Parameters
    ----------
    scale : float
    angle : float
        Radians, from x towards y.
    shift, centre : (x, y)
        px

    Returns
    -------
    float64 (3, 3)
    """
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x, y = centre
    return np.array(
        [
            [cos, -sin, x - cos * x + sin * y + shift[0]],
            [sin, cos, y - sin * x - cos * y + shift[1]],
            [0, 0, 1],
        ]
    )


def scale_and_angle(transform: AnyArray) -> tuple[float, float]:
    """Scale and angle of a similarity transform.

    Parameters
    ----------
    transform : float (3, 3)

    Returns
    -------
    scale, angle : float
        The angle in radians, from x towards y.
    """
    return float(np.hypot(transform[0, 0], transform[1, 0])), float(np.arctan2(transform[1, 0], transform[0, 0]))


def apply(transform: AnyArray, points: AnyArray) -> Float64Array:
    """Map points by a transform, with perspective division.

    Parameters
    ----------
    transform : float (3, 3)
    points : float (n, 2)

    Returns
    -------
    float64 (n, 2)
    """
    mapped = np.c_[np.asarray(points, float).reshape(-1, 2), np.ones(len(points))] @ transform.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def fit_similarity(source: AnyArray, target: AnyArray) -> Float64Array:
    """Fit a similarity transform without reflection by least squares.

    Parameters
    ----------
    source, target : float (n, 2), n >= 2

    Returns
    -------
    float64 (3, 3)
        Maps `source` to `target`.

    References
    ----------
    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", PAMI 1991.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    mean_s, mean_t = source.mean(0), target.mean(0)
    s, t = source - mean_s, target - mean_t
    spread = float((s**2).sum())
    if spread < 1e-12:
        return similarity(1.0, 0.0, tuple(mean_t - mean_s))
    cos = float((s * t).sum()) / spread
    sin = float((s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]).sum()) / spread
    rotation = np.array([[cos, -sin], [sin, cos]])
    result = np.eye(3)
    result[:2, :2], result[:2, 2] = rotation, mean_t - rotation @ mean_s
    return result


def robust_similarity(
    source: AnyArray, target: AnyArray, tolerance_px: float = 2.0
) -> tuple[Float64Array | None, BoolArray]:
    """Fit a similarity transform by RANSAC, then by least squares to the inliers.

    Parameters
    ----------
    source, target : float (n, 2)
    tolerance_px : float
        Largest reprojection error of an inlier, px.

    Returns
    -------
    transform : float64 (3, 3) or None
        None if no transform was found.
    inliers : bool (n,)
    """
    inliers = np.zeros(len(source), bool)
    if len(source) < 2:
        return None, inliers
    found, flags = cv2.estimateAffinePartial2D(
        np.asarray(source, np.float64), np.asarray(target, np.float64), ransacReprojThreshold=tolerance_px
    )
    if found is None:
        return None, inliers
    inliers = flags[:, 0].astype(bool)
    return fit_similarity(np.asarray(source)[inliers], np.asarray(target)[inliers]), inliers


def box_of(mask: AnyArray) -> tuple[int, int, int, int] | None:
    """Bounding box of a mask.

    Parameters
    ----------
    mask : bool (h, w)

    Returns
    -------
    (x0, y0, x1, y1) in px, or None for an empty mask
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_mask(box: tuple[float, float, float, float] | None, shape: tuple[int, ...]) -> BoolArray:
    """Mask of the pixels that a box touches.

    Parameters
    ----------
    box : (x0, y0, x1, y1) in px, or None
    shape : tuple of int
        (h, w) of the mask.

    Returns
    -------
    bool (h, w)
        Empty for None.
    """
    mask = np.zeros(shape, bool)
    if box is not None:
        x0, y0 = (max(0, int(np.floor(side))) for side in box[:2])
        x1, y1 = (max(0, int(np.ceil(side))) for side in box[2:])
        mask[y0:y1, x0:x1] = True
    return mask


def padded_box(box: tuple[int, int, int, int], pad: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Grow a box by `pad` px on each side, and clip it to a frame of `width` x `height` px."""
    return max(0, box[0] - pad), max(0, box[1] - pad), min(width, box[2] + pad), min(height, box[3] + pad)


def disc(radius: int) -> UInt8Array:
    """Disc of `radius` px as a structuring element, uint8 (2 radius + 1, 2 radius + 1)."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def dilated(mask: BoolArray, radius: int) -> BoolArray:
    """Dilate a mask by a Euclidean disc, by the distance transform; the time does not depend on the radius.

    Parameters
    ----------
    mask : bool (h, w)
    radius : int
        px

    Returns
    -------
    bool (h, w)
    """
    if radius <= 0 or not mask.any():
        return mask.copy()
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius)


def closed(mask: BoolArray, radius: int) -> BoolArray:
    """Morphological closing of a mask by a disc; it fills gaps that are narrower than the diameter.

    Parameters
    ----------
    mask : bool (h, w)
    radius : int
        px

    Returns
    -------
    bool (h, w)
    """
    if radius <= 0 or not mask.any():
        return mask.copy()
    padded = np.pad(mask, radius + 1)
    return ~dilated(~dilated(padded, radius), radius)[radius + 1 : -radius - 1, radius + 1 : -radius - 1]


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

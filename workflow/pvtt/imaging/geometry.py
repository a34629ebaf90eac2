"""Similarity transforms, boxes and the camera's motion: the geometry that stages share.

Points are float (n, 2) as (x, y) in pixels, the centre of the top left pixel at (0, 0). Boxes are [x0, y0, x1, y1] in
pixels, x1 and y1 exclusive. Transforms are 3 x 3 and map column vectors (x, y, 1).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Array = np.ndarray

_MIN_POINTS = 12
_MIN_SPREAD = 0.4
_BETTER = 0.92


def similarity(scale: float, angle: float, shift: tuple[float, float], centre: tuple[float, float] = (0, 0)) -> Array:
    """Transform that scales and turns (`angle` in radians, x towards y) about `centre`, then moves by `shift`."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    x, y = centre
    return np.array(
        [
            [cos, -sin, x - cos * x + sin * y + shift[0]],
            [sin, cos, y - sin * x - cos * y + shift[1]],
            [0, 0, 1],
        ]
    )


def scale_and_angle(transform: Array) -> tuple[float, float]:
    """Scale and angle (radians, x towards y) of a similarity."""
    return float(np.hypot(transform[0, 0], transform[1, 0])), float(np.arctan2(transform[1, 0], transform[0, 0]))


def apply(transform: Array, points: Array) -> Array:
    """Map points (n, 2) by a 3 x 3 transform, perspective included."""
    mapped = np.c_[np.asarray(points, float).reshape(-1, 2), np.ones(len(points))] @ transform.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:])


def fit_similarity(source: Array, target: Array) -> Array:
    """Least-squares similarity that maps `source` to `target` (n, 2), n >= 2 (Umeyama 1991, without reflection)."""
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


def robust_similarity(source: Array, target: Array, tolerance_px: float = 2.0) -> tuple[Array | None, Array]:
    """Similarity by RANSAC and a least-squares fit of its inliers: (transform or None, inliers bool (n,))."""
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


def box_of(mask: Array) -> tuple[int, int, int, int] | None:
    """Box of the set pixels of a bool (h, w) mask, or None when there are none."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_mask(box: tuple[float, float, float, float] | None, shape: tuple[int, ...]) -> Array:
    """Bool (h, w): the pixels that a box (x0, y0, x1, y1) touches; none for None."""
    mask = np.zeros(shape, bool)
    if box is not None:
        x0, y0 = (max(0, int(np.floor(side))) for side in box[:2])
        x1, y1 = (max(0, int(np.ceil(side))) for side in box[2:])
        mask[y0:y1, x0:x1] = True
    return mask


def padded_box(box: tuple[int, int, int, int], pad: int, width: int, height: int) -> tuple[int, int, int, int]:
    """A box grown by `pad` pixels on each side, inside a frame of `width` x `height`."""
    return max(0, box[0] - pad), max(0, box[1] - pad), min(width, box[2] + pad), min(height, box[3] + pad)


def disc(radius: int) -> Array:
    """Structuring element: a disc of `radius` pixels."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)))


def dilated(mask: Array, radius: int) -> Array:
    """Bool mask grown by `radius` pixels (Euclidean), in time that does not depend on the radius."""
    if radius <= 0 or not mask.any():
        return mask.copy()
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance <= radius)


def closed(mask: Array, radius: int) -> Array:
    """Morphological closing of a bool mask by a disc of `radius` pixels: gaps narrower than its diameter are filled."""
    if radius <= 0 or not mask.any():
        return mask.copy()
    padded = np.pad(mask, radius + 1)
    return ~dilated(~dilated(padded, radius), radius)[radius + 1 : -radius - 1, radius + 1 : -radius - 1]


def camera_motion(grays: Sequence[Array], covered: Sequence[Array], reference: int) -> Array:
    """Transforms float64 (n, 3, 3) of each frame's points to the frame `reference`, from the scene's own features.

    `grays` are uint8 (h, w) frames, `covered` bool (h, w) what does not belong to the scene. Corners of an anchor frame
    are followed by pyramidal Lucas-Kanade, checked forward and backward, and a similarity (or, where it explains
    clearly more points, a homography) is fitted by RANSAC; the anchor moves on when too few of its points are left.
    Hands and turning things move before a still camera, so the camera counts as still when a good part of the features
    stays in its place, when the features are few or lie close together, and when frames fit no better once aligned.
    """
    still = np.tile(np.eye(3), (len(grays), 1, 1))
    corners = _corners(grays[reference], covered[reference])
    if _stands_still(grays, covered, reference, corners):
        return still
    motion = still.copy()
    for frames in (range(reference + 1, len(grays)), range(reference - 1, -1, -1)):
        anchor, followed, last, previous = reference, corners, np.eye(3), reference
        for index in frames:
            found, kept = _relative_motion(grays, covered, anchor, index, followed, last)
            if kept < 0.4 * len(followed) and previous != anchor:
                anchor, followed = previous, _corners(grays[previous], covered[previous])
                found, _ = _relative_motion(grays, covered, anchor, index, followed, np.eye(3))
            last, previous = found, index
            motion[index] = motion[anchor] @ np.linalg.inv(found)
    return motion if _fits_better(grays, covered, reference, motion) else still


def _corners(gray: Array, covered: Array, cells: int = 4) -> Array:
    """Corners of the uncovered scene, float32 (k, 2): the best of each cell, so that faint parts have theirs too."""
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


def _followed(
    grays: Sequence[Array], covered: Sequence[Array], anchor: int, index: int, corners: Array, guess: Array
) -> tuple[Array, Array]:
    """Corners of the anchor in frame `index`, float32 (k, 2), and which of them are sure, bool (k,)."""
    there, found = _follow(grays[anchor], grays[index], corners, apply(guess, corners).astype(np.float32))
    back, _ = _follow(grays[index], grays[anchor], there, corners)
    height, width = grays[index].shape
    sure = (there >= 0).all(1) & (there[:, 0] <= width - 1) & (there[:, 1] <= height - 1)
    sure &= (found[:, 0] > 0) & (np.linalg.norm(back - corners, axis=1) < 0.5)
    at = np.clip(np.rint(there), 0, [width - 1, height - 1]).astype(int)
    return there, sure & ~covered[index][at[:, 1], at[:, 0]]


def _follow(first: Array, second: Array, points: Array, guess: Array) -> tuple[Array, Array]:
    """Pyramidal Lucas-Kanade from a guess: where the points are in the second frame, and which were found."""
    there, found, _ = cv2.calcOpticalFlowPyrLK(
        first, second, points, guess.copy(), winSize=(21, 21), maxLevel=3, flags=cv2.OPTFLOW_USE_INITIAL_FLOW
    )
    return there, found


def _stands_still(grays: Sequence[Array], covered: Sequence[Array], reference: int, corners: Array) -> bool:
    """Whether, in most of some sampled frames, a third of the features that can be followed is where it was."""
    if len(corners) < _MIN_POINTS:
        return True
    votes = []
    for index in np.unique(np.linspace(0, len(grays) - 1, 9).round().astype(int)):
        there, sure = _followed(grays, covered, reference, int(index), corners, np.eye(3))
        if index != reference and sure.sum() >= _MIN_POINTS:
            votes.append((np.linalg.norm(there - corners, axis=1)[sure] < 0.5).mean() > 1 / 3)
    return bool(votes) and float(np.mean(votes)) > 0.6


def _relative_motion(
    grays: Sequence[Array], covered: Sequence[Array], anchor: int, index: int, corners: Array, guess: Array
) -> tuple[Array, int]:
    """Transform from the anchor's points to frame `index`'s and how many points carry it; `guess` if they are few."""
    if len(corners) < _MIN_POINTS:
        return guess, 0
    there, sure = _followed(grays, covered, anchor, index, corners, guess)
    source, target = corners[sure], there[sure]
    simple, inliers = robust_similarity(source, target, 1.0)
    spread = np.ptp(source[inliers], axis=0) / grays[index].shape[::-1] if inliers.any() else np.zeros(2)
    if simple is None or inliers.sum() < _MIN_POINTS or spread.max() < _MIN_SPREAD:
        return guess, 0
    if inliers.sum() >= 30:
        general, flagged = cv2.findHomography(source, target, cv2.RANSAC, 1.0)
        if general is not None and flagged.sum() > 1.15 * inliers.sum():
            return general, int(flagged.sum())
    return simple, int(inliers.sum())


def _fits_better(grays: Sequence[Array], covered: Sequence[Array], reference: int, motion: Array) -> bool:
    """Whether, over sampled frames, alignment makes the scene differ from the reference in clearly fewer places."""
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

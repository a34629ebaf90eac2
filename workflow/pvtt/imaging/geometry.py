"""Similarity transforms, boxes and dilation.

Points are float (n, 2), (x, y) in px; the centre of the top left pixel is (0, 0). Boxes are (x0, y0, x1, y1) in px; x1
and y1 are exclusive. Transforms are 3 x 3 and map column vectors (x, y, 1).
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, Float64Array, UInt8Array


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

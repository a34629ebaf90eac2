"""Metrics of masks (region, boundary, position, size) and of alpha mattes."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.io.arrays import AnyArray, BoolArray, UInt8Array

_TOLERANCE = 0.008  # of the frame's diagonal; the default of DAVIS


def mask_iou(a: AnyArray, b: AnyArray) -> float:
    """Intersection over union; on the masks of a frame, the region similarity J of DAVIS.

    Parameters
    ----------
    a, b : bool, one shape

    Returns
    -------
    float in [0, 1]
        1 for two empty masks.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Perazzi et al., "A benchmark dataset and evaluation methodology for video object segmentation", CVPR 2016.
    """
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape:
        raise ValueError(f"IoU needs masks of one shape, not {a.shape} and {b.shape}")
    union = int(np.count_nonzero(a | b))
    return 1.0 if union == 0 else int(np.count_nonzero(a & b)) / union


def base_band(mask: AnyArray, truth: AnyArray) -> float | None:
    """Share of a cut-out's foot that is not product: the ground's shadow, which IoU hardly shows.

    Parameters
    ----------
    mask, truth : bool (h, w)
        The cut-out and the true product.

    Returns
    -------
    float in [0, 1] or None
        Of the mask's pixels from the lowest eighth of the true product's height downwards; None where it has none there
        or the truth is empty.
    """
    mask, truth = np.asarray(mask, bool), np.asarray(truth, bool)
    rows = np.flatnonzero(truth.any(axis=1))
    if not len(rows):
        return None
    first = int(rows[-1]) - (int(rows[-1]) - int(rows[0])) // 8
    foot = mask[first:]
    return float((foot & ~truth[first:]).sum() / foot.sum()) if foot.any() else None


def boundary_f(result: AnyArray, truth: AnyArray, tolerance: float = _TOLERANCE) -> float:
    """Boundary measure F of DAVIS: F1 of the contour pixels (one-pixel `seg2bmap` of the DAVIS 2017 evaluation).

    Parameters
    ----------
    result, truth : bool (h, w)
    tolerance : float
        Largest distance of matching contour pixels, relative to the diagonal of the frame; rounded up to pixels.

    Returns
    -------
    float in [0, 1]
        1 for two empty masks.

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Perazzi et al., "A benchmark dataset and evaluation methodology for video object segmentation", CVPR 2016.
    """
    result, truth = np.asarray(result, bool), np.asarray(truth, bool)
    if result.shape != truth.shape:
        raise ValueError(f"boundary F needs masks of one shape, not {result.shape} and {truth.shape}")
    contours = _contour(result), _contour(truth)
    counts = [int(contour.sum()) for contour in contours]
    if not all(counts):
        return float(counts[0] == counts[1])
    radius = int(np.ceil(tolerance * np.linalg.norm(result.shape)))
    near = [_near(contour, radius) for contour in contours]
    precision = float((contours[0] & near[1]).sum()) / counts[0]
    recall = float((contours[1] & near[0]).sum()) / counts[1]
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def presence_accuracy(result: AnyArray, truth: AnyArray) -> float:
    """Share of the frames in which two masks agree whether the object is visible.

    Parameters
    ----------
    result, truth : bool (n, h, w)

    Returns
    -------
    float in [0, 1]
    """
    return float((np.asarray(result).any((1, 2)) == np.asarray(truth).any((1, 2))).mean())


def alpha_error(result: UInt8Array, truth: UInt8Array) -> dict[str, float]:
    """Errors of an alpha matte over all pixels.

    Parameters
    ----------
    result, truth : uint8 (h, w)
        Alpha, 0 to 255.

    Returns
    -------
    dict
        `sad` (sum of absolute differences / 1000), `mse` and `mae`, of alphas scaled to [0, 1].

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Rhemann et al., "A perceptually motivated online benchmark for image matting", CVPR 2009.
    """
    if result.shape != truth.shape:
        raise ValueError(f"alphas need one shape, not {result.shape} and {truth.shape}")
    difference = (result.astype(np.float64) - truth.astype(np.float64)) / 255
    size = np.abs(difference)
    return {"sad": float(size.sum()) / 1000, "mse": float((difference**2).mean()), "mae": float(size.mean())}


def position_error(result: AnyArray, truth: AnyArray) -> float:
    """Distance of the centroids of two masks, relative to the diagonal of the true box.

    Parameters
    ----------
    result, truth : bool (h, w), not empty

    Returns
    -------
    float
    """
    rows, columns = np.nonzero(truth)
    diagonal = float(np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1))
    centres = [np.array([c.mean() for c in np.nonzero(mask)]) for mask in (result, truth)]
    return float(np.linalg.norm(centres[0] - centres[1])) / diagonal


def scale_error(result: AnyArray, truth: AnyArray) -> float:
    """Difference in size of two masks: |log2(area ratio)| / 2.

    Parameters
    ----------
    result, truth : bool, not empty

    Returns
    -------
    float
        0 for equal areas, 1 if the sides are twice (or half) as long.
    """
    return abs(float(np.log2(np.count_nonzero(result) / np.count_nonzero(truth)))) / 2


def _contour(mask: BoolArray) -> BoolArray:
    """Pixels whose right, lower or lower right neighbour has another value (`seg2bmap`)."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def _near(contour: BoolArray, radius: int) -> BoolArray:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.uint8)
    near: UInt8Array = cv2.dilate(contour.astype(np.uint8), disc)
    return near > 0

"""Measures between regions: masks, their boundaries, place and size, and the alpha of cut-outs."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

Array = np.ndarray

_TOLERANCE = 0.008  # of the frame's diagonal


def mask_iou(a: Array, b: Array) -> float:
    """Intersection over union of two bool masks of one shape, 0 to 1; two empty masks agree fully (1.0).

    On a frame's masks this is the region similarity J of DAVIS (Perazzi et al., CVPR 2016).
    """
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape:
        raise ValueError(f"IoU needs masks of one shape, not {a.shape} and {b.shape}")
    union = int(np.count_nonzero(a | b))
    return 1.0 if union == 0 else int(np.count_nonzero(a & b)) / union


def boundary_f(result: Array, truth: Array, tolerance: float = _TOLERANCE) -> float:
    """Boundary measure F of DAVIS, 0 to 1: F1 of the contour pixels of two bool (h, w) masks.

    A contour pixel is right when the other contour has one within `tolerance` of the frame's diagonal, rounded up to
    pixels (Perazzi et al., CVPR 2016; contours by the one-pixel `seg2bmap` of the DAVIS 2017 evaluation). Two empty
    masks give 1.
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


def presence_accuracy(result: Array, truth: Array) -> float:
    """Share of the frames of two bool (n, h, w) masks that agree on whether there is anything to see."""
    return float((np.asarray(result).any((1, 2)) == np.asarray(truth).any((1, 2))).mean())


def alpha_error(result: Array, truth: Array) -> dict[str, Any]:
    """Errors of an alpha matte: `sad` (sum / 1000), `mse` and `mae` (means) of alphas as 0 to 1.

    Both uint8 (h, w), 0 to 255; over all pixels (Rhemann et al., CVPR 2009, and its usual scales).
    """
    if result.shape != truth.shape:
        raise ValueError(f"alphas need one shape, not {result.shape} and {truth.shape}")
    difference = (result.astype(np.float64) - truth.astype(np.float64)) / 255
    size = np.abs(difference)
    return {"sad": float(size.sum()) / 1000, "mse": float((difference**2).mean()), "mae": float(size.mean())}


def position_error(result: Array, truth: Array) -> float:
    """Distance of the centroids of two bool (h, w) masks, over the diagonal of the true one's box."""
    rows, columns = np.nonzero(truth)
    diagonal = float(np.hypot(np.ptp(rows) + 1, np.ptp(columns) + 1))
    centres = [np.array([c.mean() for c in np.nonzero(mask)]) for mask in (result, truth)]
    return float(np.linalg.norm(centres[0] - centres[1])) / diagonal


def scale_error(result: Array, truth: Array) -> float:
    """How far two bool masks differ in size: |log2 of the ratio of their areas| / 2, 1 for sides twice as long."""
    return abs(float(np.log2(np.count_nonzero(result) / np.count_nonzero(truth)))) / 2


def _contour(mask: Array) -> Array:
    """Pixels whose right, lower or lower right neighbour is on the other side (`seg2bmap`)."""
    edge = np.zeros_like(mask)
    edge[:, :-1] |= mask[:, :-1] ^ mask[:, 1:]
    edge[:-1] |= mask[:-1] ^ mask[1:]
    edge[:-1, :-1] |= mask[:-1, :-1] ^ mask[1:, 1:]
    return edge


def _near(contour: Array, radius: int) -> Array:
    rows, columns = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = (rows**2 + columns**2 <= radius**2).astype(np.uint8)
    near: Array = cv2.dilate(contour.astype(np.uint8), disc)
    return near > 0

"""Holes and components of the mask of a cut-out."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from pvtt.imaging.morphology import components


def holes(mask: np.ndarray) -> Iterator[tuple[tuple[slice, slice], np.ndarray]]:
    """Enclosed regions outside a mask.

    Parameters
    ----------
    mask : bool (h, w)

    Yields
    ------
    window : (slice, slice)
        Rows and columns of the region.
    inside : bool
        Mask of the region inside the window.
    """
    parts = components(~mask, 4)
    labels = parts.labels
    height, width = mask.shape
    for x, y, w, h in parts.boxes[1:]:
        if x > 0 and y > 0 and x + w < width and y + h < height:
            window = np.s_[y : y + h, x : x + w]
            values, counts = np.unique(labels[window][~mask[window]], return_counts=True)
            yield window, labels[window] == values[counts.argmax()]


def fill_unlike_holes(mask: np.ndarray, lab: np.ndarray) -> np.ndarray:
    """Fill enclosed regions (labels, highlights) whose colour does not occur outside the product nearby.

    Parameters
    ----------
    mask : bool (h, w)
    lab : float32 (h, w, 3)
        The photo in CIE Lab.

    Returns
    -------
    bool (h, w)
    """
    filled = mask.copy()
    outside_mask = ~mask
    for window, inside in holes(mask):
        outside_mask[window] &= ~inside
    for (rows, columns), inside in holes(mask):
        margin = max(10, inside.shape[0], inside.shape[1])
        surroundings = np.s_[
            max(0, rows.start - margin) : rows.stop + margin, max(0, columns.start - margin) : columns.stop + margin
        ]
        outside = lab[surroundings][outside_mask[surroundings]]
        colour = np.median(lab[rows, columns][inside], axis=0)
        tiny = inside.sum() < 0.012 * mask.sum()
        if tiny or len(outside) < inside.sum() or (np.linalg.norm(outside - colour, axis=1) < 10).mean() < 0.05:
            filled[rows, columns] |= inside
    return filled


def main_components(mask: np.ndarray) -> np.ndarray:
    """Keep large components and small ones close to them (links of a chain), without distant specks and lettering.

    Parameters
    ----------
    mask : bool (h, w)

    Returns
    -------
    bool (h, w)
    """
    parts = components(mask, 8)
    if len(parts) < 2:
        return mask
    labels, areas = parts.labels, parts.areas.astype(float)
    areas[0] = 0
    large = areas >= 0.08 * areas.max()
    reach = 0.02 * float(np.hypot(*mask.shape))
    keep = large.copy()
    for _ in range(8):
        distance = cv2.distanceTransform((~keep[labels]).astype(np.uint8), cv2.DIST_L2, 5)
        close = np.unique(labels[(distance <= reach) & mask])
        grown = keep.copy()
        grown[close] = True
        grown &= areas >= max(6.0, 2e-4 * areas.max())
        if (grown == keep).all():
            break
        keep = grown
    return np.asarray(keep[labels])

"""Morphology of masks: connected components, convex hull, contours, overlap."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.io.arrays import AnyArray, BoolArray, Float32Array, Float64Array


def ring(mask: AnyArray, inner: int = 3, outer: int = 12) -> BoolArray:
    """Select the pixels around a mask.

    Parameters
    ----------
    mask : bool (h, w)
    inner, outer : int
        Distance from the mask in px: more than `inner`, at most `outer`.

    Returns
    -------
    bool (h, w)
    """
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray((distance > inner) & (distance <= outer))


def border_contact(mask: AnyArray) -> float:
    """Share of the contour of a mask that lies on the frame's border.

    Parameters
    ----------
    mask : bool (h, w)

    Returns
    -------
    float in [0, 1]
    """
    plane = mask.astype(np.uint8)
    inner = cv2.erode(plane, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    contour = (plane > 0) & (inner == 0)
    edge = np.zeros_like(mask)
    edge[0] = edge[-1] = True
    edge[:, 0] = edge[:, -1] = True
    return float((contour & edge).sum() / max(1, contour.sum()))


def tolerant_iou(first: BoolArray, second: BoolArray) -> float:
    """Intersection over union of two masks without differences of one pixel at the contours.

    Parameters
    ----------
    first, second : bool (h, w)

    Returns
    -------
    float in [0, 1]
        1 if both are empty.
    """
    kernel = np.ones((3, 3), np.uint8)
    wide = [cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in (first, second)]
    apart = (first & ~wide[1]).sum() + (second & ~wide[0]).sum()
    union = (first | second).sum()
    return float(1 - apart / union) if union else 1.0


@dataclass(frozen=True)
class Components:
    """Connected components of a mask; component 0 is the outside of the mask.

    labels: int32 (h, w). areas: int32 (count,), px. boxes: int32 (count, 4), left, top, width and height in px.
    centroids: float64 (count, 2), (x, y) in px.
    """

    labels: NDArray[np.int32]
    areas: NDArray[np.int32]
    boxes: NDArray[np.int32]
    centroids: Float64Array

    def __len__(self) -> int:
        return len(self.areas)

    def select(self, selected: BoolArray) -> BoolArray:
        """Select components.

        Parameters
        ----------
        selected : bool (count,)
            Which components; the entry of component 0 is ignored.

        Returns
        -------
        bool (h, w)
            Mask of the selected components.
        """
        table = selected.copy()
        table[0] = False
        return np.asarray(table[self.labels])

    def containing(self, pixels: BoolArray) -> BoolArray:
        """Which components contain a pixel of a mask.

        Parameters
        ----------
        pixels : bool (h, w)

        Returns
        -------
        bool (count,)
            False for component 0.
        """
        found = np.zeros(len(self), bool)
        found[np.unique(self.labels[pixels])] = True
        found[0] = False
        return found


def components(mask: AnyArray, connectivity: int) -> Components:
    """Label the connected components of a mask.

    Parameters
    ----------
    mask : bool or uint8 (h, w)
    connectivity : int
        4 or 8.

    Returns
    -------
    Components
    """
    _, labels, stats, centroids = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    return Components(labels, stats[:, cv2.CC_STAT_AREA], stats[:, : cv2.CC_STAT_AREA], centroids)


def flood(mask: BoolArray, seeds: BoolArray, connectivity: int) -> BoolArray:
    """Select the components of a mask that contain a seed pixel.

    Parameters
    ----------
    mask, seeds : bool (h, w)
    connectivity : int
        4 or 8.

    Returns
    -------
    bool (h, w)
    """
    parts = components(mask, connectivity)
    return parts.select(parts.containing(mask & seeds))


def remove_small_objects(mask: BoolArray, min_size: float, connectivity: int = 8) -> BoolArray:
    """Remove small components of a mask.

    Parameters
    ----------
    mask : bool (h, w)
    min_size : float
        Smallest area that is kept, px.
    connectivity : int
        4 or 8.

    Returns
    -------
    bool (h, w)
    """
    parts = components(mask, connectivity)
    return parts.select(parts.areas >= min_size)


def remove_small_objects_and_holes(mask: BoolArray, min_size: float) -> BoolArray:
    """Remove small components (8-connected) of a mask, then fill its small holes.

    Parameters
    ----------
    mask : bool (h, w)
    min_size : float
        Smallest area of a component or hole that is kept, px.

    Returns
    -------
    bool (h, w)
    """
    return ~remove_small_objects(~remove_small_objects(mask, min_size), min_size)


def largest_components(mask: BoolArray, share: float = 0.25, reach: float = 0.15) -> BoolArray:
    """Keep the largest component of a mask, components of similar size, and components close to it.

    Parameters
    ----------
    mask : bool (h, w)
    share : float
        Smallest area of a component that is kept, relative to the largest one.
    reach : float
        Largest distance of a smaller component that is kept, relative to the longer side of the largest one's box.

    Returns
    -------
    bool (h, w)
    """
    parts = components(mask, 8)
    if len(parts) <= 2:
        return mask
    areas = parts.areas.astype(float)
    areas[0] = 0
    largest = int(areas.argmax())
    extent = parts.boxes[largest, 2:].max()
    distance = cv2.distanceTransform((parts.labels != largest).astype(np.uint8), cv2.DIST_L2, 5)
    nearest = np.full(len(parts), np.inf)
    np.minimum.at(nearest, parts.labels.ravel(), distance.ravel())
    return parts.select((areas >= share * areas[largest]) | (nearest <= reach * extent))


def convex_hull(mask: AnyArray) -> BoolArray:
    """Convex hull of a mask.

    Parameters
    ----------
    mask : bool (h, w)

    Returns
    -------
    bool (h, w)
        Empty for an empty mask.
    """
    hull = np.zeros(mask.shape, np.uint8)
    pixels = cv2.findNonZero(mask.astype(np.uint8))
    if pixels is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(pixels), 1)
    return hull > 0


def signed_distance(mask: BoolArray) -> Float32Array:
    """Signed distance to the contour of a mask.

    Parameters
    ----------
    mask : bool (h, w)

    Returns
    -------
    float32 (h, w)
        px, positive inside the mask; -1000 everywhere for an empty mask.
    """
    if not mask.any():
        return np.full(mask.shape, -1e3, np.float32)
    plane = mask.astype(np.uint8)
    inside = cv2.distanceTransform(np.pad(plane, 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - plane, cv2.DIST_L2, 5)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32))

"""Morphology of masks: connected components, convex hull, contours, overlap."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

Array = np.ndarray


def ring(mask: Array, inner: int = 3, outer: int = 12) -> Array:
    """Surroundings of a mask between `inner` and `outer` px from it, bool."""
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    return np.asarray((distance > inner) & (distance <= outer))


def border_contact(mask: Array) -> float:
    """Share of a mask's contour that lies on the frame's border, 0 to 1."""
    plane = mask.astype(np.uint8)
    inner = cv2.erode(plane, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    contour = (plane > 0) & (inner == 0)
    edge = np.zeros_like(mask)
    edge[0] = edge[-1] = True
    edge[:, 0] = edge[:, -1] = True
    return float((contour & edge).sum() / max(1, contour.sum()))


def iou(first: Array, second: Array) -> float:
    """Intersection over union of two masks, 1 when both are empty."""
    union = (first | second).sum()
    return float((first & second).sum() / union) if union else 1.0


def tolerant_iou(first: Array, second: Array) -> float:
    """IoU of two masks for which differences within a pixel of a contour of theirs do not count."""
    kernel = np.ones((3, 3), np.uint8)
    wide = [cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in (first, second)]
    apart = (first & ~wide[1]).sum() + (second & ~wide[0]).sum()
    union = (first | second).sum()
    return float(1 - apart / union) if union else 1.0


@dataclass(frozen=True)
class Components:
    """Connected components of a mask; component 0 is what lies outside the mask.

    labels: int32 (h, w). areas: int32 (count,), px. boxes: int32 (count, 4), left, top, width and height in px.
    centroids: float64 (count, 2), (x, y) in px.
    """

    labels: Array
    areas: Array
    boxes: Array
    centroids: Array

    def __len__(self) -> int:
        return len(self.areas)

    def select(self, selected: Array) -> Array:
        """Mask, bool (h, w), of the components with a True in `selected`, bool (count,); never component 0."""
        table = selected.copy()
        table[0] = False
        return np.asarray(table[self.labels])

    def containing(self, pixels: Array) -> Array:
        """Which components contain a pixel of the mask `pixels`, bool (h, w); bool (count,), False for component 0."""
        found = np.zeros(len(self), bool)
        found[np.unique(self.labels[pixels])] = True
        found[0] = False
        return found


def components(mask: Array, connectivity: int) -> Components:
    """Connected components of a mask, bool or uint8 (h, w), with 4- or 8-connectivity."""
    _, labels, stats, centroids = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=connectivity)
    return Components(labels, stats[:, cv2.CC_STAT_AREA], stats[:, : cv2.CC_STAT_AREA], centroids)


def flood(mask: Array, seeds: Array, connectivity: int) -> Array:
    """The components of a mask that contain a seed pixel; all bool (h, w)."""
    parts = components(mask, connectivity)
    return parts.select(parts.containing(mask & seeds))


def remove_small_objects(mask: Array, min_size: float, connectivity: int = 8) -> Array:
    """The mask, bool (h, w), without components of fewer than `min_size` px."""
    parts = components(mask, connectivity)
    return parts.select(parts.areas >= min_size)


def remove_small_objects_and_holes(mask: Array, min_size: float) -> Array:
    """The mask, bool (h, w), without components and then without holes of fewer than `min_size` px (8-connected)."""
    return ~remove_small_objects(~remove_small_objects(mask, min_size), min_size)


def largest_components(mask: Array, share: float = 0.25, reach: float = 0.15) -> Array:
    """The largest component of a mask, bool (h, w), with components of similar size and components close to it.

    Parameters
    ----------
    mask : bool (h, w)
    share : float
        Smallest area of a component that is kept, relative to the largest one.
    reach : float
        Largest distance of a smaller component that is kept, relative to the longer side of the largest one's box.
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


def convex_hull(mask: Array) -> Array:
    """Convex hull of a mask, bool (h, w); empty for an empty mask."""
    hull = np.zeros(mask.shape, np.uint8)
    pixels = cv2.findNonZero(mask.astype(np.uint8))
    if pixels is not None:
        cv2.fillConvexPoly(hull, cv2.convexHull(pixels), 1)
    return hull > 0


def signed_distance(mask: Array) -> Array:
    """Distance to the mask's contour in px, positive inside, float32 (h, w); -inf-like (-1e3) for an empty mask."""
    if not mask.any():
        return np.full(mask.shape, -1e3, np.float32)
    plane = mask.astype(np.uint8)
    inside = cv2.distanceTransform(np.pad(plane, 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    outside = cv2.distanceTransform(1 - plane, cv2.DIST_L2, 5)
    return np.asarray(np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32))

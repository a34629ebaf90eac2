"""Morphology of masks."""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray


def ring(mask: Array, inner: int = 3, outer: int = 12) -> Array:
    """Surroundings of a mask between `inner` and `outer` px from it, bool."""
    distance = cv2.distanceTransform(1 - mask.astype(np.uint8), cv2.DIST_L2, 5)
    return (distance > inner) & (distance <= outer)


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

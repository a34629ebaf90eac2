"""Instances of a product that stay apart over a clip, such as two earrings, each with its own id.

Connected components of the key frame's mask are propagated to the neighbouring frames by the nearest label. Parts that
touch in more than a few frames are one object.
"""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.morphology import components

Array = np.ndarray

_MIN_AREA_SHARE = 0.15  # of the mask's area, for a part to be an object
_MAX_TOUCHING_SHARE = 0.2  # of the frames, in which two objects may touch
_MAX_OBJECTS = 4  # more parts than that are one object


def split_instances(masks: Array, key: int) -> Array:
    """Split masks into instances.

    Parameters
    ----------
    masks : bool (n, h, w)
    key : int
        Frame whose components define the instances.

    Returns
    -------
    bool (k, n, h, w)
    """
    key_labels = _label_parts(masks[key])
    count = int(key_labels.max())
    if count < 2 or count > _MAX_OBJECTS:
        return masks[None]
    labels = np.zeros(masks.shape, np.uint8)
    labels[key] = key_labels
    touching = 0
    for order in (range(key + 1, len(masks)), range(key - 1, -1, -1)):
        last = key_labels
        for number in order:
            propagated = _nearest_label(masks[number], last)
            touching += _objects_touch(masks[number], propagated)
            labels[number] = propagated
            last = propagated if len(np.unique(propagated)) == count + 1 else last
    if touching > _MAX_TOUCHING_SHARE * len(masks):
        return masks[None]
    planes = np.empty((count, *masks.shape), bool)
    for k in range(count):
        np.equal(labels, k + 1, out=planes[k])
    return planes


def _label_parts(mask: Array) -> Array:
    """Labels from 1 of the large components, uint8 (h, w), from left to right; small components join the nearest."""
    parts = components(mask, 8)
    large = [k for k in range(1, len(parts)) if parts.areas[k] >= _MIN_AREA_SHARE * mask.sum()]
    large.sort(key=lambda k: parts.centroids[k, 0])
    seeds = np.zeros(mask.shape, np.uint8)
    for number, k in enumerate(large, 1):
        seeds[parts.labels == k] = number
    return _nearest_label(mask, seeds) if large else seeds


def _nearest_label(mask: Array, labels: Array) -> Array:
    """Label of the nearest labelled pixel for every pixel of the mask; 0 outside the mask."""
    free = (labels == 0).astype(np.uint8)
    _, zones = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(int(zones.max()) + 1, np.uint8)
    table[zones[labels > 0]] = labels[labels > 0]
    return np.where(mask, table[zones], 0).astype(np.uint8)


def _objects_touch(mask: Array, labels: Array) -> bool:
    """Whether one connected component holds much of two objects."""
    parts = components(mask, 8)
    for part in range(1, len(parts)):
        sizes = np.bincount(labels[parts.labels == part], minlength=2)[1:]
        if (sizes > 0.2 * sizes.sum()).sum() > 1:
            return True
    return False

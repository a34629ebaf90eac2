"""Objects of a mask that stay apart over a clip, such as two earrings, each with its own id.

Connected parts of the key frame's mask are carried to the neighbouring frames by nearest label. Parts that touch in
more than a few frames are one object.
"""

from __future__ import annotations

import cv2
import numpy as np

Array = np.ndarray

_MIN_AREA_SHARE = 0.15  # of the mask, for a part to be an object
_MAX_TOUCHING_SHARE = 0.2  # share of the frames in which two objects may touch
_MAX_OBJECTS = 4


def split_instances(masks: Array, key: int) -> Array:
    """Split masks bool (n, h, w) into objects, bool (k, n, h, w), from the parts at frame `key`."""
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
    """Labels from 1 of the large connected parts, from left to right; small ones join the nearest."""
    count, labels, stats, centres = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    large = [k for k in range(1, count) if stats[k, cv2.CC_STAT_AREA] >= _MIN_AREA_SHARE * mask.sum()]
    large.sort(key=lambda k: centres[k, 0])
    seeds = np.zeros(mask.shape, np.uint8)
    for number, k in enumerate(large, 1):
        seeds[labels == k] = number
    return _nearest_label(mask, seeds) if large else seeds


def _nearest_label(mask: Array, labels: Array) -> Array:
    """Label of the nearest labelled pixel for every pixel of the mask; whole parts follow their majority."""
    free = (labels == 0).astype(np.uint8)
    _, zones = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(int(zones.max()) + 1, np.uint8)
    table[zones[labels > 0]] = labels[labels > 0]
    return np.where(mask, table[zones], 0).astype(np.uint8)


def _objects_touch(mask: Array, labels: Array) -> bool:
    """Whether one connected part holds much of two objects."""
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    for part in range(1, count):
        sizes = np.bincount(labels[parts == part], minlength=2)[1:]
        if (sizes > 0.2 * sizes.sum()).sum() > 1:
            return True
    return False

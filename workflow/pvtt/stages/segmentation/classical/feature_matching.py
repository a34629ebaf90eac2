"""Where a product photo is found in a frame: local features and a robust similarity.

SIFT (Lowe, IJCV 2004) matched by the ratio test, placed by RANSAC. What is returned is only the place, a quadrilateral
around the matched cut-out: the cut-out's own outline is never carried over.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Array = np.ndarray

_LONG_SIDE = 400
_LEAST_INLIERS = 10


class PlaceFinder:
    """Features of the reference cut-outs, to be found in frames."""

    def __init__(self, references: Sequence[Array]) -> None:
        """References: uint8 (h, w, 4) RGBA."""
        self._sift = cv2.SIFT.create(1500)
        self._known = [known for known in map(self._describe, references) if known is not None]

    def _describe(self, cutout: Array) -> tuple[Array, Array, tuple[int, int]] | None:
        scale = _LONG_SIDE / max(cutout.shape[:2])
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=kind)
        inside = cv2.erode((small[..., 3] > 200).astype(np.uint8), np.ones((3, 3), np.uint8))
        grey = cv2.cvtColor(np.ascontiguousarray(small[..., :3]), cv2.COLOR_RGB2GRAY)
        points, features = self._sift.detectAndCompute(grey, inside)
        if features is None or len(points) < _LEAST_INLIERS:
            return None
        return np.asarray(cv2.KeyPoint.convert(points)), features, (small.shape[1], small.shape[0])

    def find(self, image: Array) -> Array | None:
        """Corners (4, 2) float32, in px of `image` (uint8 RGB), of the best matched cut-out; None when none matches."""
        if not self._known:
            return None
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        points, features = self._sift.detectAndCompute(grey, None)
        if features is None or len(points) < _LEAST_INLIERS:
            return None
        places = np.asarray(cv2.KeyPoint.convert(points))
        best, most = None, _LEAST_INLIERS - 1
        for known_places, known_features, size in self._known:
            pairs = _matches(known_features, features)
            if len(pairs) <= most:
                continue
            cv2.setRNGSeed(0)
            matrix, good = cv2.estimateAffinePartial2D(
                known_places[pairs[:, 0]], places[pairs[:, 1]], ransacReprojThreshold=4.0
            )
            inliers = 0 if matrix is None else len(np.unique(pairs[good.ravel() > 0, 1]))
            if inliers > most:
                best, most = _corners(matrix, size), inliers
        return best


def _matches(known: Array, found: Array, ratio: float = 0.75) -> Array:
    nearest = cv2.BFMatcher(cv2.NORM_L2).knnMatch(known, found, k=2)
    good = [(p[0].queryIdx, p[0].trainIdx) for p in nearest if len(p) == 2 and p[0].distance < ratio * p[1].distance]
    return np.array(good, int).reshape(-1, 2)


def _corners(matrix: Array, size: tuple[int, int]) -> Array:
    width, height = size
    box = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return (box @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)

"""Locate a product photo in a frame: local features and a robust similarity.

SIFT (Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004), matched by the ratio test, with
RANSAC. The result is only the location, a quadrilateral around the matched cut-out. The cut-out's outline is not used.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Array = np.ndarray

_LONG_SIDE = 400  # px of a photo when its features are computed
_MIN_INLIERS = 10  # different matches of one similarity, from which a photo is found


class PhotoMatcher:
    """SIFT features of the product's cut-outs, to be matched with frames."""

    def __init__(self, references: Sequence[Array]) -> None:
        """Compute the features of `references`, uint8 (h, w, 4) RGBA."""
        self._sift = cv2.SIFT.create(1500)
        self._references = [found for found in map(self._describe, references) if found is not None]

    def _describe(self, cutout: Array) -> tuple[Array, Array, tuple[int, int]] | None:
        scale = _LONG_SIDE / max(cutout.shape[:2])
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        small = cv2.resize(cutout, None, fx=scale, fy=scale, interpolation=kind)
        inside = cv2.erode((small[..., 3] > 200).astype(np.uint8), np.ones((3, 3), np.uint8))
        grey = cv2.cvtColor(np.ascontiguousarray(small[..., :3]), cv2.COLOR_RGB2GRAY)
        points, descriptors = self._sift.detectAndCompute(grey, inside)
        if descriptors is None or len(points) < _MIN_INLIERS:
            return None
        return np.asarray(cv2.KeyPoint.convert(points)), descriptors, (small.shape[1], small.shape[0])

    def match(self, image: Array) -> Array | None:
        """Locate the best matched cut-out in an image.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB

        Returns
        -------
        float32 (4, 2) or None
            Corners (x, y) of the cut-out in px of `image`: its top left, top right, bottom right, bottom left. They may
            lie outside the image. None without a match.

        References
        ----------
        Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004.
        """
        if not self._references:
            return None
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        points, descriptors = self._sift.detectAndCompute(grey, None)
        if descriptors is None or len(points) < _MIN_INLIERS:
            return None
        keypoints = np.asarray(cv2.KeyPoint.convert(points))
        best_corners, most_inliers = None, _MIN_INLIERS - 1
        for reference_points, reference_descriptors, size in self._references:
            pairs = _ratio_test_matches(reference_descriptors, descriptors)
            if len(pairs) <= most_inliers:
                continue
            cv2.setRNGSeed(0)
            matrix, good = cv2.estimateAffinePartial2D(
                reference_points[pairs[:, 0]], keypoints[pairs[:, 1]], ransacReprojThreshold=4.0
            )
            inliers = 0 if matrix is None else len(np.unique(pairs[good.ravel() > 0, 1]))
            if inliers > most_inliers:
                best_corners, most_inliers = _corners(matrix, size), inliers
        return best_corners


def _ratio_test_matches(references: Array, found: Array, ratio: float = 0.75) -> Array:
    nearest = cv2.BFMatcher(cv2.NORM_L2).knnMatch(references, found, k=2)
    good = [(p[0].queryIdx, p[0].trainIdx) for p in nearest if len(p) == 2 and p[0].distance < ratio * p[1].distance]
    return np.array(good, int).reshape(-1, 2)


def _corners(matrix: Array, size: tuple[int, int]) -> Array:
    width, height = size
    box = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return np.asarray((box @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32))

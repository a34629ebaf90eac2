"""Metrics of point tracks (TAP-Vid)."""

from __future__ import annotations

import numpy as np

from pvtt.io.arrays import AnyArray

_THRESHOLDS = (1, 2, 4, 8, 16)  # px in a frame scaled to 256 x 256 (TAP-Vid)
_SIDE = 256  # px: side of the scaled frame (TAP-Vid)


def tapvid(
    paths: AnyArray, truth: AnyArray, visible: AnyArray, queries: AnyArray, size: tuple[int, int]
) -> dict[str, float]:
    """Metrics of TAP-Vid, query-first: the frames after the query of each point count.

    Parameters
    ----------
    paths : float (k, n, 2)
        Predicted (x, y) of k points in n frames, px; NaN where a point is lost (taken as occluded and far away).
    truth : float (k, n, 2)
        True (x, y), px.
    visible : bool (k, n)
        True visibility.
    queries : int or float (k, 3)
        Query of each point: (frame, x, y).
    size : (width, height)
        Of the frame, px. Distances are measured in a frame scaled to 256 x 256.

    Returns
    -------
    dict
        `delta` (mean share of the visible points within 1, 2, 4, 8 and 16 px), `aj` (average Jaccard) and `oa`
        (occlusion accuracy), each in [0, 1].

    Raises
    ------
    ValueError
        If no true point is visible after its query.

    References
    ----------
    Doersch et al., "TAP-Vid: A benchmark for tracking any point in a video", NeurIPS 2022.
    """
    scale = _SIDE / np.asarray(size, float)
    counted = np.arange(paths.shape[1]) > np.asarray(queries)[:, :1]
    if not (counted & visible).any():
        raise ValueError("TAP-Vid: no true point is visible after its query")
    seen = ~np.isnan(paths).any(2)
    squares = np.where(seen, (((np.nan_to_num(paths) - truth) * scale) ** 2).sum(2), np.inf)
    shares, jaccards = [], []
    for threshold in _THRESHOLDS:
        within = squares < threshold**2
        shares.append((within & visible & counted).sum() / (visible & counted).sum())
        right = (within & visible & seen & counted).sum()
        wrong = (seen & ~(within & visible) & counted).sum()
        jaccards.append(right / ((visible & counted).sum() + wrong))
    accuracy = ((seen == visible) & counted).sum() / counted.sum()
    return {"delta": float(np.mean(shares)), "aj": float(np.mean(jaccards)), "oa": float(accuracy)}

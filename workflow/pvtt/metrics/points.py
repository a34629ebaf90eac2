"""Key-point tracks against true ones, as TAP-Vid measures them."""

from __future__ import annotations

import numpy as np

Array = np.ndarray

_THRESHOLDS = (1, 2, 4, 8, 16)
_SIDE = 256


def tapvid(paths: Array, truth: Array, visible: Array, queries: Array, size: tuple[int, int]) -> dict[str, float]:
    """`delta` (share of the visible points within 1, 2, 4, 8, 16 px, mean), `aj` (average Jaccard), `oa` (occlusion).

    TAP-Vid (Doersch et al., NeurIPS 2022), query-first: frames after each point's query count, distances are in a
    frame scaled to 256 x 256. `paths` float (k, n, 2) in pixels of the frame, NaN where lost (taken as hidden, and as
    far away); `truth` float (k, n, 2), `visible` bool (k, n), `queries` int or float (k, 3) of (frame, x, y), `size`
    (width, height) of the frame. ValueError when no frame counts.
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

"""Bootstrap intervals over groups of items that are alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_DRAWS = 4000  # bootstrap samples
_SEED = 0  # of the bootstrap


def interval(groups: Sequence[str], values: Sequence[float]) -> tuple[float, float] | None:
    """Bounds of the 95 % interval of the values' mean when groups are drawn.

    Parameters
    ----------
    groups : sequence of str (n,)
        What each value belongs to, such as its source video.
    values : float (n,)

    Returns
    -------
    (float, float), or None
        None with fewer than two groups.

    References
    ----------
    Percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    names = sorted(set(groups))
    if len(names) < 2:
        return None
    place = {name: index for index, name in enumerate(names)}
    index = np.array([place[group] for group in groups])
    sums, counts = np.bincount(index, weights=np.asarray(values, float)), np.bincount(index)
    drawn = np.random.default_rng(_SEED).integers(len(names), size=(_DRAWS, len(names)))
    means = sums[drawn].sum(1) / counts[drawn].sum(1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)

"""Metrics of rankings and selections: AUROC, rank correlation, selective quality, precision and recall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pvtt.io.arrays import AnyArray


def auroc(scores: Sequence[float] | AnyArray, positive: Sequence[bool] | AnyArray) -> float | None:
    """Area under the ROC curve from the rank sum; ties count half.

    Parameters
    ----------
    scores : float (n,)
    positive : bool (n,)

    Returns
    -------
    float in [0, 1], or None
        None unless there are positives and negatives.

    References
    ----------
    Hanley and McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC) curve",
    Radiology 1982.
    """
    values, good = np.asarray(scores, float), np.asarray(positive, bool)
    n_good, n_bad = int(good.sum()), int((~good).sum())
    if not n_good or not n_bad:
        return None
    from scipy import stats  # slow to import; most users of the metrics do not need it

    ranks = stats.rankdata(values)
    return float((ranks[good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad))


def spearman(a: Sequence[float] | AnyArray, b: Sequence[float] | AnyArray) -> float | None:
    """Spearman's rank correlation, by SciPy.

    Parameters
    ----------
    a, b : float (n,)

    Returns
    -------
    float in [-1, 1], or None
        None if n < 3 or one of them is constant.
    """
    first, second = np.asarray(a, float), np.asarray(b, float)
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    from scipy import stats

    return float(stats.spearmanr(first, second).statistic)


def selective(quality: Sequence[float] | AnyArray, accepted: Sequence[bool] | AnyArray) -> dict[str, Any]:
    """Coverage and mean quality of a selection.

    Parameters
    ----------
    quality : float (n,)
    accepted : bool (n,)

    Returns
    -------
    dict
        `share` of accepted items, mean quality of the `accepted` (None if there are none) and of `all` items.

    References
    ----------
    El-Yaniv and Wiener, "On the foundations of noise-free selective classification", JMLR 2010.
    """
    values, taken = np.asarray(quality, float), np.asarray(accepted, bool)
    mean = float(values[taken].mean()) if taken.any() else None
    return {"share": float(taken.mean()), "accepted": mean, "all": float(values.mean())}


def precision_recall(
    kept: Sequence[bool] | AnyArray, good: Sequence[bool] | AnyArray
) -> tuple[float | None, float | None]:
    """Precision and recall of a selection.

    Parameters
    ----------
    kept, good : bool (n,)

    Returns
    -------
    precision, recall : float in [0, 1], or None
        None if no item is kept, or none is good.
    """
    taken, true = np.asarray(kept, bool), np.asarray(good, bool)
    both = float((taken & true).sum())
    return both / float(taken.sum()) if taken.any() else None, both / float(true.sum()) if true.any() else None

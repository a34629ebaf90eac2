"""How well one figure tells of another: ranks, verdicts and what a selection is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray


def auroc(scores: Sequence[float] | Array, positive: Sequence[bool] | Array) -> float | None:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half.

    From the rank sum (Mann and Whitney; Hanley and McNeil, Radiology 1982). None unless there are both kinds.
    """
    values, good = np.asarray(scores, float), np.asarray(positive, bool)
    n_good, n_bad = int(good.sum()), int((~good).sum())
    if not n_good or not n_bad:
        return None
    from scipy import stats  # slow to import, and most users of the metrics need no ranks

    ranks = stats.rankdata(values)
    return float((ranks[good].sum() - n_good * (n_good + 1) / 2) / (n_good * n_bad))


def spearman(a: Sequence[float] | Array, b: Sequence[float] | Array) -> float | None:
    """Spearman's rank correlation (scipy), -1 to 1; None under 3 pairs or where one of both does not vary."""
    first, second = np.asarray(a, float), np.asarray(b, float)
    if len(first) < 3 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    from scipy import stats

    return float(stats.spearmanr(first, second).statistic)


def selective(quality: Sequence[float] | Array, accepted: Sequence[bool] | Array) -> dict[str, Any]:
    """`share` accepted and mean quality of the `accepted` (None when there are none) and of `all` items.

    Coverage and selective quality of classification with a reject option (El-Yaniv and Wiener, JMLR 2010).
    """
    values, taken = np.asarray(quality, float), np.asarray(accepted, bool)
    mean = float(values[taken].mean()) if taken.any() else None
    return {"share": float(taken.mean()), "accepted": mean, "all": float(values.mean())}


def precision_recall(kept: Sequence[bool] | Array, good: Sequence[bool] | Array) -> tuple[float | None, float | None]:
    """Share of the kept that is good, and share of the good that is kept; None where there are none."""
    taken, true = np.asarray(kept, bool), np.asarray(good, bool)
    both = float((taken & true).sum())
    return both / float(taken.sum()) if taken.any() else None, both / float(true.sum()) if true.any() else None

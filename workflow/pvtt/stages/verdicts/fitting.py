"""Fitting of a calibration to judged items.

A logistic regression on marks, with weights that cannot be negative: a measure has a known better side, and a few
hundred items are too few to learn that it has another. Its ridge penalty and its threshold are chosen on predictions
for groups that were left out, since clips of one video resemble each other. Isotonic regression on the same predictions
(Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002) makes
probabilities of the sums. Intervals are those of `metrics.bootstrap` over groups; where all items agree, which gives
the bootstrap nothing to draw, they are Clopper and Pearson's for as many trials as there are groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvtt.metrics.bootstrap import interval
from pvtt.metrics.ranking import auroc, precision_recall
from pvtt.records.calibration import Calibration, Term, Validation
from pvtt.stages.verdicts.calibrated import marks, sigmoid

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_PENALTIES = (0.003, 0.01, 0.03, 0.1)  # of the mean squared weight; one is chosen by the loss on left-out groups
_QUANTILES = (0.05, 0.95)  # of a measure's values: where its mark becomes 0 and 1
_BINS = 5  # of the reliability diagram
_LEAST_KEPT = 5  # items that a threshold must keep, to have a precision at all


class FitError(ValueError):
    """There is too little to learn from; the message says what is missing."""


def fit_calibration(
    name: str,
    items: Sequence[Mapping[str, Any]],
    labels: Sequence[bool],
    groups: Sequence[str],
    better: Mapping[str, int],
    precision: float = 0.9,
    **about: Any,
) -> Calibration:
    """Learn how measures become the probability that an item is good.

    Parameters
    ----------
    name : str
        Of the calibration.
    items : sequence of mapping
        Measures of every item, name to number; what is no finite number counts as absent.
    labels : sequence of bool
        Whether every item is good.
    groups : sequence of str
        What an item must not be separated from, such as its source video.
    better : mapping of str to int
        Measures that may be used: +1 where more is better, -1 where less is.
    precision : float, 0 to 1
        Share of good ones that the kept items must reach in left-out groups.
    about
        Other fields of `Calibration`: `good`, `versions`, `data`.

    Raises
    ------
    FitError
        Fewer than two groups, only good or only bad items, or no measure that varies.
    """
    truth, group = np.asarray(labels, bool), np.asarray(groups)
    if len(set(groups)) < 2:
        raise FitError("items of one group only; judge items of more source videos")
    if truth.all() or not truth.any():
        raise FitError(f"all {len(truth)} items are {'good' if truth.all() else 'bad'}; judge some of both kinds")
    terms = _terms(items, better)
    table = np.stack([marks(terms, item) for item in items])
    penalty, left_out = _left_out_predictions(table, truth, group)
    weights, offset = _fit(table, truth, penalty)
    knots = _isotonic(left_out, truth)
    honest = _crossed_isotonic(left_out, truth, group)
    threshold = _threshold(honest, truth, precision)
    used = [term.model_copy(update={"weight": round(float(w), 6)}) for term, w in zip(terms, weights, strict=True)]
    return Calibration(
        name=name,
        offset=round(float(offset), 6),
        terms=[term for term in used if term.weight > 0] or used[:1],
        isotonic=knots,
        threshold=threshold,
        precision=precision,
        validation=validate(honest, truth, group, threshold),
        **about,
    )


def validate(chance: Floats, good: Bools, groups: NDArray[Any], threshold: float) -> Validation:
    """What a threshold is worth on items with these probabilities.

    Parameters
    ----------
    chance : float64 (n,), 0 to 1
    good : bool (n,)
    groups : (n,)
        Items of one group are alike: intervals draw whole groups.
    threshold : float, 0 to 1
    """
    kept = chance >= threshold
    precision, recall = precision_recall(kept, good)
    half = chance >= np.median(chance)
    return Validation(
        items=len(good),
        good=int(good.sum()),
        groups=len(np.unique(groups)),
        kept=int(kept.sum()),
        precision=_rounded(precision),
        precision_interval=_interval(groups[kept], good[kept]),
        recall=_rounded(recall),
        recall_interval=_interval(groups[good], kept[good]),
        auroc=_rounded(auroc(chance, good)),
        precision_of_better_half=_rounded(precision_recall(half, good)[0]),
        reliability=_reliability(chance, good),
    )


def _terms(items: Sequence[Mapping[str, Any]], better: Mapping[str, int]) -> list[Term]:
    """Terms without weights; a measure that never varies is left out."""
    terms = []
    for measure, side in better.items():
        values = [item.get(measure) for item in items]
        known = np.array([v for v in values if isinstance(v, int | float) and np.isfinite(v)], float)
        low, high = np.quantile(known, _QUANTILES) if len(known) else (0.0, 0.0)
        if high - low < 1e-9:
            continue
        ends = (low, high) if side > 0 else (high, low)
        low, high = (round(float(end), 6) for end in ends)
        if low == high:
            continue
        absent = float(((known - low) / (high - low)).clip(0, 1).mean())
        terms.append(Term(measure=measure, low=low, high=high, absent=round(absent, 4), weight=0.0))
    if not terms:
        raise FitError(f"none of the measures {', '.join(better)} varies among {len(items)} items")
    return terms


def _fit(table: Floats, good: Bools, penalty: float) -> tuple[Floats, float]:
    """Weights (n_terms,) of at least 0 and the offset."""
    from scipy.optimize import minimize  # slow to import; judging does not need it

    sign = np.where(good, 1.0, -1.0)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, offset = parameters[:-1], parameters[-1]
        margin = sign * (table @ weights + offset)
        slope = -sign * sigmoid(-margin) / len(sign)
        value = np.logaddexp(0, -margin).mean() + penalty * (weights**2).mean()
        return float(value), np.append(table.T @ slope + 2 * penalty * weights / len(weights), slope.sum())

    bounds = [(0.0, None)] * table.shape[1] + [(None, None)]
    found = minimize(loss, np.zeros(table.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x[:-1], float(found.x[-1])


def _left_out_predictions(table: Floats, good: Bools, groups: NDArray[Any]) -> tuple[float, Floats]:
    """The penalty with the least loss on left-out groups, and the probabilities of the items there."""
    best: tuple[float, float, Floats] | None = None
    for penalty in _PENALTIES:
        chance = np.empty(len(good))
        for one in np.unique(groups):
            away = groups == one
            rest = good[~away]
            if rest.all() or not rest.any():
                chance[away] = rest.mean()
                continue
            weights, offset = _fit(table[~away], rest, penalty)
            chance[away] = sigmoid(table[away] @ weights + offset)
        safe = chance.clip(1e-6, 1 - 1e-6)
        loss = float(-np.where(good, np.log(safe), np.log(1 - safe)).mean())
        if best is None or loss < best[0]:
            best = (loss, penalty, chance)
    assert best is not None
    return best[1], best[2]


def _isotonic(chance: Floats, good: Bools) -> list[list[float]]:
    """Knots of the isotonic regression: one at the mean of each block of equal values, and both ends."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(chance, kind="stable")
    x, y = chance[order], isotonic_regression(good[order].astype(float)).x
    starts = np.flatnonzero(np.r_[True, np.diff(y) > 0])
    blocks = np.split(np.arange(len(y)), starts[1:])
    # Laplace's rule: a block of a few good items is no certainty.
    values = np.maximum.accumulate([(good[order][block].sum() + 1) / (len(block) + 2) for block in blocks])
    return [
        [round(float(x[block].mean()), 6), round(float(value), 6)] for block, value in zip(blocks, values, strict=True)
    ]


def _crossed_isotonic(chance: Floats, good: Bools, groups: NDArray[Any]) -> Floats:
    """Isotonic probabilities of every item, from the other groups' items alone."""
    found = np.empty(len(good))
    for one in np.unique(groups):
        away = groups == one
        knots = np.array(_isotonic(chance[~away], good[~away]))
        found[away] = np.interp(chance[away], knots[:, 0], knots[:, 1])
    return found


def _threshold(chance: Floats, good: Bools, precision: float) -> float:
    """The threshold with the largest recall at the precision; 1 when none reaches it.

    It lies midway between the last good item that is kept and the next one below.
    """
    for value in np.unique(chance[good]):
        kept = chance >= value
        if kept.sum() < _LEAST_KEPT:
            break
        if good[kept].mean() >= precision:
            below = chance[~kept]
            return float(np.floor((value + (below.max() if len(below) else 0.0)) / 2 * 1e4) / 1e4)
    return 1.0


def _reliability(chance: Floats, good: Bools) -> list[list[float]]:
    bins = np.array_split(np.argsort(chance, kind="stable"), min(_BINS, len(chance)))
    return [[round(float(chance[b].mean()), 4), round(float(good[b].mean()), 4), float(len(b))] for b in bins if len(b)]


def _interval(groups: NDArray[Any], hits: Bools) -> list[float] | None:
    """95 % interval of the share of hits; None without items."""
    if not len(hits):
        return None
    n_groups = len(np.unique(groups))
    if hits.all() or not hits.any():
        end = 0.025 ** (1 / n_groups)
        low, high = (end, 1.0) if hits.all() else (0.0, 1 - end)
    else:
        low, high = interval(groups.tolist(), hits.astype(float).tolist()) or (0.0, 1.0)
    return [round(low, 4), round(high, 4)]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)

"""Verdicts on pairs, from their score records, their clips' records and the settings `verdicts.pairs`.

The quality score is the mean of the scores that were measured, weighted by `weights`. A pair is kept when its quality
score and every limit pass; a rejected pair names every limit that it failed, with the value. A limit whose figure was
not measured (a clip without a source product has no swap) is passed over; a quality score that was not measured is a
failure. A calibration takes the place of the limits: a pair is then kept when its probability reaches the threshold.
`directions` judges what else a pair is good for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pvtt.config.stages.verdicts import PairVerdictSettings, ScoreWeights
from pvtt.records.calibration import Calibration
from pvtt.records.results import SCORES, Score, Scores
from pvtt.records.tables import JudgedPair, columns
from pvtt.stages.verdicts.calibrated import weakest
from pvtt.stages.verdicts.directions import (
    DIRECTIONS,
    ClipState,
    DirectionVerdict,
    judge_directions,
)

# (setting, whether it is a lower limit, figure, words)
_RULES = (
    ("min_quality", True, "quality_score", "quality_score"),
    ("min_identity", True, "identity", "identity"),
    ("min_temporal", True, "temporal", "temporal score"),
    ("min_swap", True, "swap", "not swapped: likeness to the target less likeness to the source"),
    ("min_changed", True, "changed", "not swapped: changed share of the product's pixels"),
    ("min_background_psnr_db", True, "background_psnr", "background damaged: PSNR in dB"),
    ("min_motion_ratio", True, "motion_ratio", "product stands still: motion ratio"),
    ("max_motion_ratio", False, "motion_ratio", "product jitters: motion ratio"),
    ("max_box_drift", False, "box_drift", "box leaves the source's track: drift"),
)
COLUMNS = columns(JudgedPair)
# Measures that the table shows beside the scores.
_MEASURES = COLUMNS[COLUMNS.index("status") + 1 :]


class FailureRateError(RuntimeError):
    """More pairs failed than the configuration allows."""


@dataclass(frozen=True)
class PairVerdict:
    """Verdict on a pair.

    `reasons` is empty when it is kept; `basis` names the scores in `quality_score`; `failed` names the settings whose
    limit it fails, `status` where it was not scored.
    """

    kept: bool
    reasons: list[str]
    quality_score: float | None
    basis: list[str]
    failed: frozenset[str] = frozenset()


def judge_pairs(
    scores: Iterable[Score],
    settings: PairVerdictSettings | Mapping[str, Any],
    clips: Mapping[str, ClipState],
    calibrations: Mapping[str, Calibration] | None = None,
) -> pd.DataFrame:
    """Judge every pair by its record of score.json.

    Parameters
    ----------
    scores : iterable of Score
    settings : PairVerdictSettings or mapping
        The settings `verdicts.pairs`.
    clips : mapping of str to ClipState
        By pair_id.
    calibrations : mapping of str to Calibration, optional
        By direction, see `directions`.

    Returns
    -------
    DataFrame
        `COLUMNS`, one row per pair, ordered by pair_id. `kept` is bool; `reasons` and `basis` are joined by ';';
        figures are float, NaN where not measured. `attrs["weights"]` holds the weights.

    Raises
    ------
    ValueError
        When two records are of one pair.
    """
    chosen = PairVerdictSettings.of(settings)
    rows = [_row(score, chosen, clips[score.pair_id], calibrations or {}) for score in scores]
    names = [row.pair_id for row in rows]
    if len(set(names)) != len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"several scores of one pair: {', '.join(double[:5])}; give each pair once")
    ordered = sorted(rows, key=lambda row: row.pair_id)
    table = pd.DataFrame([row.model_dump() for row in ordered], columns=list(COLUMNS))
    figures = ["quality_score", *SCORES, *_MEASURES]
    figures += [f"p_good_{direction}" for direction in DIRECTIONS]
    verdicts = ["kept", *(f"kept_{direction}" for direction in DIRECTIONS)]
    table = table.astype(dict.fromkeys(figures, "float64") | dict.fromkeys(verdicts, bool))
    table.attrs["weights"] = chosen.weights.plain()
    return table


def judge_pair(score: Score, settings: PairVerdictSettings | Mapping[str, Any]) -> PairVerdict:
    """Judge one pair by its record of score.json; each reason holds the value and the limit."""
    chosen = PairVerdictSettings.of(settings)
    quality, basis = quality_score(score.scores, chosen.weights)
    if score.status != "scored":
        return PairVerdict(False, [f"{score.status}: {score.reason}"], quality, basis, frozenset({"status"}))
    if quality is None:
        return PairVerdict(False, ["quality_score was not measured"], None, basis, frozenset({"status"}))
    figures = _figures(score, quality)
    reasons, failed = [], set()
    for setting, lower, name, words in _RULES:
        value, limit = figures[name], getattr(chosen, setting)
        if value is not None and (value < limit if lower else value > limit):
            failed.add(setting)
            reasons.append(f"{words} {value:.3g} {'<' if lower else '>'} {setting} {limit:g}")
    return PairVerdict(not reasons, reasons, quality, basis, frozenset(failed))


def quality_score(scores: Scores, weights: ScoreWeights) -> tuple[float | None, list[str]]:
    """Weighted mean (0..1) over the scores that were measured, and their names; (None, []) when there are none."""
    values = {name: getattr(scores, name) for name in SCORES}
    weight_of = {name: getattr(weights, name) for name in SCORES}
    basis = [name for name in SCORES if values[name] is not None and weight_of[name] > 0]
    total = sum(weight_of[name] for name in basis)
    if not basis:
        return None, []
    return round(sum(weight_of[name] * (values[name] or 0.0) for name in basis) / total, 6), basis


def check_failure_rate(table: pd.DataFrame, limit: float) -> None:
    """Raise FailureRateError when more than `limit` (0 to 1) of the pairs failed or were invalid."""
    bad = table[table.status != "scored"]
    if len(table) and len(bad) / len(table) > limit:
        common = bad.reasons.value_counts().index[0]
        raise FailureRateError(
            f"{len(bad)} of {len(table)} pairs failed or are invalid, more than max_failure_rate {limit:g} allows; "
            f"most often: {common}. Mend the cause, or raise max_failure_rate to go on with the rest"
        )


def _figures(score: Score, quality: float | None) -> dict[str, float | None]:
    return {
        "quality_score": quality,
        **{name: getattr(score.scores, name) for name in SCORES},
        **{name: score.measures.get(name) for name in _MEASURES},
    }


def _row(
    score: Score, settings: PairVerdictSettings, clip: ClipState, calibrations: Mapping[str, Calibration]
) -> JudgedPair:
    verdict = judge_pair(score, settings)
    directions = judge_directions(score, verdict.failed, clip, calibrations)
    forward, reasons = directions["forward"], verdict.reasons
    if forward.p_good is not None:
        reasons = [] if forward.kept else [_improbable(forward, calibrations["forward"], score, clip)]
    by_direction: dict[str, Any] = {f"kept_{name}": one.kept for name, one in directions.items()}
    by_direction |= {f"p_good_{name}": one.p_good for name, one in directions.items()}
    row = by_direction | _figures(score, verdict.quality_score) | {"kept": forward.kept, "status": score.status}
    row |= {"reasons": ";".join(reason.replace(";", ",") for reason in reasons), "basis": ";".join(verdict.basis)}
    return JudgedPair.model_validate(row | {"pair_id": score.pair_id})


def _improbable(verdict: DirectionVerdict, calibration: Calibration, score: Score, clip: ClipState) -> str:
    """Why a pair is rejected whose probability is too low."""
    measures = clip.measures | score.measures
    blamed = [
        f"{name} {measures[name]:.3g}" for name in weakest(calibration, measures) if measures.get(name) is not None
    ]
    least = f"probability of a good pair {verdict.p_good:.2f} < {calibration.threshold:.2f}"
    return f"{least}, weakest: {', '.join(blamed)}" if blamed else least

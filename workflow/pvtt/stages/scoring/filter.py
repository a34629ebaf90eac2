"""The filter: thresholds applied to stored scores, apart from their measurement, so that a new threshold costs nothing.

A pair is kept when its quality_score and every gate pass; a rejected pair names every rule that it failed, with the
value and the limit. A gate whose figure could not be measured (a clip without a source product has no swap) is passed
over; a quality score that could not be measured is a failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

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
_SCORES = ("identity", "temporal", "lighting", "overall")
_MEASURES = (
    "identity_p10",
    "source_likeness",
    "swap",
    "changed",
    "background_psnr",
    "motion_ratio",
    "motion_ratio_outside",
    "warping_error_inside",
    "warping_error_outside",
    "flicker_inside",
    "flicker_outside",
    "jitter",
    "box_drift",
)
COLUMNS = ("pair_id", "kept", "reasons", "quality_score", *_SCORES, "basis", "status", *_MEASURES)


class FailureRateError(RuntimeError):
    """More pairs failed than the configuration allows."""


def filter_pairs(scores: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> pd.DataFrame:
    """Decide on each pair from its score.json record; one row per record, ordered by pair_id.

    Columns: `COLUMNS`; `kept` bool, `reasons` and `basis` joined by ';', figures float with NaN for what was not
    measured. ValueError when two records are of one pair.
    """
    rows = [_row(record, settings) for record in scores]
    names = [row["pair_id"] for row in rows]
    if len(set(names)) != len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"several scores of one pair: {', '.join(double[:5])}; give each pair once")
    table = pd.DataFrame(sorted(rows, key=lambda row: row["pair_id"]), columns=list(COLUMNS))
    figures = ["quality_score", *_SCORES, *_MEASURES]
    return table.astype(dict.fromkeys(figures, "float64") | {"kept": bool})


def check_failure_rate(table: pd.DataFrame, limit: float) -> None:
    """Raise FailureRateError when more than `limit` (0 to 1) of the pairs failed or were invalid."""
    bad = table[table.status != "scored"]
    if len(table) and len(bad) / len(table) > limit:
        common = bad.reasons.value_counts().index[0]
        raise FailureRateError(
            f"{len(bad)} of {len(table)} pairs failed or are invalid, more than max_failure_rate {limit:g} allows; "
            f"most often: {common}. Mend the cause, or raise max_failure_rate to go on with the rest"
        )


def failed_rules(record: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """Every reason to reject a score.json record, in words with value and limit; empty when it is kept."""
    if record["status"] != "scored":
        return [f"{record['status']}: {record.get('reason') or 'no reason given'}"]
    figures = _figures(record)
    if figures["quality_score"] is None:
        return ["quality_score was not measured"]
    reasons = []
    for setting, lower, name, words in _RULES:
        value, limit = figures[name], settings[setting]
        if value is not None and (value < limit if lower else value > limit):
            reasons.append(f"{words} {value:.3g} {'<' if lower else '>'} {setting} {limit:g}")
    return reasons


def _figures(record: Mapping[str, Any]) -> dict[str, float | None]:
    found = {"quality_score": record.get("quality_score")} | dict(record.get("scores") or {})
    measures = record.get("measures") or {}
    return {name: found.get(name) for name in ("quality_score", *_SCORES)} | {n: measures.get(n) for n in _MEASURES}


def _row(record: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    reasons = failed_rules(record, settings)
    return {
        "pair_id": record["pair_id"],
        "kept": not reasons,
        "reasons": ";".join(reason.replace(";", ",") for reason in reasons),
        "basis": ";".join(record.get("basis") or []),
        "status": record["status"],
        **_figures(record),
    }

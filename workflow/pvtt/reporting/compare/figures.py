"""Figures of a comparison: each run's own, and paired differences with intervals.

Intervals are bootstraps that draw source videos, not items: pairs of one video are alike, and drawing them one by one
would make the intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pvtt.metrics.bootstrap import interval
from pvtt.reporting.compare.matching import DIRECTIONS, Item, Outcome


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """One run's counts, acceptance, figures and time over the compared items.

    `figures` has median, quartiles and count of what was measured. `seconds_per_frame` is over items with a result.
    """
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    frames = sum(outcome.n_frames for outcome in done)
    accepted = sum(outcome.accepted for outcome in outcomes)
    names = list(dict.fromkeys(name for outcome in outcomes for name in outcome.figures))
    return {
        "items": len(outcomes),
        "done": len(done),
        "failed": sum(outcome.status == "failed" for outcome in outcomes),
        "invalid": sum(outcome.status == "invalid" for outcome in outcomes),
        "accepted": accepted,
        "acceptance": round(accepted / len(outcomes), 4) if outcomes else None,
        "figures": {name: _spread([outcome.figures[name] for outcome in outcomes]) for name in names},
        "stage_seconds": round(sum(outcome.seconds for outcome in outcomes), 3),
        "seconds_per_item": _rounded(np.median([outcome.seconds for outcome in done])) if done else None,
        "seconds_per_frame": _rounded(sum(outcome.seconds for outcome in done) / frames) if frames else None,
    }


def differences(items: Sequence[Item], runs: Sequence[str]) -> list[dict[str, Any]]:
    """Every further run less the first, figure by figure, over the items that both measured.

    Each: run, reference, figure, count, unmeasured (in one run alone), mean, low, high (95 %; None with a single source
    video), win_rate (share of the items on which the run is better, a tie counts half; None without items). Qualities
    that rest on different scores are not subtracted and count as unmeasured.
    """
    found = []
    for number, run in enumerate(runs[1:], 1):
        for name in ("accepted", *DIRECTIONS):
            values = [(item.group, _value(item, 0, name), _value(item, number, name)) for item in items]
            if name == "quality":
                rest = [item.outcomes[0].basis == item.outcomes[number].basis for item in items]
                values = [
                    (g, a, b if same or a is None else None) for (g, a, b), same in zip(values, rest, strict=True)
                ]
            if any(a is not None or b is not None for _, a, b in values):
                head = {"run": run, "reference": runs[0], "figure": name}
                found.append(head | _paired(values, DIRECTIONS.get(name, 1)))
    return found


def _paired(values: Sequence[tuple[str, float | None, float | None]], direction: int) -> dict[str, Any]:
    both = [(group, b - a) for group, a, b in values if a is not None and b is not None]
    steps = np.array([step for _, step in both])
    bounds = interval([group for group, _ in both], list(steps))
    wins = direction * steps > 0
    return {
        "count": len(both),
        "unmeasured": sum((a is None) != (b is None) for _, a, b in values),
        "mean": _rounded(steps.mean()) if both else None,
        "low": _rounded(bounds[0]) if bounds else None,
        "high": _rounded(bounds[1]) if bounds else None,
        "win_rate": _rounded((wins + 0.5 * (steps == 0)).mean()) if both else None,
        "better": "more" if direction > 0 else "less",
    }


def _value(item: Item, number: int, name: str) -> float | None:
    outcome = item.outcomes[number]
    return float(outcome.accepted) if name == "accepted" else outcome.figures.get(name)


def _spread(values: Sequence[float | None]) -> dict[str, Any]:
    measured = [value for value in values if value is not None]
    if not measured:
        return {"count": 0, "median": None, "quartiles": None}
    low, middle, high = (_rounded(q) for q in np.quantile(measured, (0.25, 0.5, 0.75)))
    return {"count": len(measured), "median": middle, "quartiles": [low, high]}


def _rounded(value: Any) -> float:
    return round(float(value), 5)

"""What the raters said: counts, agreement with themselves and each other, and which of two runs won."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
from tabulate import tabulate

from pvtt.metrics.agreement import cohen_kappa
from pvtt.metrics.bootstrap import interval
from pvtt.records.ids import clip_product
from pvtt.records.review import ComparisonAnswer, Direction, ReviewAnswer, Scales, StudyGrades
from pvtt.reporting.review.answers import standing

_VERDICTS = ("reject", "keep")
_SCALE = (1, 2, 3, 4, 5)  # grades, in their order
Rows = list[dict[str, Any]]


def raters(answers: Iterable[ReviewAnswer]) -> Rows:
    """One row per rater: counts, time and what was kept; None where nothing was judged."""
    groups: dict[str, list[ReviewAnswer]] = {}
    for answer in standing(answers):
        groups.setdefault(answer.rater, []).append(answer)
    return [_rater(name, group) for name, group in sorted(groups.items())]


def agreement(answers: Iterable[ReviewAnswer]) -> Rows:
    """Cohen's kappa per scale (linear weights) and direction.

    Each rater with themselves (first against second judgement of the same video, in one queue or in two) and each two
    raters (first judgement of each). `count` is the number of videos that both judged, `same` the share of equal
    answers; `kappa` is None where chance explains everything.
    """
    seen: dict[str, dict[tuple[str, str], list[ReviewAnswer]]] = {}
    for answer in standing(answers):
        if answer.status == "judged":
            key = answer.pair_id or answer.clip_id, answer.digest
            seen.setdefault(answer.rater, {}).setdefault(key, []).append(answer)
    rows: Rows = []
    for name, videos in sorted(seen.items()):
        rows += _kappas(f"{name} twice", [(each[0], each[1]) for each in videos.values() if len(each) > 1])
    for one, other in combinations(sorted(seen), 2):
        shared = [key for key in seen[one] if key in seen[other]]
        rows += _kappas(f"{one}, {other}", [(seen[one][key][0], seen[other][key][0]) for key in shared])
    return rows


def contest(answers: Iterable[ComparisonAnswer], against: str) -> dict[str, Any]:
    """How run b (`against`) did beside run a.

    Returns
    -------
    dict
        `count` of judgements, `raters`, `win_rate` of b (a tie counts half), `wins`, `ties`, `losses`, and `grades`:
        per scale the means of a and b and the mean difference b - a. `interval`s are 95 % bootstraps that draw source
        videos; None with a single one.
    """
    judged = [each for each in standing(answers) if each.status == "judged" and each.against == against]
    groups = [clip_product(answer.clip_id) for answer in judged]
    points = [_point(answer) for answer in judged]
    found: dict[str, Any] = {
        "count": len(judged),
        "raters": sorted({answer.rater for answer in judged}),
        "wins": points.count(1.0),
        "ties": points.count(0.5),
        "losses": points.count(0.0),
        "win_rate": float(np.mean(points)) if points else None,
        "interval": interval(groups, points) if points else None,
        "grades": {},
    }
    for name in StudyGrades.model_fields if judged else ():
        pairs = [_by_run(answer, name) for answer in judged]
        steps = [b - a for a, b in pairs]
        means = {run: float(np.mean([pair[place] for pair in pairs])) for place, run in enumerate("ab")}
        found["grades"][name] = means | {"difference": float(np.mean(steps)), "interval": interval(groups, steps)}
    return found


def review_text(answers: Sequence[ReviewAnswer]) -> str:
    """Tables of raters and of agreement."""
    if not answers:
        return "no answers yet"
    people = raters(answers)
    turned = [{"": name} | {row["rater"]: row[name] for row in people} for name in list(people[0])[1:]]
    parts = ["Raters (grades and shares are over what each was asked, which is no sample of the run):", _table(turned)]
    if rows := agreement(answers):
        parts += [
            "",
            "Agreement (Cohen's kappa, linear weights for scales; - where all answers are alike):",
            _table(rows),
        ]
    return "\n".join(parts)


def contest_text(answers: Sequence[ComparisonAnswer], a: str, b: str, against: str) -> str:
    """The result of a blind comparison of the runs `a` and `b`; `against` is b's name in the answers."""
    found = contest(answers, against)
    if not found["count"]:
        return f"no answers yet on {a} against {b}"
    head = (
        f"a: {a}\nb: {b}\n{found['count']} judgements of {len(found['raters'])} raters: b better {found['wins']}, "
        f"tie {found['ties']}, a better {found['losses']}\n"
        f"win rate of b (a tie counts half): {found['win_rate']:.2f} {_bounds(found['interval'])}\n"
    )
    rows = [
        {
            "scale, 1 to 4": name,
            "a": one["a"],
            "b": one["b"],
            "b - a": one["difference"],
            "95 %": _bounds(one["interval"]),
        }
        for name, one in found["grades"].items()
    ]
    return f"{head}\n{_table(rows)}"


def _rater(name: str, answers: Sequence[ReviewAnswer]) -> dict[str, Any]:
    judged = [answer for answer in answers if answer.status == "judged"]
    pairs = [answer for answer in judged if answer.task == "pair"]
    seconds = sum(answer.seconds for answer in judged)
    row: dict[str, Any] = {
        "rater": name,
        "pairs": len(pairs),
        "repeated": sum(answer.duplicate for answer in pairs),
        "backgrounds": len(judged) - len(pairs),
        "skipped": len(answers) - len(judged),
        "minutes": round(seconds / 60, 1),
        "pairs/min": round(60 * len(pairs) / seconds, 1) if seconds else None,
    }
    for scale in Scales.model_fields:
        row[scale] = _mean([getattr(answer.scales, scale) for answer in pairs])
    for direction in get_args(Direction):
        verdicts = [answer.verdicts[direction].verdict for answer in judged if direction in answer.verdicts]
        row[f"keep {direction}"] = _mean([verdict == "keep" for verdict in verdicts])
    return row


def _kappas(who: str, pairs: Sequence[tuple[ReviewAnswer, ReviewAnswer]]) -> Rows:
    rows: Rows = []
    both = [(a.scales, b.scales) for a, b in pairs if a.scales and b.scales]
    for scale in Scales.model_fields:
        values = [(getattr(a, scale), getattr(b, scale)) for a, b in both]
        rows += _kappa(who, scale, values, _SCALE, "linear")
    for direction in get_args(Direction):
        known = [(a.verdicts, b.verdicts) for a, b in pairs if direction in a.verdicts and direction in b.verdicts]
        verdicts = [(a[direction].verdict, b[direction].verdict) for a, b in known]
        rows += _kappa(who, direction, verdicts, _VERDICTS, "none")
    return rows


def _kappa(
    who: str, what: str, values: Sequence[tuple[Any, Any]], labels: Sequence[Any], weights: Literal["none", "linear"]
) -> Rows:
    if not values:
        return []
    first, second = zip(*values, strict=True)
    same = _mean([a == b for a, b in values])
    kappa = cohen_kappa(first, second, labels, weights)
    shown = None if kappa is None else round(kappa, 2)
    return [{"raters": who, "answer": what, "count": len(values), "same": same, "kappa": shown}]


def _point(answer: ComparisonAnswer) -> float:
    """1 where run b was preferred, 0 where run a was, 0.5 for a tie."""
    if answer.preference not in ("left", "right"):
        return 0.5
    return float(answer.sides[answer.preference] == "b")


def _by_run(answer: ComparisonAnswer, scale: str) -> tuple[int, int]:
    """Grades of run a and run b."""
    grades = {run: int(getattr(answer.grades[side], scale)) for side, run in answer.sides.items()}
    return grades["a"], grades["b"]


def _mean(values: Sequence[float | bool]) -> float | None:
    return round(float(np.mean(values)), 2) if values else None


def _bounds(bounds: tuple[float, float] | None) -> str:
    return f"({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else "(no interval: one source video)"


def _table(rows: Rows) -> str:
    cells = [{name: _cell(value) for name, value in row.items()} for row in rows]
    return str(
        tabulate(cells, headers="keys", disable_numparse=True, colalign=("left",) + ("right",) * (len(rows[0]) - 1))
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)

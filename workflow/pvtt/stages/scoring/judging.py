"""Judging one pair: every question in both orders, stored answers, and scores of the answered questions.

The raw answers are stored in `judge.json` beside the pair's score, keyed by the digest of the request, so that a
question is asked only once. Failures are not stored; a later run asks again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from pvtt.config.stages.scoring import JudgingSettings
from pvtt.records.provenance import Stopwatch
from pvtt.records.results import JudgeAnswer, JudgeAnswers
from pvtt.stages.scoring.judges.base import Answer, JudgeBackend, JudgeError, Question
from pvtt.stages.scoring.rubric import ORDERS, expected_score, explain_schema, questions, rubric

SCORED = ("lighting", "overall")  # dimensions that become scores; the others are measures only


def judge_pair(
    judge: JudgeBackend, pictures: Mapping[str, bytes], title: str, settings: JudgingSettings, store: Path
) -> dict[str, Any]:
    """Ask a judge about one pair.

    Parameters
    ----------
    judge
        A loaded judge.
    pictures
        Contact sheets, see `contact_sheets.judge_contact_sheets`.
    title : str
        Title of the target product; may be empty.
    settings
        Settings of `scoring.judging`: `explain` and `min_digit_mass` are read.
    store : Path
        The pair's judge.json.

    Returns
    -------
    dict
        `dimensions`: per dimension the `score` (1-5, mean of both orders, None without both), the scores of the
        `orders`, their `difference`, the least probability `mass` on digits (0-1), and a `reason` without a score.
        `status` is `done`, `partial` or `failed`; `reason` names what failed.
    """
    watch, answers, failure = Stopwatch(), _Answers(store), ""
    given: dict[tuple[str, str], Answer] = {}
    asked = questions(pictures, title, settings.explain)
    for key, question in asked.items():
        try:
            given[key] = answers.of(judge, key, question)
        except JudgeError as error:
            failure = str(error)
            break
    least = settings.min_digit_mass
    dimensions = {name: _dimension(name, given, least, failure) for name in rubric()["dimensions"]}
    lacking = [f"{name}: {entry['reason']}" for name, entry in dimensions.items() if entry["score"] is None]
    scored = len(dimensions) - len(lacking)
    record = {
        "name": judge.name,
        "version": judge.version,
        "rubric": rubric()["version"],
        "model": judge.asked_model,
        "status": "done" if not lacking and not failure else "partial" if scored else "failed",
        "reason": failure or "; ".join(lacking),
        "dimensions": dimensions,
        "asked": answers.asked,
        "found": answers.found,
        "requests": {
            f"{name} {order}": question.digest(judge.asked_model) for (name, order), question in asked.items()
        },
        "seconds": watch.seconds,
    }
    return record | {"grades": _grades(given)} if settings.explain else record


def _grades(given: Mapping[tuple[str, str], Answer]) -> dict[str, Any] | None:
    """The explained answer; None when it is missing or does not fit its schema."""
    text = next((answer.text for (name, _), answer in given.items() if name == "explain"), "")
    try:
        grades: dict[str, Any] = json.loads(text)
        jsonschema.validate(grades, explain_schema())
    except (ValueError, jsonschema.ValidationError):
        return None
    return grades


def judge_scores(record: Mapping[str, Any]) -> dict[str, float | None]:
    """Scores (0-1) of `lighting` and `overall`, from the rubric's 1-5; None without one."""
    found = {name: record["dimensions"][name]["score"] for name in SCORED}
    return {name: None if score is None else round((score - 1) / 4, 5) for name, score in found.items()}


def judge_measures(record: Mapping[str, Any]) -> dict[str, float | None]:
    """Measures: `judge_<dimension>` (1-5) and `judge_difference`, the largest difference between the two orders."""
    entries = record["dimensions"]
    differences = [e["difference"] for e in entries.values() if e["difference"] is not None]
    measures = {f"judge_{name}": entry["score"] for name, entry in entries.items()}
    return measures | {"judge_difference": max(differences, default=None)}


def _dimension(name: str, given: Mapping[tuple[str, str], Answer], least: float, failure: str) -> dict[str, Any]:
    orders: dict[str, float | None] = {}
    masses, reasons = [], []
    for order in ORDERS:
        answer = given.get((name, order))
        if answer is None:
            orders[order] = None
            reasons.append(failure or "not asked")
            continue
        score, mass = expected_score(answer.top, least)
        orders[order] = None if score is None else round(score, 5)
        masses.append(mass)
        if score is None:
            limit = "more than 1" if mass > 1 else f"under min_digit_mass {least:g}"
            said = f"digits 1 to 5 hold {mass:.3g} of the answer's probability, {limit}"
            reasons.append(f"{said}; it said {answer.text[:40]!r}")
    values = [score for score in orders.values() if score is not None]
    whole = len(values) == len(ORDERS)
    entry = {
        "score": round(sum(values) / len(values), 5) if whole else None,
        "orders": orders,
        "difference": round(max(values) - min(values), 5) if whole else None,
        "mass": round(min(masses), 5) if masses else None,
    }
    return entry if whole else entry | {"reason": "; ".join(dict.fromkeys(reasons))}


class _Answers:
    """The answers of a pair's judge.json; `asked` counts new requests, `found` stored answers."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._known = dict(JudgeAnswers.read(store).answers) if store.is_file() else {}
        self.asked = self.found = 0

    def of(self, judge: JudgeBackend, key: tuple[str, str], question: Question) -> Answer:
        """The stored answer, else the judge's, which is stored at once."""
        digest = question.digest(judge.asked_model)
        if digest in self._known:
            self.found += 1
            known = self._known[digest]
            return Answer(known.text, tuple((token, logprob) for token, logprob in json.loads(known.top)))
        answer = judge.ask(question)
        self.asked += 1
        self._known[digest] = JudgeAnswer(
            dimension=key[0],
            order=key[1],
            model=judge.asked_model,
            text=answer.text,
            top=json.dumps(answer.top, ensure_ascii=False),
            **answer.facts,
        )
        JudgeAnswers(answers=self._known).write(self._store)
        return answer

"""The two kinds of session: pairs of one run, and the same pairs of two runs side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pvtt.records.ids import stable_hash
from pvtt.records.layout import Layout, require_run
from pvtt.records.review import DIRECTIONS, ComparisonAnswer, ReviewAnswer, Scales
from pvtt.reporting.review import queue
from pvtt.reporting.review.answers import AnswerFile
from pvtt.reporting.review.form import comparison_rows, rows_of
from pvtt.reporting.review.session import Session


class ReviewSession(Session):
    """Pairs of one run, and the clean backgrounds of their clips."""

    def __init__(self, results: Path, rater: str, seed: int, limit: int, duplicates: float) -> None:
        self._file = AnswerFile(Layout(results).review_answers, ReviewAnswer)
        chosen = queue.choose(queue.candidates(results, seed), seed, limit)
        questions = queue.with_backgrounds(queue.build(chosen, rater, seed, duplicates), results)
        super().__init__(results, rater, seed, questions)

    def _is_mine(self, answer: Any) -> bool:
        return bool(answer.rater == self.rater and answer.seed == self.seed)

    def _runs(self, question: queue.Question) -> dict[str, Path]:
        return {"result": self.results}

    def _judged_views(self, question: queue.Question) -> tuple[str, ...]:
        return ("result",) if question.pair else ("background",)

    def _rows(self, question: queue.Question) -> list[dict[str, Any]]:
        return rows_of(question.task)

    def _record(self, question: queue.Question, head: dict[str, Any], digests: dict[str, str], values: Any) -> Any:
        scales = {name: values[name] for name in Scales.model_fields if name in values}
        verdicts = {name: values[name] for name in DIRECTIONS[question.task] if name in values}
        (digest,) = digests.values()
        rest = {"task": question.task, "digest": digest, "scales": scales or None, "verdicts": verdicts}
        return ReviewAnswer.of(head | rest, "the answer")

    def _empty(self) -> dict[str, Any]:
        return {"scales": None, "verdicts": {}}

    def _values(self, answer: Any) -> dict[str, Any]:
        plain = answer.plain()
        return {**(plain["scales"] or {}), **plain["verdicts"]}


class ComparisonSession(Session):
    """The same pairs of two runs side by side; which run is left is hidden and differs from pair to pair."""

    def __init__(self, results: Path, against: Path, rater: str, seed: int, limit: int, duplicates: float) -> None:
        require_run(against)
        self.against, self._name_of_b = against, relative(against, results)
        self._file = AnswerFile(Layout(results).review_comparisons, ComparisonAnswer)
        pairs = queue.in_both(queue.candidates(results, seed), results, against)
        super().__init__(results, rater, seed, queue.build(queue.choose(pairs, seed, limit), rater, seed, duplicates))

    def _is_mine(self, answer: Any) -> bool:
        return bool(answer.rater == self.rater and answer.seed == self.seed and answer.against == self._name_of_b)

    def _sides(self, question: queue.Question) -> dict[str, str]:
        """Run a or b on the left, by a hash; a repetition has its own."""
        turned = stable_hash(self.seed, self.rater, "sides", *question.key) % 2
        return {"left": "b", "right": "a"} if turned else {"left": "a", "right": "b"}

    def _runs(self, question: queue.Question) -> dict[str, Path]:
        folders = {"a": self.results, "b": self.against}
        return {side: folders[run] for side, run in self._sides(question).items()}

    def _judged_views(self, question: queue.Question) -> tuple[str, ...]:
        return ("left", "right")

    def _rows(self, question: queue.Question) -> list[dict[str, Any]]:
        return comparison_rows()

    def _record(self, question: queue.Question, head: dict[str, Any], digests: dict[str, str], values: Any) -> Any:
        grades: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            side, _, scale = name.partition(".")
            if scale:
                grades.setdefault(side, {})[scale] = value
        rest = {"against": self._name_of_b, "sides": self._sides(question), "digests": digests, "grades": grades}
        return ComparisonAnswer.of(head | rest | {"preference": values.get("preference")}, "the answer")

    def _empty(self) -> dict[str, Any]:
        return {"grades": {}, "preference": None}

    def _values(self, answer: Any) -> dict[str, Any]:
        plain = answer.plain()
        grades = {f"{side}.{name}": value for side, row in plain["grades"].items() for name, value in row.items()}
        return grades | {"preference": plain["preference"]}


def relative(against: Path, results: Path) -> str:
    """Name of run b in the answers: its folder relative to run a's, however both were written."""
    return Path(os.path.relpath(against.resolve(), results.resolve())).as_posix()

"""Rubric of the judge: its questions, and the scores of its answers.

The wording is in `rubric.yaml`. A score is the expected value of the digits 1 to 5 under the probabilities of the
answer's only token (Liu et al., G-Eval, EMNLP 2023), which is finer than the digit itself. Without enough probability
on the digits there is no score. Each question is asked with two orders of the images, since judges have a position bias
(Wang et al., Large language models are not fair evaluators, ACL 2024); the score is the mean of both.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pvtt.stages.scoring.judges.base import Question

ORDERS = {"source_first": ("source", "result", "closeups"), "result_first": ("result", "closeups", "source")}
_DIGITS = tuple("12345")
_TITLE_CHARACTERS = 120  # characters of a title that the judge is told
_KEPT = set(" .,-&/()+%'")  # punctuation that stays in a title
_MAX_MASS = 1.01  # probability: above it the log-probabilities are invalid


@cache
def rubric() -> dict[str, Any]:
    """The content of rubric.yaml."""
    content: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("rubric.yaml").read_text(encoding="utf-8"))
    return content


def questions(pictures: Mapping[str, bytes], title: str, explain: bool) -> dict[tuple[str, str], Question]:
    """Questions about one pair, keyed by (dimension, order).

    The question comes after the images, so that a server can cache the common prefix.

    Parameters
    ----------
    pictures
        JPEG files by the rubric's labels; see `contact_sheets.judge_contact_sheets`.
    title : str
        Title of the target product; may be empty.
    explain : bool
        Add a last question, ("explain", order), that is answered in JSON with a reason per dimension.
    """
    words, found = rubric(), {}
    for order, names in ORDERS.items():
        parts: list[str | bytes] = []
        for name in ("photos", *names):
            parts += [words["labels"][name], pictures[name]]
        if data := data_field(title):
            parts.append(data)
        for dimension, question in words["dimensions"].items():
            ask = words["ask"].format(question=question)
            found[dimension, order] = Question(words["system"], (*parts, ask))
    if explain:
        listed = " ".join(f"{name}: {text}" for name, text in words["dimensions"].items())
        ask = words["explain"].format(questions=listed)
        found["explain", order] = Question(words["system"], (*parts, ask), explain_schema(), 600)
    return found


def explain_schema() -> dict[str, Any]:
    """JSON schema of the explained answer: a grade and a reason per dimension."""
    grade = {"type": "integer", "minimum": 1, "maximum": 5}
    one = {"grade": grade, "reason": {"type": "string", "maxLength": 200}}
    entry = {"type": "object", "properties": one, "required": list(one), "additionalProperties": False}
    names = list(rubric()["dimensions"])
    return {
        "type": "object",
        "properties": dict.fromkeys(names, entry),
        "required": names,
        "additionalProperties": False,
    }


def data_field(title: str) -> str:
    """Line of the prompt with the product's title as JSON; empty without a title."""
    clean = clean_title(title)
    return str(rubric()["data"]).format(data=json.dumps({"title": clean}, ensure_ascii=False)) if clean else ""


def clean_title(title: str) -> str:
    """Letters, digits and plain punctuation of a title, on one line, at most 120 characters.

    Quotes, brackets and control characters become spaces, so that a title can neither end its line or JSON string nor
    contain a special token of a chat format such as <|im_end|>.
    """
    plain = unicodedata.normalize("NFKC", title)
    kept = "".join(c if c in _KEPT or unicodedata.category(c)[0] in "LMN" else " " for c in plain)
    return " ".join(kept.split())[:_TITLE_CHARACTERS].rstrip()


def expected_score(top: Sequence[tuple[str, float]], min_mass: float) -> tuple[float | None, float]:
    """Expected value of the digits 1-5, and their share of the probability (0-1).

    Parameters
    ----------
    top
        Tokens with natural log-probabilities; spaces around a digit are ignored.
    min_mass : float
        Least share of the probability (0-1). With less, or with more than 1 (invalid), the expected value is None.
    """
    weights = dict.fromkeys(_DIGITS, 0.0)
    for token, logprob in top:
        if token.strip() in weights:
            weights[token.strip()] += math.exp(logprob)
    mass = sum(weights.values())
    if mass > _MAX_MASS or mass <= 0 or mass < min_mass:
        return None, mass
    return sum(int(digit) * weight for digit, weight in weights.items()) / mass, min(1.0, mass)

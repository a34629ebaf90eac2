"""The judge's questions, and what its answers are worth.

The wording stands in `rubric.yaml`. A score is the expectation over the digits 1 to 5 under the probabilities of the
answer's only token (Liu et al., EMNLP 2023), which is finer than the digit itself. Where the digits hold too little of
the probability there is no score. Two orders of the pictures are asked, since judges favour places (Wang et al., ACL
2024); a score is the mean of both.
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
_TITLE_CHARACTERS = 120
_KEPT = set(" .,-&/()+%'")


@cache
def rubric() -> dict[str, Any]:
    """The content of rubric.yaml."""
    return yaml.safe_load(Path(__file__).with_name("rubric.yaml").read_text(encoding="utf-8"))


def questions(pictures: Mapping[str, bytes], title: str, explain: bool) -> dict[tuple[str, str], Question]:
    """What to ask of one pair, by (dimension, order); that of `explain`, the last, is answered in JSON.

    `pictures`: JPEG bytes by the rubric's labels. What differs between questions stands last, so that a server can
    keep what it has read of the pictures.
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
    """JSON schema of the answer with a grade and its reason per dimension."""
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
    """The line that carries a product's title as JSON; empty without a title."""
    clean = clean_title(title)
    return rubric()["data"].format(data=json.dumps({"title": clean}, ensure_ascii=False)) if clean else ""


def clean_title(title: str) -> str:
    """Letters, digits and plain punctuation of a title, on one line, at most 120 characters.

    Quotes, brackets and control characters become spaces, so that nothing in a title can end its line or its JSON
    string, or spell one of a chat format's own marks such as <|im_end|>.
    """
    plain = unicodedata.normalize("NFKC", title)
    kept = "".join(c if c in _KEPT or unicodedata.category(c)[0] in "LMN" else " " for c in plain)
    return " ".join(kept.split())[:_TITLE_CHARACTERS].rstrip()


def expected_score(top: Sequence[tuple[str, float]], min_mass: float) -> tuple[float | None, float]:
    """Expectation over the digits 1..5, and the share (0..1) of the probability that they hold.

    `top`: tokens with natural log-probabilities; spaces around a digit do not count. None when the share is under
    `min_mass`, or above 1, which is no probability.
    """
    weights = dict.fromkeys(_DIGITS, 0.0)
    for token, logprob in top:
        if token.strip() in weights:
            weights[token.strip()] += math.exp(logprob)
    mass = sum(weights.values())
    if mass > 1.01 or mass <= 0 or mass < min_mass:
        return None, mass
    return sum(int(digit) * weight for digit, weight in weights.items()) / mass, min(1.0, mass)

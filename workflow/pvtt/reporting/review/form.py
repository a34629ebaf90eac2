"""What the page asks: rows of a form, each with the keys that fill it."""

from __future__ import annotations

from typing import Any, get_args

from pvtt.records.review import Direction, Reason, Scales, Side, StudyGrades, Task

Row = dict[str, Any]
REASON_LABELS: dict[Reason, str] = {
    "residue": "old product left",
    "halo": "halo or plate",
    "scale": "wrong scale",
    "contact": "floats, no contact",
    "torn": "torn or flickers",
    "wrong_product": "wrong product",
    "hand": "hand broken",
    "background": "background damaged",
    "shadow": "shadow left",
    "other": "other",
}
# Reasons that are offered, in the order of their keys 1 to 9.
_REASONS: dict[Task, tuple[Reason, ...]] = {
    "pair": ("residue", "halo", "scale", "contact", "torn", "wrong_product", "hand", "background", "other"),
    "background": ("residue", "shadow", "background", "torn", "hand", "other"),
}
_DIRECTIONS: dict[Task, tuple[tuple[Direction, str, str], ...]] = {
    "pair": (
        ("forward", "Forward", "source → result. Is the result good enough as the target of training?"),
        ("reverse", "Reverse", "result → source. Is the result good enough as an input? The target is the real video."),
    ),
    "background": (
        ("insert", "Insert", "background → source. Is the background good enough as an input?"),
        ("remove", "Remove", "source → background. Is the background good enough as the target of training?"),
    ),
}
_SCALES = {
    "product": ("Right product?", "1 another product", "5 exactly the one of the photos"),
    "realism": ("Looks real?", "1 a bad collage", "5 as if filmed"),
    "rest": ("Rest untouched?", "1 damaged", "5 nothing else changed"),
}
_GRADES = {
    "quality": ("Quality", "Do the pictures look real and clean?"),
    "fidelity": ("Fidelity", "Is it the product of the photos?"),
    "smoothness": ("Smoothness", "Does it move without flicker and jumps?"),
    "diversity": ("Diversity", "Do pose and light change with the scene?"),
}


def rows_of(task: Task) -> list[Row]:
    """Rows for a pair or a background."""
    scales = [_scale(name, *_SCALES[name]) for name in Scales.model_fields] if task == "pair" else []
    reasons = [{"value": reason, "label": REASON_LABELS[reason]} for reason in _REASONS[task]]
    verdicts = [
        {"id": name, "type": "verdict", "label": label, "hint": hint, "reasons": reasons}
        for name, label, hint in _DIRECTIONS[task]
    ]
    return [*scales, *verdicts]


def comparison_rows() -> list[Row]:
    """Rows for the same pair of two runs: four grades for each side, and a preference."""
    grades = [
        {"id": f"{side}.{name}", "type": "scale", "max": 4, "group": label, "label": side.capitalize(), "hint": hint}
        for name, (label, hint) in ((name, _GRADES[name]) for name in StudyGrades.model_fields)
        for side in get_args(Side)
    ]
    options = [{"key": key, "value": value, "label": value} for key, value in _PREFERENCES]
    hint = "Which of the two would you rather train from?"
    return [*grades, {"id": "preference", "type": "choice", "label": "Better", "hint": hint, "options": options}]


_PREFERENCES = (("l", "left"), ("r", "right"), ("t", "tie"))


def _scale(name: str, label: str, low: str, high: str) -> Row:
    return {"id": name, "type": "scale", "max": 5, "label": label, "hint": f"{low}, {high}"}

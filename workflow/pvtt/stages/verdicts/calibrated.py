"""Calibrations: where they are, and the probability that they give an item with certain measures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvtt.io.files import file_digest
from pvtt.io.project_files import project_file
from pvtt.records.calibration import Calibration, Term

_SHOWN = 3  # weakest measures that a reason names


class NoCalibrationError(ValueError):
    """The settings name a calibration that is not there."""


def chosen_calibration(setting: str, shipped: str) -> dict[str, str]:
    """The calibration that a setting names, as the parameter of a rule.

    Parameters
    ----------
    setting : str
        `none`, `shipped`, or the path of a file.
    shipped : str
        Name of the project's own calibration that `shipped` stands for.

    Returns
    -------
    dict
        `name` (of a calibration of the project, or a path) and `digest` of its content, so that a new one judges again;
        {} for `none`, and for `shipped` where the project has no such calibration.

    Raises
    ------
    NoCalibrationError
        The setting names a file that is not there.
    """
    name = shipped if setting == "shipped" else setting
    path = _file(name)
    if setting != "none" and path.is_file():
        return {"name": name, "digest": file_digest(path)}
    if setting in ("none", "shipped"):
        return {}
    raise NoCalibrationError(f"verdicts: there is no calibration {setting}; make it with `pvtt calibrate`, or set none")


def read_calibration(chosen: Mapping[str, str]) -> Calibration | None:
    """The calibration that `chosen_calibration` found; None for {}."""
    return Calibration.read(_file(chosen["name"])) if chosen else None


def _file(name: str) -> Path:
    """File of a calibration: a path ends in .json, a name is one of the project's."""
    return Path(name) if name.endswith(".json") else project_file(f"resources/calibration/{name}.json")


def fits(calibration: Calibration, backend: str, measures: Mapping[str, Any]) -> bool:
    """Whether a calibration was learnt from results of a backend, and the measures hold what it requires."""
    return calibration.backend == backend and all(measures.get(name) is not None for name in calibration.requires)


def marks(terms: list[Term], measures: Mapping[str, Any]) -> NDArray[np.float64]:
    """Mark of every term, float64 (n_terms,) in [0, 1]; the term's `absent` where there is no finite number."""
    found = np.empty(len(terms))
    for index, term in enumerate(terms):
        value: Any = measures.get(term.measure)
        if isinstance(value, int | float) and np.isfinite(value):
            found[index] = (value - term.low) / (term.high - term.low)
        else:
            found[index] = term.absent
    return np.asarray(found.clip(0, 1))


def probability(calibration: Calibration, measures: Mapping[str, Any]) -> float:
    """Probability that an item with these measures is good, 0 to 1."""
    weights = np.array([term.weight for term in calibration.terms])
    raw = sigmoid(calibration.offset + float(weights @ marks(calibration.terms, measures)))
    if not calibration.isotonic:
        return float(raw)
    knots = np.array(calibration.isotonic, float)
    return float(np.interp(raw, knots[:, 0], knots[:, 1]))


def weakest(calibration: Calibration, measures: Mapping[str, Any]) -> list[str]:
    """Names of the measures that cost the item most, the costliest first; at most three."""
    costs = np.array([term.weight for term in calibration.terms]) * (1 - marks(calibration.terms, measures))
    return [calibration.terms[k].measure for k in np.argsort(-costs)[:_SHOWN] if costs[k] > 0]


def sigmoid(values: Any) -> Any:
    """Logistic function of a number or an array."""
    return 1 / (1 + np.exp(-np.clip(values, -500, 500)))

"""The benchmark as a guard: headline figures against a stored baseline, each with the margin that is noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def headline(bench: Mapping[str, Any]) -> dict[str, float | None]:
    """Value of every row of a bench.json by its name, `stage/backend/mode/metric`."""
    return {name_of(row): row["value"] for row in bench["summary"]}


def name_of(row: Mapping[str, Any]) -> str:
    """Name of a row of the summary."""
    return "/".join(str(row[key]) for key in ("stage", "backend", "mode", "metric"))


def compare(bench: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[str]:
    """What got worse, in words; empty when nothing did.

    `bench` is the content of bench.json; `baseline` maps the name of a figure to `value`, `better` ('higher' or
    'lower') and `margin`, the change that is noise. A figure of the baseline that is not there is worse, too.
    """
    found = headline(bench)
    problems = []
    for name, kept in baseline.items():
        value = found.get(name)
        if value is None:
            problems.append(f"{name}: not measured, the baseline has {kept['value']:.4g}")
            continue
        sign = 1 if kept["better"] == "higher" else -1
        if sign * (value - kept["value"]) < -kept["margin"]:
            problems.append(f"{name}: {value:.4g}, the baseline is {kept['value']:.4g} (noise {kept['margin']:.2g})")
    return problems


def make_baseline(bench: Mapping[str, Any], margins: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    """A baseline from a bench.json: the figures named in `margins`; KeyError for one that was not measured."""
    rows = {name_of(row): row for row in bench["summary"] if row["value"] is not None}
    return {
        name: {"value": round(rows[name]["value"], 6), "better": rows[name]["better"], "margin": margin}
        for name, margin in margins.items()
    }

"""Runs side by side: the same clips or pairs through two or more backends of a stage, in one page with their figures.

A run is a results folder. What differs between runs is read from the provenance of their records. Only what all runs
made from the same inputs is compared; the rest is counted and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.reporting.compare.costs import spent
from pvtt.reporting.compare.figures import differences, summary
from pvtt.reporting.compare.matching import Item, clip_items, pair_items
from pvtt.reporting.compare.run_loading import Results, differing_stages, notes_on, read_results
from pvtt.reporting.costs import money

__all__ = ["Comparison", "Section", "compare"]


@dataclass(frozen=True)
class Section:
    """What is compared of one kind of item, `clip` or `pair`.

    items: those that can be compared. left_out: reason -> ids of the others. runs: one summary per run. differences:
    figures of every further run less those of the first, see `figures.differences`.
    """

    unit: str
    items: list[Item]
    left_out: dict[str, list[str]]
    runs: list[dict[str, Any]]
    differences: list[dict[str, Any]]


@dataclass(frozen=True)
class Comparison:
    """Runs, what differs between them (stage -> one text per run), notes for the reader, and the sections."""

    runs: list[Results]
    stages: dict[str, list[str]]
    notes: list[str]
    sections: list[Section]
    price_per_hour: float | None

    def labels(self) -> dict[str, str]:
        """Runs' names, each with its backends at the stages that differ."""
        found = {}
        for run in self.runs:
            ways = [next(iter(run.variants[stage].values())) for stage in self.stages]
            made = ", ".join(f"{way.backend} {way.version}" for way in ways)
            found[run.name] = f"{run.name} ({made})" if made else run.name
        return found


def compare(folders: Sequence[Path], price_per_hour: float | None = None) -> Comparison:
    """Compare results folders, two at least; the first is the reference of the differences.

    ValueError when there are fewer than two, or when one is no results folder.
    """
    if len({folder.resolve() for folder in folders}) < max(2, len(folders)):
        raise ValueError("name two or more different results folders")
    runs = read_results(folders)
    stages = differing_stages(runs)
    sections = []
    if {"segmentation", "background"} & stages.keys():
        sections.append(_section("clip", runs, *clip_items(runs, list(stages)), False, price_per_hour))
    rescored = "scoring" in stages
    sections.append(_section("pair", runs, *pair_items(runs, list(stages)), rescored, price_per_hour))
    return Comparison(runs, stages, notes_on(runs, stages), sections, price_per_hour)


def _section(
    unit: str,
    runs: list[Results],
    items: list[Item],
    left_out: dict[str, list[str]],
    rescored: bool,
    price: float | None,
) -> Section:
    rows = []
    for number, run in enumerate(runs):
        row = {"run": run.name} | summary([item.outcomes[number] for item in items])
        cost = spent(run, unit, items)
        row |= {"seconds_by_stage": cost, "seconds": round(sum(cost.values()), 3)}
        row["seconds_per_accepted"] = round(row["seconds"] / row["accepted"], 3) if row["accepted"] else None
        if price is not None:
            row["cost_per_accepted"] = money(row["seconds_per_accepted"], price)
        rows.append(row)
    found = [] if rescored else differences(items, [run.name for run in runs])
    return Section(unit, items, left_out, rows, found)

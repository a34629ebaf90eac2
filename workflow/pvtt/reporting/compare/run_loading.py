"""Results folders read back, and what differs between them: backends, versions, models and settings by provenance."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pvtt.records.base import Provenance
from pvtt.records.layout import Layout, require_run
from pvtt.records.results_format import check_results
from pvtt.records.run_summary import Record, Run, provenances, read_run
from pvtt.reporting.compare.forking import STAGES
from pvtt.stages.catalogue import read_table

_LIMIT = re.compile(r"\b((?:min|max)_\w+) (\S+)$")


@dataclass(frozen=True)
class Results:
    """A run to compare: its name on the page, its folder, its records; `filtered` says that its pairs have verdicts.

    variants: stage -> key -> provenance of the first result of that backend, version, models and settings.
    """

    name: str
    folder: Path
    run: Run
    filtered: bool
    variants: dict[str, dict[str, Provenance]]

    def clips(self) -> dict[str, Record]:
        """Clips by id."""
        return {shot["clip_id"]: shot for shot in self.run.shots if shot["status"] == "accepted"}

    def pairs(self) -> dict[str, Record]:
        """Planned pairs by id."""
        return {pair["pair_id"]: pair for pair in self.run.planned()}

    def titles(self) -> dict[str, str]:
        """Titles of the products by id; the id where there is none."""
        return {row["product_id"]: row["title"] or row["product_id"] for row in self.run.products}


def read_results(folders: Sequence[Path]) -> list[Results]:
    """Read every folder; ValueError for one without a clip table or of another format."""
    return [_read(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def differing_stages(runs: Sequence[Results]) -> dict[str, list[str]]:
    """Stages at which the runs' results were made in different ways, with each run's way in words."""
    found = {}
    for stage in STAGES:
        ways = [run.variants.get(stage, {}) for run in runs]
        if all(ways) and any(way.keys() != ways[0].keys() for way in ways):
            found[stage] = _in_words(ways)
    return found


def notes_on(runs: Sequence[Results], stages: Mapping[str, list[str]]) -> list[str]:
    """What a reader has to know before believing the figures."""
    notes = []
    if not stages:
        notes.append("All stages of these runs have the same backends, versions, models and settings.")
    if len(stages) > 1:
        notes.append(f"The runs differ in {len(stages)} stages ({', '.join(stages)}): no figure says which made it so.")
    if "scoring" in stages:
        notes.append("The runs were scored in different ways: scores are not subtracted, nor are acceptance rates.")
    for run in runs:
        mixed = [stage for stage, ways in run.variants.items() if len(ways) > 1]
        if mixed:
            notes.append(
                f"{run.name} mixes results of several settings or versions ({', '.join(mixed)}): run it again."
            )
        if not run.filtered:
            notes.append(f"{run.name} has no verdicts on its pairs: run it to its end to compare them.")
    return notes + _other_filters(runs)


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' names, with as many parents as tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for depth in range(1, max(map(len, parts)) + 1):
        names = ["/".join(part[-depth:]) for part in parts]
        if len(set(names)) == len(names):
            break
    return names


def _read(folder: Path, name: str) -> Results:
    require_run(folder)
    check_results(folder)
    files = Layout(folder)
    filtered = files.filtered.is_file()
    pairs = pd.read_parquet(files.pairs) if filtered else pd.DataFrame()
    verdicts = pd.read_parquet(files.filtered) if filtered else pd.DataFrame()
    tables = (read_table(files.catalogue), read_table(files.clips))
    run = read_run(folder, *tables, pairs, verdicts)
    variants: dict[str, dict[str, Provenance]] = {stage: {} for stage in STAGES}
    weights = {"weights": verdicts.attrs["weights"]} if "weights" in verdicts.attrs else {}
    for stage, made in provenances(run):
        if stage in variants:
            # The weights are part of how the quality was made.
            way = made.model_copy(update={"settings": made.settings | weights}) if stage == "scoring" else made
            variants[stage].setdefault(_key(way), way)
    return Results(name, folder, run, filtered, variants)


def _key(made: Provenance) -> str:
    models = [(model.id, model.commit) for model in made.models]
    parts = [made.backend, made.version, made.measured_by, models, made.settings]
    return json.dumps(parts, sort_keys=True)


def _in_words(ways: list[dict[str, Provenance]]) -> list[str]:
    """Each run's way: backend and version, and the settings, judge and models where these differ."""
    flat = [[_flat(made) for made in way.values()] for way in ways]
    keys = sorted({key for records in flat for record in records for key in record})
    seen = {key: {str(record.get(key, "-")) for records in flat for record in records} for key in keys}
    told = [key for key in keys if len(seen[key]) > 1 and key not in ("backend", "version", "settings.backend")]
    texts = []
    for records in flat:
        one = []
        for record in records:
            more = [f"{key.removeprefix('settings.')} {record[key]}" for key in told if key in record]
            one.append(f"{record['backend']} {record['version']}" + (f" ({', '.join(more)})" if more else ""))
        texts.append("; ".join(one))
    return texts


def _flat(made: Provenance) -> dict[str, Any]:
    """Backend, version, models and settings as one level of keys with dots."""
    found: dict[str, Any] = {"backend": made.backend, "version": made.version}
    if made.measured_by:
        found["measured by"] = made.measured_by
    found |= {f"model {model.id}": model.commit[:12] for model in made.models}

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, inner in value.items():
                add(f"{name}.{key}", inner)
        else:
            found[name] = value

    add("settings", made.settings)
    return found


def _other_filters(runs: Sequence[Results]) -> list[str]:
    """Limits that stand in the reasons of rejection and are not the same in all runs."""
    limits: dict[str, set[str]] = {}
    for run in runs:
        for pair in run.run.planned():
            for name, limit in (match.groups() for match in map(_LIMIT.search, pair["reasons"]) if match):
                limits.setdefault(name, set()).add(limit)
    return [
        f"The filters differ: {name} is {' and '.join(sorted(found))}. Acceptance is each run's own filter's."
        for name, found in sorted(limits.items())
        if len(found) > 1
    ]

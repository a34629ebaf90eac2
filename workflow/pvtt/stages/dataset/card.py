"""The dataset card: README.md of the published dataset, generated from its annotations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from pvtt.backends.stages import WITH_BACKENDS
from pvtt.config.stages.dataset import DatasetSettings
from pvtt.records.base import ModelUsed
from pvtt.records.run_summary import Record, Run, provenances


def render_card(run: Run, records: Mapping[str, Any], settings: DatasetSettings) -> str:
    """Markdown of the card; `records` has the content of pairs.json and statistics.json."""
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["cell"] = _cell
    template = environment.from_string((Path(__file__).parent / "card.md").read_text(encoding="utf-8"))
    one_way = sum(entry["direction"]["reverse"] is None for entry in records["pairs"]["pairs"])
    return template.render(
        settings=settings,
        statistics=records["statistics"],
        backends=_backends(run),
        models=_models(run),
        products=_source_products(records["pairs"]["pairs"]),
        one_way=one_way,
        lighting_measured=records["statistics"]["scores"]["lighting"] is not None,
    )


def _cell(value: object) -> str:
    """Text of a feed inside a Markdown table: one line, no markup."""
    line = " ".join(str(value).split())
    return re.sub(r"([|*_`\[\]\\])", r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;"))


def _backends(run: Run) -> list[Record]:
    """Every backend that made something, once, in the order of the stages."""
    found: dict[tuple[str, ...], Record] = {}
    for stage, made in provenances(run):
        fields = {key: str(getattr(made, key) or "") for key in ("backend", "version", "licence")}
        fields["models"] = ", ".join(model.id for model in made.models)
        found.setdefault((stage, *fields.values()), {"stage": stage, **fields})
    return sorted(found.values(), key=lambda row: (WITH_BACKENDS.index(row["stage"]), row["backend"], row["version"]))


def _models(run: Run) -> list[ModelUsed]:
    """Every model that made something, once, by id; one used at two commits stands twice."""
    used = [model for _, made in provenances(run) for model in made.models]
    found = {(model.id, model.commit): model for model in used}
    return [found[key] for key in sorted(found)]


def _source_products(entries: list[Record]) -> list[Record]:
    products = {side["id"]: side for entry in entries for side in (entry["source"], entry["target"])}
    return [products[key] for key in sorted(products)]

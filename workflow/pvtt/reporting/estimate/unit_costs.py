"""Time and size of one item of each stage with their basis: records of the run, else `resources/costs.yaml`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import yaml

from pvtt.backends import registry, requirements, stages
from pvtt.io.project_files import project_file
from pvtt.records.canaries import KINDS
from pvtt.reporting.costs import spread
from pvtt.reporting.estimate.existing_results import ExistingResult

COSTS = project_file("resources/costs.yaml")
# Stages that need computing time or storage, in the order in which they run; rules that work once per clip stand before
# their stage, rules that work on canaries after it.
STAGES = tuple(
    name
    for stage in stages.TABLE
    if stage.backends or stage.name in ("cutting", "dataset")
    for name in (*stage.clip_rules, stage.name, *stage.canary_rules)
)
_PLAN = "the plan's table, per item"


Loads = Mapping[str, Sequence[float]]


@dataclass(frozen=True)
class Figure:
    """A number and its source.

    kind: `measured` (on `items` of this run), `elsewhere` (measured, not in this run), `plan` or `assumption`.
    """

    value: float
    kind: str
    source: str
    items: int = 0

    @property
    def basis(self) -> str:
        """The kind in a few words."""
        words = {"measured": f"measured on {self.items:,}", "elsewhere": "measured elsewhere", "plan": "plan's figure"}
        return words.get(self.kind, "assumption")

    def record(self) -> dict[str, Any]:
        """The figure for JSON."""
        return asdict(self) | {"basis": self.basis}


@dataclass(frozen=True)
class Price:
    """Cost of one item of a stage: backend, kind of item, whether it needs a GPU, time in s, load time in s, bytes."""

    stage: str
    backend: str
    item: str
    gpu: bool
    seconds: Figure
    load_s: Figure
    bytes: Figure


@cache
def costs() -> dict[str, Any]:
    """`resources/costs.yaml`."""
    return dict(yaml.safe_load(COSTS.read_text(encoding="utf-8")))


def assumption(name: str) -> Figure:
    """One of the assumptions of `costs.yaml`."""
    entry = costs()["assumptions"][name]
    return Figure(entry["value"], "assumption", entry["source"])


def plan_prices() -> dict[str, Price]:
    """Cost of an item by stage, from the plan."""
    return {stage: _plan_price(stage) for stage in STAGES}


def backend_prices(
    config: Mapping[str, Any], made: Mapping[str, Sequence[ExistingResult]], loads: Mapping[str, Loads] | None = None
) -> dict[str, Price]:
    """Cost of an item by stage, for the chosen backends.

    Parameters
    ----------
    config
        Resolved settings.
    made
        Existing results by stage. Results with the current settings are preferred, then those of the same backend and
        models. Without any, the figures of `costs.yaml` are used.
    loads
        Load times in s by stage and backend; a worker loads the backends one after the other.
    """
    prices: dict[str, Price] = {}
    for stage in STAGES:
        results = made.get(stage, ())
        if stage in stages.CANARY_RULES:
            prices[stage] = _canary_price(stage, prices[stages.of_rule(stage)], results)
        else:
            prices[stage] = _backend_price(stage, config, results, (loads or {}).get(stage, {}))
    return prices


def _plan_price(stage: str) -> Price:
    entry = costs()["plan"][stage]
    return Price(
        stage=stage,
        backend="plan",
        item=entry["item"],
        gpu=entry["gpu"],
        seconds=Figure(entry["seconds"], "plan", _PLAN),
        load_s=Figure(entry.get("load_s", 0), "assumption", "a minute for a large model, not in the plan"),
        bytes=Figure(entry["megabytes"] * 1e6, "plan", _PLAN),
    )


def _backend_price(stage: str, config: Mapping[str, Any], made: Sequence[ExistingResult], loads: Loads) -> Price:
    plan = _plan_price(stage)
    if stage == "dataset":
        return Price(stage, "-", plan.item, False, plan.seconds, plan.load_s, _measured(made, "bytes") or plan.bytes)
    if stage in ("cutting", *stages.CLIP_RULES):
        name, needs, gpu, parts = ("cut_clip" if stage == "cutting" else stage), [], False, []
    else:
        parts = registry.selected_backends(stage, config[stage])
        name, needs = parts[0].name, list(dict.fromkeys(model for part in parts for model in part.needs))
        gpu = requirements.gpus_needed(stage, config[stage]) > 0
    known = costs()["backends"][stage]
    entry: dict[str, Any] = next(
        (known[key] for key in [*(f"{name}/{model}" for model in needs), name] if key in known), {}
    )
    seconds = Figure(entry["seconds"], "elsewhere", entry["source"]) if entry else plan.seconds
    load = Figure(entry["load_s"], "elsewhere", entry["source"]) if "load_s" in entry else plan.load_s
    load = _loading([loads[part.name] for part in parts if part.name in loads]) or load
    like = [one for one in made if one.current] or [
        one for one in made if (one.backend, one.models) == (name, frozenset(needs))
    ]
    size = Figure(entry["megabytes"] * 1e6, "elsewhere", entry["source"]) if "megabytes" in entry else plan.bytes
    return Price(
        stage=stage,
        backend=name,
        item=plan.item,
        gpu=gpu,
        # What rules of a clip leave does not say how long it took.
        seconds=seconds if stage in stages.CLIP_RULES else _measured(like, "seconds") or seconds,
        load_s=load if gpu else Figure(0, "assumption", "no model to load"),
        bytes=_measured(like, "bytes") or size,
    )


def _canary_price(rule: str, scoring: Price, made: Sequence[ExistingResult]) -> Price:
    """Cost of the canaries of a clip: each is scored as a pair is."""
    each, kinds = scoring.seconds, len(KINDS)
    seconds = replace(each, value=kinds * each.value, source=f"{kinds} times a pair's score: {each.source}")
    size = replace(scoring.bytes, value=kinds * scoring.bytes.value)
    current = [one for one in made if one.current]
    return replace(
        scoring,
        stage=rule,
        item=costs()["plan"][rule]["item"],
        seconds=_measured(current, "seconds") or seconds,
        bytes=_measured(current, "bytes") or size,
    )


def reads_clip_model(config: Mapping[str, Any]) -> bool:
    """Whether the chosen insertion backend reads what `measure_clip` measures."""
    return bool(getattr(registry.selected_backends("insertion", config["insertion"])[0], "reads_clip_model", False))


def _loading(loads: Sequence[Sequence[float]]) -> Figure | None:
    if not loads:
        return None
    total = sum(spread(each)["mean"] for each in loads)
    return Figure(total, "measured", "loads of this run's warm workers", max(len(each) for each in loads))


def _measured(made: Sequence[ExistingResult], what: str) -> Figure | None:
    if not made:
        return None
    found = spread([float(getattr(one, what)) for one in made])
    others = "" if all(one.current for one in made) else ", made with other settings"
    return Figure(found["mean"], "measured", f"mean of this run's results{others}", found["results"])

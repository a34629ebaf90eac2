"""Estimate of a run: pairs, compute hours, storage, cost per accepted pair, and wall time on N nodes.

`planned_work` plans the pairs of a catalogue and finds existing results; `presets` are catalogues of a given size that
need not exist. Times and sizes per item come from the records of the run, else from `resources/costs.yaml`
(`unit_costs`). `schedule` computes wall time from packs and nodes. Every figure has its basis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

import pandas as pd

from pvtt.reporting.costs import money
from pvtt.reporting.estimate.existing_results import ExistingResult
from pvtt.reporting.estimate.planned_work import Feed, read_feed
from pvtt.reporting.estimate.presets import names, preset_of
from pvtt.reporting.estimate.schedule import Nodes, wall_time
from pvtt.reporting.estimate.unit_costs import (
    Figure,
    Price,
    assumption,
    backend_prices,
    costs,
    plan_prices,
    reads_clip_model,
)
from pvtt.stages.pairs.taxonomy import DIFFICULTIES

__all__ = ["EstimateOptions", "Nodes", "estimate_feed", "estimate_preset", "estimate_presets"]


@dataclass(frozen=True)
class EstimateOptions:
    """Options of an estimate besides the configuration.

    plan: use the figures of the plan instead of those of backends and records. Prices are per hour of a GPU or a core.
    """

    nodes: Nodes = field(default_factory=Nodes)
    plan: bool = False
    clips_per_video: float | None = None
    price_per_gpu_hour: float | None = None
    price_per_cpu_hour: float | None = None


def estimate_feed(config: Mapping[str, Any], options: EstimateOptions = EstimateOptions()) -> dict[str, Any]:
    """Estimate the run of a catalogue and results folder (resolved settings); a dict for JSON."""
    feed = read_feed(config, options.clips_per_video)
    made = {stage: work.made for stage, work in feed.work.items()}
    prices = plan_prices() if options.plan else backend_prices(config, made, feed.loads)
    planned = feed.planned()
    head = {
        "of": "feed",
        "catalogue": str(config["catalogue"]),
        "results": str(config["results"]),
        "products": feed.products,
        "photos": feed.photos,
        "clips": feed.clips,
        "assumed_clips": feed.assumed_clips,
        "pairs": _pairs(feed, planned),
    }
    items = {stage: len(work.items) for stage, work in feed.work.items()}
    there = {stage: work.there for stage, work in feed.work.items()}
    record = head | _cost(items, there, feed.packs(), prices, feed.verdicts, options)
    return record | {"notes": _notes(feed) + _of_size(len(planned))}


def estimate_preset(
    name: str, config: Mapping[str, Any], options: EstimateOptions = EstimateOptions()
) -> dict[str, Any]:
    """Estimate a preset with resolved settings; `against_plan` compares the totals with the plan."""
    size = preset_of(name)
    count = size.pairs(config)
    prices = plan_prices() if options.plan else backend_prices(config, {})
    pairs: dict[str, Any] = {"planned": count, "there": 0, "missing": count, "by_difficulty": None, "skipped": {}}
    head: dict[str, Any] = {"of": f"preset {name}", "products": size.products, "photos": size.products * size.photos}
    head |= {"clips": size.clips, "assumed_clips": size.clips, "pairs": pairs}
    whole, rest = divmod(count, config["pairs"]["pack_pairs"])
    packs = [config["pairs"]["pack_pairs"]] * whole + [rest] * (rest > 0)
    record = head | _cost(
        size.items(count, reads_clip_model(config), config["canaries"]), {}, packs, prices, None, options
    )
    found = {
        "pairs": count,
        "gpu_hours": record["totals"]["gpu_hours"]["total"],
        "gigabytes": record["totals"]["bytes"]["total"] / 1e9,
    }
    against = {
        key: {"plan": size.plan[key], "computed": value, "deviation": value / size.plan[key] - 1}
        for key, value in found.items()
    }
    note = "Difficulties follow from the products' categories: they are known with a catalogue only."
    why = size.why if options.plan else "Here: the figures of the chosen backends. --plan takes the plan's own."
    return record | {"against_plan": against | {"why": why}, "notes": [note, *_of_size(count)]}


def estimate_presets(
    configs: Mapping[str, Mapping[str, Any]], options: EstimateOptions = EstimateOptions()
) -> list[dict[str, Any]]:
    """Estimate presets, smallest first; `configs` has the resolved settings of each."""
    return [estimate_preset(name, configs[name], options) for name in names() if name in configs]


def _pairs(feed: Feed, planned: pd.DataFrame) -> dict[str, Any]:
    """Counts of pairs by difficulty, and of skipped candidates by reason."""
    there = {key[0] for key, one in feed.work["insertion"].items.items() if one and one.current}
    levels = {}
    for level in DIFFICULTIES:
        ids = planned.pair_id[planned.difficulty == level]
        done = int(ids.isin(there).sum())
        levels[level] = {"planned": len(ids), "there": done, "missing": len(ids) - done}
    skipped = feed.plan.reason[feed.plan.status != "planned"].value_counts()
    found = {key: sum(level[key] for level in levels.values()) for key in ("planned", "there", "missing")}
    return found | {"by_difficulty": levels, "skipped": {str(reason): int(n) for reason, n in skipped.items()}}


def _cost(
    items: Mapping[str, int],
    there: Mapping[str, Sequence[ExistingResult]],
    packs: Sequence[int],
    prices: Mapping[str, Price],
    verdicts: pd.DataFrame | None,
    options: EstimateOptions,
) -> dict[str, Any]:
    """Stages, totals, yield, wall time and money. there: current results. packs: pairs to compute of each."""
    stages = [_stage(price, items[stage], there.get(stage, ())) for stage, price in prices.items()]
    missing = {row["stage"]: row["missing"] for row in stages}
    times = wall_time(missing, packs, prices, options.nodes)
    totals = {"gpu_hours": _sums(stages, "hours", "gpu"), "cpu_hours": _sums(stages, "hours", "cpu")}
    totals["bytes"] = _sums(stages, "bytes")
    # The hours for which a GPU is reserved, not only those in which it works.
    held = totals["gpu_hours"]["spent"] + times["gpu_hours"]["reserved"]
    kept = _yield(verdicts)
    accepted = items["insertion"] * kept["value"]
    gpu, cpu = options.price_per_gpu_hour, options.price_per_cpu_hour
    paid = {
        "to_pay": _money(times["gpu_hours"]["reserved"], gpu, totals["cpu_hours"]["to_pay"], cpu),
        "total": _money(held, gpu, totals["cpu_hours"]["total"], cpu),
    }
    each = {"gpu_hours": held, "cpu_hours": totals["cpu_hours"]["total"], "money": paid["total"]}
    return {
        "stages": stages,
        "totals": totals,
        "yield": kept,
        "per_accepted_pair": {
            key: value / accepted if accepted and value is not None else None for key, value in each.items()
        },
        "accepted_pairs": accepted,
        "wall": times,
        "money": {"price_per_gpu_hour": gpu, "price_per_cpu_hour": cpu, **paid},
    }


def _stage(price: Price, items: int, there: Sequence[ExistingResult]) -> dict[str, Any]:
    missing = items - len(there)
    spent, here = sum(one.seconds for one in there) / 3600, sum(one.bytes for one in there)
    to_pay, to_come = missing * price.seconds.value / 3600, missing * price.bytes.value
    return {
        "stage": price.stage,
        "backend": price.backend,
        "item": price.item,
        "on": "gpu" if price.gpu else "cpu",
        "items": items,
        "there": len(there),
        "missing": missing,
        "seconds_per_item": price.seconds.record(),
        "load_s": price.load_s.record(),
        "bytes_per_item": price.bytes.record(),
        "hours": {"spent": spent, "to_pay": to_pay, "total": spent + to_pay},
        "bytes": {"spent": here, "to_pay": to_come, "total": here + to_come},
    }


def _sums(stages: Sequence[Mapping[str, Any]], what: str, on: str = "") -> dict[str, float]:
    chosen = [row[what] for row in stages if on in ("", row["on"])]
    return {key: sum(row[key] for row in chosen) for key in ("spent", "to_pay", "total")}


def _money(gpu_hours: float, gpu: float | None, cpu_hours: float, cpu: float | None) -> float | None:
    """Money of both; an hour without a price costs nothing, None when neither has one."""
    parts = [money(gpu_hours * 3600, gpu), money(cpu_hours * 3600, cpu)]
    return None if parts == [None, None] else sum(part or 0.0 for part in parts)


def _yield(verdicts: pd.DataFrame | None) -> dict[str, Any]:
    """Share of computed pairs that are kept; failed and invalid ones cost as well. Assumed without verdicts."""
    if verdicts is None or not len(verdicts):
        figure = assumption("yield")
        return {"made": 0, "scored": 0, "kept": 0, "value": figure.value, "of_scored": None, **_basis(figure)}
    made, kept, scored = len(verdicts), int(verdicts.kept.sum()), int((verdicts.status == "scored").sum())
    figure = Figure(kept / made, "measured", "the filter's verdicts on this run's pairs", made)
    counts = {"made": made, "scored": scored, "kept": kept, "value": figure.value}
    return counts | {"of_scored": kept / scored if scored else None, **_basis(figure)}


def _basis(figure: Figure) -> dict[str, Any]:
    return {key: value for key, value in figure.record().items() if key != "value"}


def _notes(feed: Feed) -> list[str]:
    """Assumptions and limits of the figures."""
    notes = []
    if feed.assumed_clips:
        rate = feed.clips_per_video
        basis = rate.source if rate.kind != "measured" else f"{rate.basis} videos"
        notes.append(
            f"{feed.assumed_clips:,} of {feed.clips:,} clips are assumed, {rate.value:.2g} per video ({basis}); "
            "snakemake plan finds them on CPUs, and counts exactly."
        )
    unmasked = feed.work["segmentation"].items
    open_clips = sum(one is None for one in unmasked.values())
    if open_clips:
        notes.append(f"{open_clips:,} of {feed.clips:,} clips have no masks yet: all are taken as accepted.")
    stale = {stage: len(work.made) - len(work.there) for stage, work in feed.work.items()}
    if again := [f"{count:,} of {stage}" for stage, count in stale.items() if count]:
        notes.append(f"Made with other settings, backends or versions, to be made again: {', '.join(again)}.")
    return notes


def _of_size(pairs: int) -> list[str]:
    """A note if the plan is too large for one DAG."""
    most, batch = costs()["dag_pairs"], costs()["batch_pairs"]
    if pairs <= most:
        return []
    need = pairs * assumption("dag_bytes_per_pair").value / 1e9
    batches = ceil(pairs / batch)
    return [
        f"One DAG of {pairs:,} pairs needs about {need:.1f} GB of memory: run {batches} batches (docs/estimate.md)."
    ]

"""Wall time and reserved GPU hours: single items on all slots, and pairs in packs of one node each.

A pack occupies a node (or as many GPUs as it has pairs to compute). It loads each model once per GPU and computes as
many pairs at a time as it has GPUs; the time of CPU work is added, which is an upper bound. Stages do not overlap.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from pvtt.backends import stages
from pvtt.reporting.estimate.unit_costs import Price

PAIR_STAGES = stages.OF_PAIRS


@dataclass(frozen=True)
class Nodes:
    """Number of nodes, and GPUs and CPU cores of each that jobs can use."""

    nodes: int = 1
    gpus: int = 8
    cpus: int = 16


@dataclass(frozen=True)
class Pack:
    """Wall time of a pack in s, its number of GPUs, and the time in s in which each of them loads models."""

    seconds: float
    gpus: int
    load_s: float

    @property
    def reserved(self) -> float:
        """GPU-seconds."""
        return self.seconds * self.gpus


def pack_of(count: int, share: Mapping[str, float], prices: Mapping[str, Price], nodes: Nodes) -> Pack:
    """Pack of `count` pairs, of which the given share lacks a stage; models of complete stages are not loaded."""
    todo = [prices[stage] for stage in PAIR_STAGES if share[stage]]
    on_gpu = [price for price in todo if price.gpu]
    gpus = min(nodes.gpus, count) if on_gpu else 0
    load = sum(price.load_s.value for price in on_gpu)
    rounds = ceil(count / gpus) if gpus else 0
    work = rounds * sum(share[price.stage] * price.seconds.value for price in on_gpu)
    beside = sum(share[price.stage] * price.seconds.value for price in todo if not price.gpu)
    return Pack(load + work + ceil(count / nodes.cpus) * beside, gpus, load)


def makespan(seconds: Sequence[float], nodes: int) -> float:
    """Time in s until all packs are done, if each takes the node that is free first."""
    free = [0.0] * min(nodes, max(len(seconds), 1))
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)


def wall_time(
    missing: Mapping[str, int], packs: Sequence[int], prices: Mapping[str, Price], nodes: Nodes
) -> dict[str, Any]:
    """Wall time in hours and GPU hours (work, loading, idle, reserved).

    Parameters
    ----------
    missing
        Items to compute by stage.
    packs
        Pairs to compute of each pack, in the order in which they run.
    prices
        Cost of an item by stage.
    nodes
        The machines.
    """
    hours, reserved = {}, 0.0
    for stage, price in prices.items():
        if stage not in PAIR_STAGES:
            slots = nodes.nodes * (nodes.gpus if price.gpu else nodes.cpus)
            hours[stage] = ceil(missing[stage] / slots) * price.seconds.value / 3600
            reserved += missing[stage] * price.seconds.value * price.gpu
    share = {stage: missing[stage] / max(sum(packs), 1) for stage in PAIR_STAGES}
    kinds = {count: pack_of(count, share, prices, nodes) for count in set(packs)}
    hours["packs"] = makespan([kinds[count].seconds for count in packs], nodes.nodes) / 3600
    reserved += sum(kinds[count].reserved for count in packs)
    work = sum(missing[stage] * price.seconds.value for stage, price in prices.items() if price.gpu)
    loading = sum(kinds[count].load_s * kinds[count].gpus for count in packs)
    held = {"work": work, "loading": loading, "idle": reserved - work - loading, "reserved": reserved}
    return {
        "nodes": nodes.nodes,
        "gpus_per_node": nodes.gpus,
        "cpus_per_node": nodes.cpus,
        "packs": len(packs),
        "hours": sum(hours.values()),
        "hours_by_stage": hours,
        "gpu_hours": {name: seconds / 3600 for name, seconds in held.items()},
    }

"""Wall time and reserved GPUs: items one by one on every slot, and pairs in packs of one node each.

A pack takes a whole node (or as many GPUs as it has pairs), loads each model once per GPU and works in rounds of as
many pairs as it has GPUs; what its CPUs do comes on top, which is an upper bound. Stages wait for one another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from pvtt.estimate.figures import Price

PAIR_STAGES = ("insertion", "scoring")


@dataclass(frozen=True)
class Nodes:
    """Machines: how many, and the GPUs and cores of each."""

    nodes: int = 1
    gpus: int = 8
    cpus: int = 32


@dataclass(frozen=True)
class Packs:
    """Packs of pairs: their number, seconds of a whole one and of the last, short one (0 without), GPUs of both."""

    number: int
    pairs: int
    seconds: float
    last_seconds: float
    gpus: int
    last_gpus: int

    @property
    def whole(self) -> int:
        """Number of whole packs."""
        return self.number - (self.last_seconds > 0)

    def makespan(self, nodes: int) -> float:
        """Seconds until all are done on so many nodes, the short one last."""
        rounds, rest = divmod(self.whole, nodes)
        if rest:
            return (rounds + 1) * self.seconds
        return rounds * self.seconds + self.last_seconds

    def reserved(self) -> float:
        """GPU-seconds that all of them hold."""
        return self.whole * self.seconds * self.gpus + self.last_seconds * self.last_gpus


def packs_of(missing: Mapping[str, int], prices: Mapping[str, Price], pack_pairs: int, nodes: Nodes) -> Packs:
    """The packs of the pairs that are missing; `missing` has a count per stage of a pair."""
    pairs = max(missing[stage] for stage in PAIR_STAGES)
    todo = [stage for stage in PAIR_STAGES if missing[stage]]
    # A pair that lacks its score alone is a pack's pair like the others: stages cost what they do on the mean pair.
    share = {stage: missing[stage] / pairs for stage in todo}
    on_gpu = sum(share[s] * prices[s].seconds.value for s in todo if prices[s].gpu)
    on_cpu = sum(share[s] * prices[s].seconds.value for s in todo if not prices[s].gpu)
    load = sum(prices[s].load_s.value for s in todo if prices[s].gpu)

    def seconds(count: int) -> float:
        work = load + ceil(count / nodes.gpus) * on_gpu if on_gpu else 0.0
        return work + ceil(count / nodes.cpus) * on_cpu

    whole, last = divmod(pairs, pack_pairs)
    held = nodes.gpus if on_gpu else 0
    return Packs(
        number=whole + (last > 0),
        pairs=pairs,
        seconds=seconds(pack_pairs),
        last_seconds=seconds(last) if last else 0.0,
        gpus=min(held, pack_pairs),
        last_gpus=min(held, last),
    )


def wall(missing: Mapping[str, int], prices: Mapping[str, Price], pack_pairs: int, nodes: Nodes) -> dict[str, Any]:
    """Hours per stage and in all, packs, and GPU-hours: of work, of loading, idle, and reserved in all."""
    hours = {}
    reserved = 0.0
    for stage, price in prices.items():
        if stage in PAIR_STAGES:
            continue
        slots = nodes.nodes * (nodes.gpus if price.gpu else nodes.cpus)
        hours[stage] = ceil(missing[stage] / slots) * price.seconds.value / 3600
        reserved += missing[stage] * price.seconds.value * price.gpu
    packs = packs_of(missing, prices, pack_pairs, nodes)
    hours["packs"] = packs.makespan(nodes.nodes) / 3600
    reserved += packs.reserved()
    work = sum(missing[stage] * price.seconds.value for stage, price in prices.items() if price.gpu)
    loads = sum(prices[stage].load_s.value for stage in PAIR_STAGES if missing[stage] and prices[stage].gpu)
    loading = loads * (packs.whole * packs.gpus + packs.last_gpus)
    return {
        "nodes": nodes.nodes,
        "gpus_per_node": nodes.gpus,
        "cpus_per_node": nodes.cpus,
        "packs": packs.number,
        "pairs_per_pack": pack_pairs,
        "hours": sum(hours.values()),
        "hours_by_stage": hours,
        "gpu_hours": {
            "work": work / 3600,
            "loading": loading / 3600,
            "idle": (reserved - work - loading) / 3600,
            "reserved": reserved / 3600,
        },
    }

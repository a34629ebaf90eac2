"""Table of the stages with their items, rules and dependencies; the only list of stages.

The names of their files are in `pvtt.records.layout`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Parameters
    ----------
    name
        Name in the configuration, in reports and in `resources/costs.yaml`.
    item
        What one result is of: `product`, `photo`, `clip`, `pair` or `run` (the whole feed).
    rules
        Snakemake rules that do its work.
    after
        Stages whose results it reads.
    backends
        Whether `<name>.backend` of the configuration chooses who does the work. Only such a stage can use a GPU.
    key
        Its key in the configuration; empty for the stage's own name, None for a stage without settings.
    clip_rules
        Of its rules, those that work once per clip, before the others.
    canary_rules
        Of its rules, those that work on results whose right verdict is known, with the stage's backends.
    package
        Its package below `pvtt.stages`; empty for the stage's own name.
    """

    name: str
    item: str
    rules: tuple[str, ...]
    after: tuple[str, ...] = ()
    backends: bool = False
    key: str | None = ""
    package: str = ""
    clip_rules: tuple[str, ...] = ()
    canary_rules: tuple[str, ...] = ()


# In the order in which they run.
TABLE = (
    Stage("catalogue", "product", ("probe_product", "build_catalogue"), key="checks"),
    Stage("shots", "product", ("detect_shots", "list_clips"), ("catalogue",), backends=True),
    Stage("cutting", "clip", ("cut_clip",), ("shots",), key=None, package="shots"),
    Stage("products", "photo", ("cut_out_product",), backends=True, package="cutouts"),
    Stage("segmentation", "clip", ("segment_clip",), ("cutting", "products"), backends=True),
    Stage("background", "clip", ("remove_product",), ("cutting", "segmentation"), backends=True),
    Stage("mask_verdicts", "run", ("judge_masks",), ("segmentation",), key=None, package="verdicts"),
    Stage("pairs", "run", ("plan_pairs",), ("catalogue", "shots", "segmentation", "mask_verdicts", "products")),
    Stage(
        "insertion",
        "pair",
        ("measure_clip", "insert_product"),
        ("background", "products", "pairs"),
        backends=True,
        clip_rules=("measure_clip",),
    ),
    Stage(
        "scoring",
        "pair",
        ("measure_flow", "score_pair", "gather_pack", "score_canaries"),
        ("insertion", "products"),
        backends=True,
        clip_rules=("measure_flow",),
        canary_rules=("score_canaries",),
    ),
    Stage("verdicts", "run", ("judge_pairs",), ("pairs", "scoring")),
    Stage("dataset", "run", ("publish_dataset",), ("mask_verdicts", "verdicts")),
    Stage("report", "run", ("write_report",), ("mask_verdicts", "verdicts")),
)
BY_NAME = {stage.name: stage for stage in TABLE}
WITH_BACKENDS = tuple(stage.name for stage in TABLE if stage.backends)
CLIP_RULES = tuple(rule for stage in TABLE for rule in stage.clip_rules)
CANARY_RULES = tuple(rule for stage in TABLE for rule in stage.canary_rules)
OF_PAIRS = tuple(stage.name for stage in TABLE if stage.item == "pair")


def dependents(name: str) -> tuple[str, ...]:
    """A stage and all stages whose results depend on it, in the order in which they run."""
    found = {name}
    for stage in TABLE:
        if found.intersection(stage.after):
            found.add(stage.name)
    return tuple(stage.name for stage in TABLE if stage.name in found)


def of_rule(rule: str) -> str:
    """Stage of a Snakemake rule; the name of the rule if it belongs to none."""
    return next((stage.name for stage in TABLE if rule in stage.rules), rule)

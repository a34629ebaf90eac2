"""Canaries: results made of finished pairs of the run, whose right verdict is known."""

from pvtt.records.layout import Layout
from pvtt.stages.scoring import canaries

CANARY_SETTINGS = canaries.canary_settings(SETTINGS["scoring"])


def canary_pairs(wildcards):
    """The pairs of which canaries are made, with the other products that they need, see `score_canaries`."""
    plan = checkpoints.plan_pairs.get().output[0]
    targets = planned_pairs().target_id.unique()
    pairs = plan_tables.canary_pairs(plan, SETTINGS["canaries"])
    for pair in pairs:
        swaps, own = FEED.true_swaps(pair["clip_id"]), pair["target_id"]
        pair["other_id"] = FEED.unlike([pair["source_id"], own], targets)
        pair["swap_id"] = own if own in swaps else next(iter(swaps), "")
        pair["swap_start"] = FEED.true_start(pair["clip_id"]) if swaps else 0
    return pairs


def files_of_canaries(wildcards):
    """The files of the clips and pairs of which canaries are made."""
    found = []
    for names in canary_pairs(wildcards):
        clip = Layout("<results>").clip(names["clip_id"])
        pair = Layout("<results>").pair_of(names)
        found += [clip.record, clip.video, clip.masks, clip.background, clip.flow]
        found += [pair.video, pair.mask, pair.record]
    return [path.as_posix() for path in found]


def cutouts_of_canaries(wildcards):
    """The cut-outs of all products with which canaries are compared."""
    names = ("source_id", "target_id", "other_id", "swap_id")
    pairs = canary_pairs(wildcards)
    products = {pair[name] for pair in pairs for name in names} - {""}
    return [path for product in sorted(products) for path in cutouts_of(product)]


def swaps_of_canaries(wildcards):
    """Video and masks of the true swaps, where the catalogue is a rendered world."""
    return [
        from_catalogue(path)
        for pair in canary_pairs(wildcards)
        if pair["swap_id"]
        for path in FEED.true_swaps(pair["clip_id"])[pair["swap_id"]]
    ]


def canaries_of_run(wildcards):
    """What was measured on the canaries, where the run has any."""
    wanted = SETTINGS["canaries"] and len(planned_pairs())
    return ["<results>/canaries.json"] if wanted else []


rule score_canaries:
    input:
        # For its name only; what of it counts is in the parameter `pairs`.
        plan=ancient("<results>/pairs.parquet"),
        made=files_of_canaries,
        cutouts=cutouts_of_canaries,
        truth=swaps_of_canaries,
    output:
        "<results>/canaries.json",
    log:
        "<logs>/score_canaries.log",
    benchmark:
        "<benchmarks>/score_canaries.tsv"
    conda:
        environment_of("scoring")
    threads: 1
    resources:
        gpu=requirements.gpus_needed("scoring", CANARY_SETTINGS),
        worker_timeout_s=(
            SETTINGS["serving"]["limit_s"]
            if requirements.uses_workers("scoring", CANARY_SETTINGS)
            else 0
        ),
        worker_slots=int(requirements.uses_workers("scoring", CANARY_SETTINGS)),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        pairs=canary_pairs,
        settings=CANARY_SETTINGS,
        version=f"{backends.stage_version('scoring', CANARY_SETTINGS)}, canaries {canaries.VERSION}",
    message:
        "Scoring results whose right verdict is known"
    script:
        "../scripts/score_canaries.py"

"""Canaries: results made of finished pairs of the run, whose right verdict is known."""


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

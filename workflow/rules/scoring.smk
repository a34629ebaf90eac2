from pvtt.stages.scoring import source_flow


rule measure_flow:
    input:
        video="<results>/clips/{clip}/video.mp4",
    output:
        "<results>/clips/{clip}/source_flow.npz",
    log:
        "<logs>/measure_flow/{clip}.log",
    benchmark:
        "<benchmarks>/measure_flow/{clip}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        settings={key: SETTINGS["scoring"][key] for key in source_flow.SETTINGS},
        version=source_flow.VERSION,
    message:
        "Computing the optical flow of {wildcards.clip}"
    script:
        "../scripts/measure_flow.py"


rule score_pair:
    input:
        video="<results>/clips/{clip}/video.mp4",
        masks="<results>/clips/{clip}/masks.mkv",
        source_flow="<results>/clips/{clip}/source_flow.npz",
        result="<results>/pairs/{clip}/{target}_i{image}/insert.mp4",
        result_mask="<results>/pairs/{clip}/{target}_i{image}/insert_mask.mkv",
        record="<results>/pairs/{clip}/{target}_i{image}/insert.json",
        target_cutouts=lambda wildcards: cutouts_of(wildcards.target),
        source_cutouts=lambda wildcards: cutouts_of(ids.clip_product(wildcards.clip)),
    output:
        "<results>/pairs/{clip}/{target}_i{image}/score.json",
    log:
        "<logs>/score_pair/{clip}__{target}_i{image}.log",
    benchmark:
        "<benchmarks>/score_pair/{clip}__{target}_i{image}.tsv"
    group:
        "insertion"
    conda:
        environment_of("scoring")
    threads: 1
    resources:
        worker_timeout_s=worker_timeout_of("scoring"),
        worker_slots=worker_slots_of("scoring"),
        worker_priority=1,
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        settings=SETTINGS["scoring"],
        version=VERSIONS["scoring"],
        beside=["judge.json"],  # a judge's raw answers, kept with the score
        title=lambda wildcards: scoring.title_for_judge(
            SETTINGS["scoring"], FEED.rows[wildcards.target].title
        ),
    message:
        "Scoring {wildcards.target} (photo {wildcards.image}) in {wildcards.clip}"
    script:
        "../scripts/score_pair.py"


# A pack's pairs and this rule are one job of a cluster (group), which asks for what this rule asks for.
rule gather_pack:
    input:
        inserts=pack_files("insert.json"),
        scores=pack_files("score.json"),
    output:
        "<results>/packs/{pack}.json",
    log:
        "<logs>/gather_pack/{pack}.log",
    benchmark:
        "<benchmarks>/gather_pack/{pack}.tsv"
    group:
        "insertion"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        gpu=gpus_of_pack,
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    message:
        "Summing up pack {wildcards.pack}"
    script:
        "../scripts/gather_pack.py"

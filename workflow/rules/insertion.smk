from pvtt.stages.insertion import clip_model


rule measure_clip:
    input:
        video="<results>/clips/{clip}/video.mp4",
        masks="<results>/clips/{clip}/masks.mkv",
        track="<results>/clips/{clip}/track.json",
        background="<results>/clips/{clip}/background.mp4",
        region="<results>/clips/{clip}/region.mkv",
    output:
        "<results>/clips/{clip}/clip_model.npz",
    log:
        "<logs>/measure_clip/{clip}.log",
    benchmark:
        "<benchmarks>/measure_clip/{clip}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        settings={key: SETTINGS["insertion"][key] for key in clip_model.SETTINGS},
        version=clip_model.VERSION,
    message:
        "Measuring trajectory, light and occluders of {wildcards.clip}"
    script:
        "../scripts/measure_clip.py"


rule insert_product:
    input:
        video="<results>/clips/{clip}/video.mp4",
        masks="<results>/clips/{clip}/masks.mkv",
        track="<results>/clips/{clip}/track.json",
        background="<results>/clips/{clip}/background.mp4",
        region="<results>/clips/{clip}/region.mkv",
        background_record="<results>/clips/{clip}/background.json",
        clip_model=(
            "<results>/clips/{clip}/clip_model.npz"
            if getattr(BACKENDS["insertion"], "reads_clip_model", False)
            else []
        ),
        cutout="<results>/products/{target}/{image}.png",
        cutout_record="<results>/products/{target}/{image}.json",
        other_cutouts=other_cutouts_of,
        weights=getattr(BACKENDS["insertion"], "files", ()),
    output:
        video="<results>/pairs/{clip}/{target}_i{image}/insert.mp4",
        mask="<results>/pairs/{clip}/{target}_i{image}/insert_mask.mkv",
        record="<results>/pairs/{clip}/{target}_i{image}/insert.json",
    log:
        "<logs>/insert_product/{clip}__{target}_i{image}.log",
    benchmark:
        "<benchmarks>/insert_product/{clip}__{target}_i{image}.tsv"
    group:
        "insertion"
    conda:
        environment_of("insertion")
    threads: 1
    resources:
        worker_timeout_s=worker_timeout_of("insertion"),
        worker_slots=worker_slots_of("insertion"),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        settings=SETTINGS["insertion"],
        version=VERSIONS["insertion"],
        prompt=prompt_of,
    message:
        "Inserting {wildcards.target} (photo {wildcards.image}) into {wildcards.clip}"
    script:
        "../scripts/insert_product.py"

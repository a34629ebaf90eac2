rule remove_product:
    input:
        video="<results>/clips/{clip}/video.mp4",
        record="<results>/clips/{clip}/clip.json",
        masks="<results>/clips/{clip}/masks.mkv",
        track="<results>/clips/{clip}/track.json",
    output:
        video="<results>/clips/{clip}/background.mp4",
        region="<results>/clips/{clip}/region.mkv",
        record="<results>/clips/{clip}/background.json",
    log:
        "<logs>/remove_product/{clip}.log",
    benchmark:
        "<benchmarks>/remove_product/{clip}.tsv"
    conda:
        environment_of("background")
    threads: 1
    resources:
        gpu=gpus_of("background"),
        worker_timeout_s=worker_timeout_of("background"),
        worker_slots=worker_slots_of("background"),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        settings=SETTINGS["background"],
        version=VERSIONS["background"],
    message:
        "Removing the product from {wildcards.clip}"
    script:
        "../scripts/remove_product.py"

rule segment_clip:
    input:
        video="<results>/clips/{clip}/video.mp4",
        record="<results>/clips/{clip}/clip.json",
        references=references_of,
    output:
        masks="<results>/clips/{clip}/masks.mkv",
        track="<results>/clips/{clip}/track.json",
        measures="<results>/clips/{clip}/mask_measures.json",
    log:
        "<logs>/segment_clip/{clip}.log",
    benchmark:
        "<benchmarks>/segment_clip/{clip}.tsv"
    conda:
        environment_of("segmentation")
    threads: 1
    resources:
        gpu=gpus_of("segmentation"),
        worker_timeout_s=worker_timeout_of("segmentation"),
        worker_slots=worker_slots_of("segmentation"),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(60),
    params:
        words=words_of,
        settings=SETTINGS["segmentation"],
        version=VERSIONS["segmentation"],
    message:
        "Masking the product in {wildcards.clip}"
    script:
        "../scripts/segment_clip.py"

rule detect_shots:
    input:
        video_of,
    output:
        "<results>/shots/{product}.json",
    log:
        "<logs>/detect_shots/{product}.log",
    benchmark:
        "<benchmarks>/detect_shots/{product}.tsv"
    conda:
        environment_of("shots")
    threads: 1
    resources:
        gpu=gpus_of("shots"),
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        settings=SETTINGS["shots"],
        version=VERSIONS["shots"],
    message:
        "Finding the shots of {wildcards.product}"
    script:
        "../scripts/detect_shots.py"


checkpoint list_clips:
    input:
        catalogue="<results>/catalogue.tsv",
        shots=expand(
            "<results>/shots/{product}.json", product=sorted(FEED.with_video())
        ),
    output:
        report(
            "<results>/clips.tsv",
            caption="../report/clips.rst",
            category="Tables",
            labels={"file": "clips"},
        ),
    log:
        "<logs>/list_clips.log",
    benchmark:
        "<benchmarks>/list_clips.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    message:
        "Listing the clips of all videos"
    script:
        "../scripts/list_clips.py"


rule cut_clip:
    input:
        video=video_of,
        shots=shots_of,
    output:
        video="<results>/clips/{clip}/video.mp4",
        record="<results>/clips/{clip}/clip.json",
    log:
        "<logs>/cut_clip/{clip}.log",
    benchmark:
        "<benchmarks>/cut_clip/{clip}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        empty=lambda wildcards: FEED.rows[product_of(wildcards)].empty,
        version=Cutter.version,
    message:
        "Cutting {wildcards.clip}"
    script:
        "../scripts/cut_clip.py"

rule detect_shots:
    input:
        video_of,
    output:
        "<results>/shots/{product}.json",
    log:
        "<logs>/detect_shots/{product}.log",
    conda:
        environment_of("shots")
    resources:
        gpu=gpus_of("shots"),
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
            "<results>/shots/{product}.json", product=sorted(filter(has_video, ROWS))
        ),
    output:
        "<results>/clips.tsv",
    log:
        "<logs>/list_clips.log",
    conda:
        "../../envs/core.yaml"
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
    conda:
        "../../envs/core.yaml"
    params:
        empty=lambda wildcards: ROWS[ids.clip_product(wildcards.clip)].empty,
        source=lambda wildcards: str(video_of(wildcards)),  # the record names it
        version=Cutter.version,
    message:
        "Cutting {wildcards.clip}"
    script:
        "../scripts/cut_clip.py"

rule segment_clip:
    input:
        video="<results>/clips/{clip}/video.mp4",
        record="<results>/clips/{clip}/clip.json",
        references=references_of,
    output:
        masks="<results>/clips/{clip}/masks.mkv",
        track="<results>/clips/{clip}/track.json",
        qa="<results>/clips/{clip}/qa.json",
    log:
        "<logs>/segment_clip/{clip}.log",
    conda:
        "../../envs/core.yaml"
    params:
        title=lambda wildcards: ROWS[ids.clip_product(wildcards.clip)].title,
        settings=SETTINGS["segmentation"],
        version=f"{BACKENDS['segmentation'].version}, qa {qa.VERSION}",
    message:
        "Masking the product in {wildcards.clip}"
    script:
        "../scripts/segment_clip.py"

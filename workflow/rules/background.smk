rule remove_product:
    input:
        video="<results>/clips/{clip}/video.mp4",
        record="<results>/clips/{clip}/clip.json",
        masks="<results>/clips/{clip}/masks.mkv",
        track="<results>/clips/{clip}/track.json",
    output:
        video="<results>/clips/{clip}/background.mp4",
        record="<results>/clips/{clip}/background.json",
    log:
        "<logs>/remove_product/{clip}.log",
    conda:
        "../../envs/core.yaml"
    params:
        settings=SETTINGS["background"],
        version=BACKENDS["background"].version,
    message:
        "Removing the product from {wildcards.clip}"
    script:
        "../scripts/remove_product.py"

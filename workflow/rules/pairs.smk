checkpoint plan_pairs:
    input:
        catalogue="<results>/catalogue.tsv",
        clips="<results>/clips.tsv",
        verdicts="<results>/mask_verdicts.tsv",
        measures=measures_of_clips,
        tracks=lambda wildcards: [
            f"<results>/clips/{clip}/track.json" for clip in accepted_clips()
        ],
        photos=[
            record
            for product in sorted(FEED.rows)
            for record in cutout_records_of(product)
        ],
    output:
        "<results>/pairs.parquet",
    log:
        "<logs>/plan_pairs.log",
    benchmark:
        "<benchmarks>/plan_pairs.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        taxonomy=TAXONOMY,
        settings=SETTINGS["pairs"],
        max_pairs=SETTINGS["max_pairs"],
        max_frames=BACKENDS["insertion"].limits.max_frames,
    message:
        "Planning the pairs"
    script:
        "../scripts/plan_pairs.py"

rule publish_dataset:
    input:
        catalogue="<results>/catalogue.tsv",
        clips="<results>/clips.tsv",
        pairs="<results>/pairs.parquet",
        filtered="<results>/filtered.parquet",
        canaries="<results>/canary_verdicts.json",
    output:
        report(
            "<results>/dataset/README.md",
            caption="../report/card.rst",
            category="Data set",
            labels={"file": "data set card"},
        ),
        "<results>/dataset/annotations/quality_scores.json",
        report(
            "<results>/dataset/annotations/statistics.json",
            caption="../report/statistics.rst",
            category="Data set",
            labels={"file": "statistics"},
        ),
        pairs="<results>/dataset/annotations/pairs.json",
    log:
        "<logs>/publish_dataset.log",
    benchmark:
        "<benchmarks>/publish_dataset.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        settings=SETTINGS["dataset"],
    message:
        "Publishing the dataset"
    script:
        "../scripts/publish_dataset.py"

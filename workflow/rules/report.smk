rule write_report:
    input:
        catalogue="<results>/catalogue.tsv",
        clips="<results>/clips.tsv",
        pairs="<results>/pairs.parquet",
        filtered="<results>/filtered.parquet",
    output:
        page="<results>/report/index.html",
    log:
        "<logs>/write_report.log",
    conda:
        "../../envs/core.yaml"
    params:
        settings=SETTINGS["report"],
        thresholds=SETTINGS["verdicts"]["pairs"],
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"

report: "../report/workflow.rst"


rule write_report:
    input:
        catalogue="<results>/catalogue.tsv",
        clips="<results>/clips.tsv",
        pairs="<results>/pairs.parquet",
        filtered="<results>/filtered.parquet",
        canaries="<results>/canary_verdicts.json",
    output:
        page="<results>/report/index.html",
        summary=report(
            "<results>/report/summary.html",
            caption="../report/summary.rst",
            category="Summary",
            labels={"file": "summary of the run"},
        ),
    log:
        "<logs>/write_report.log",
    benchmark:
        "<benchmarks>/write_report.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(60),
    params:
        settings=SETTINGS["report"],
        thresholds=SETTINGS["verdicts"]["pairs"],
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"

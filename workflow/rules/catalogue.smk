rule probe_product:
    input:
        video=videos_of,
        images=photos_of,
    output:
        "<results>/catalogue/{product}.json",
    log:
        "<logs>/probe_product/{product}.log",
    benchmark:
        "<benchmarks>/probe_product/{product}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(30),
    params:
        names=names_of,
        settings=SETTINGS["checks"],
        version=backends.stage_version("catalogue", SETTINGS["checks"]),
    message:
        "Probing the video and photos of {wildcards.product}"
    script:
        "../scripts/probe_product.py"


rule build_catalogue:
    input:
        records=expand("<results>/catalogue/{product}.json", product=sorted(FEED.rows)),
    output:
        report(
            "<results>/catalogue.tsv",
            caption="../report/catalogue.rst",
            category="Tables",
            labels={"file": "products"},
        ),
    log:
        "<logs>/build_catalogue.log",
    benchmark:
        "<benchmarks>/build_catalogue.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        catalogue=SETTINGS["catalogue"],
        rows=ids.stable_hash(*ALL_ROWS),
        settings=SETTINGS["checks"],
    message:
        "Checking the catalogue: every row is accepted, or rejected with a reason"
    script:
        "../scripts/build_catalogue.py"

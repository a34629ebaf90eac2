rule probe_product:
    input:
        media_of,
    output:
        "<results>/catalogue/{product}.json",
    log:
        "<logs>/probe_product/{product}.log",
    conda:
        "../../envs/core.yaml"
    params:
        row=row_of,
        present=lambda wildcards: photos_of(wildcards.product),
        settings=SETTINGS["checks"],
        version=backends.stage_version("catalogue", SETTINGS["checks"]),
    message:
        "Probing the video and photos of {wildcards.product}"
    script:
        "../scripts/probe_product.py"


rule build_catalogue:
    input:
        records=expand("<results>/catalogue/{product}.json", product=sorted(ROWS)),
    output:
        "<results>/catalogue.tsv",
    log:
        "<logs>/build_catalogue.log",
    conda:
        "../../envs/core.yaml"
    params:
        catalogue=SETTINGS["catalogue"],
        rows=ids.stable_hash(*ALL_ROWS),
        settings=SETTINGS["checks"],
    message:
        "Checking the catalogue: every row is accepted, or rejected with a reason"
    script:
        "../scripts/build_catalogue.py"

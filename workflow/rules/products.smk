rule cut_out_product:
    input:
        photo_of,
    output:
        image="<results>/products/{product}/{image}.png",
        record="<results>/products/{product}/{image}.json",
    log:
        "<logs>/cut_out_product/{product}_{image}.log",
    benchmark:
        "<benchmarks>/cut_out_product/{product}_{image}.tsv"
    conda:
        environment_of("products")
    threads: 1
    resources:
        gpu=gpus_of("products"),
        worker_timeout_s=worker_timeout_of("products"),
        worker_slots=worker_slots_of("products"),
        mem_mb=per_attempt(8000),
        runtime=per_attempt(30),
    params:
        settings=SETTINGS["products"],
        version=VERSIONS["products"],
    message:
        "Cutting {wildcards.product} out of photo {wildcards.image}"
    script:
        "../scripts/cut_out_product.py"

rule cut_out_product:
    input:
        photo_of,
    output:
        image="<results>/products/{product}/{image}.png",
        record="<results>/products/{product}/{image}.json",
    log:
        "<logs>/cut_out_product/{product}_{image}.log",
    conda:
        environment_of("products")
    resources:
        gpu=gpus_of("products"),
        worker_timeout_s=worker_timeout_of("products"),
        worker_slots=worker_slots_of("products"),
    params:
        settings=SETTINGS["products"],
        version=VERSIONS["products"],
    message:
        "Cutting {wildcards.product} out of photo {wildcards.image}"
    script:
        "../scripts/cut_out_product.py"

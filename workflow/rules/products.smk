rule cut_out_product:
    input:
        photo_of,
    output:
        image="<results>/products/{product}/{image}.png",
        record="<results>/products/{product}/{image}.json",
    log:
        "<logs>/cut_out_product/{product}_{image}.log",
    conda:
        "../../envs/core.yaml"
    params:
        settings=SETTINGS["products"],
        version=BACKENDS["products"].version,
    message:
        "Cutting {wildcards.product} out of photo {wildcards.image}"
    script:
        "../scripts/cut_out_product.py"

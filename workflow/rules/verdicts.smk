from pvtt.stages import verdicts


# Limits and weights, apart from what they judge: a changed one re-runs these rules and what reads the verdicts.
rule judge_masks:
    input:
        measures_of_clips,
    output:
        report(
            "<results>/mask_verdicts.tsv",
            caption="../report/masks.rst",
            category="Tables",
            labels={"file": "masks"},
        ),
    log:
        "<logs>/judge_masks.log",
    benchmark:
        "<benchmarks>/judge_masks.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(2000),
        runtime=per_attempt(10),
    params:
        settings=SETTINGS["verdicts"]["masks"],
        calibration=verdicts.masks_calibration(SETTINGS),
    message:
        "Judging the masks of all clips"
    script:
        "../scripts/judge_masks.py"


rule judge_pairs:
    input:
        pairs="<results>/pairs.parquet",
        scores=scores_of_pairs,
        masks="<results>/mask_verdicts.tsv",
        backgrounds=backgrounds_of_pairs,
        cutouts=source_cutouts_of_pairs,
        packs=records_of_packs,
        canaries=canaries_of_run,
    output:
        report(
            "<results>/filtered.parquet",
            caption="../report/pairs.rst",
            category="Tables",
            labels={"file": "pairs"},
        ),
        canaries="<results>/canary_verdicts.json",
    log:
        "<logs>/judge_pairs.log",
    benchmark:
        "<benchmarks>/judge_pairs.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=per_attempt(4000),
        runtime=per_attempt(10),
    params:
        settings=SETTINGS["verdicts"]["pairs"],
        calibrations=verdicts.pair_calibrations(SETTINGS),
        max_failure_rate=SETTINGS["max_failure_rate"],
    message:
        "Judging the pairs by their scores"
    script:
        "../scripts/judge_pairs.py"

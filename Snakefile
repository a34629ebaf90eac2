"""PVTT: from product videos and photos to object-replacement pairs. Targets: all (default), plan, dataset, report."""

from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config/config.yaml")


include: "workflow/rules/common.smk"
include: "workflow/rules/catalogue.smk"
include: "workflow/rules/shots.smk"
include: "workflow/rules/segmentation.smk"
include: "workflow/rules/background.smk"
include: "workflow/rules/products.smk"
include: "workflow/rules/pairs.smk"
include: "workflow/rules/insertion.smk"
include: "workflow/rules/scoring.smk"
include: "workflow/rules/canaries.smk"
include: "workflow/rules/verdicts.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    judge_masks,
    plan,
    dataset,
    report,


rule all:
    default_target: True
    input:
        "<results>/catalogue.tsv",
        "<results>/clips.tsv",
        "<results>/pairs.parquet",
        "<results>/dataset/annotations/pairs.json",
        "<results>/report/index.html",
        results_of_products,
        results_of_clips,
        results_of_pairs,


rule plan:
    input:
        "<results>/pairs.parquet",


rule dataset:
    input:
        "<results>/dataset/annotations/pairs.json",


rule report:
    input:
        "<results>/report/index.html",

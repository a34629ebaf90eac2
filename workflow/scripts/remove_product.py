"""Remove the product from one clip."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.background import remove_product

    remove_product(Path(snakemake.output.record).parent, snakemake.params.settings)

"""Cut a product out of one photo."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.cutouts import cut_out_product

    cut_out_product(
        Path(snakemake.input[0]),
        snakemake.wildcards.product,
        int(snakemake.wildcards.image),
        Path(snakemake.output.image),
        Path(snakemake.output.record),
        snakemake.params.settings,
    )

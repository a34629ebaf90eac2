"""Probe one product's video and photos."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.catalogue import probe_product

    probe_product(snakemake.params.row, snakemake.params.settings).write(snakemake.output[0])

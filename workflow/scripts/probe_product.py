"""Probe one product's video and photos."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.catalogue import probe_product, with_paths

    row = with_paths(snakemake.params.names, snakemake.input.video, snakemake.input.images)
    probe_product(row, snakemake.params.settings).write(snakemake.output[0])

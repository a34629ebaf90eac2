"""Probe one product's video and photos."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.media import Probe
    from pvtt.stages.catalogue import probe_product

    Probe.of(probe_product(snakemake.params.row, snakemake.params.settings)).write(snakemake.output[0])

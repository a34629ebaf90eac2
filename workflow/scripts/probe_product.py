"""Probe one product's video and photos."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import write_json
    from pvtt.stages.catalogue import probe_product

    write_json(snakemake.output[0], probe_product(snakemake.params.row, snakemake.params.settings))

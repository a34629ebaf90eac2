"""Probe one product's video and photos."""

from pvtt.jobs import job


@job(snakemake)
def run():
    from pvtt.catalogue import probe_product
    from pvtt.files import write_json

    write_json(snakemake.output[0], probe_product(snakemake.params.row, snakemake.params.settings))

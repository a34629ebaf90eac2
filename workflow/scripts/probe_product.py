"""Probe one product's video and photos."""

from pvtt.catalogue import probe_product
from pvtt.files import write_json
from pvtt.jobs import job

with job(snakemake):
    write_json(snakemake.output[0], probe_product(snakemake.params.row, snakemake.params.settings))

"""Remove the product from one clip."""

from pathlib import Path

from pvtt.background import remove_product
from pvtt.jobs import job

with job(snakemake):
    remove_product(Path(snakemake.output.record).parent, snakemake.params.settings)

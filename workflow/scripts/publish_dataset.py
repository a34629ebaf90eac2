"""Publish the kept pairs as a dataset."""

from pathlib import Path

import pandas as pd

from pvtt.catalogue import read_table
from pvtt.dataset import publish
from pvtt.jobs import job

with job(snakemake):
    publish(
        Path(snakemake.input.catalogue).parent,
        read_table(snakemake.input.catalogue),
        read_table(snakemake.input.clips),
        pd.read_parquet(snakemake.input.pairs),
        pd.read_parquet(snakemake.input.filtered),
        Path(snakemake.output.pairs).parent.parent,
        snakemake.params.settings,
    )

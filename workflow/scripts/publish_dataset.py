"""Publish the kept pairs as a dataset."""

from pathlib import Path

from pvtt.jobs import job


@job(snakemake)
def run():
    import pandas as pd

    from pvtt.catalogue import read_table
    from pvtt.dataset import publish

    publish(
        Path(snakemake.input.catalogue).parent,
        read_table(snakemake.input.catalogue),
        read_table(snakemake.input.clips),
        pd.read_parquet(snakemake.input.pairs),
        pd.read_parquet(snakemake.input.filtered),
        Path(snakemake.output.pairs).parent.parent,
        snakemake.params.settings,
    )

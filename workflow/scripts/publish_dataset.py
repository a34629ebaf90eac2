"""Publish the kept pairs as a dataset."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    import pandas as pd

    from pvtt.stages.catalogue import read_table
    from pvtt.stages.dataset import publish

    publish(
        Path(snakemake.input.catalogue).parent,
        read_table(snakemake.input.catalogue),
        read_table(snakemake.input.clips),
        pd.read_parquet(snakemake.input.pairs),
        pd.read_parquet(snakemake.input.filtered),
        Path(snakemake.output.pairs).parent.parent,
        snakemake.params.settings,
    )

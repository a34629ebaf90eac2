"""Write the report of a run."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    import pandas as pd

    from pvtt.reporting.report import write_report
    from pvtt.stages.catalogue import read_table

    write_report(
        Path(snakemake.input.catalogue).parent,
        read_table(snakemake.input.catalogue),
        read_table(snakemake.input.clips),
        pd.read_parquet(snakemake.input.pairs),
        pd.read_parquet(snakemake.input.filtered),
        Path(snakemake.output.page).parent,
        snakemake.params.settings,
        snakemake.params.thresholds,
    )

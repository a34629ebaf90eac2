"""Write the report of a run."""

from pathlib import Path

import pandas as pd

from pvtt.catalogue import read_table
from pvtt.jobs import job
from pvtt.report import write_report

with job(snakemake):
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

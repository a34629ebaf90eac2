"""Write the report of a run."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.tables import CatalogueRow, ClipRow, JudgedPair, PlannedPair, read_rows
    from pvtt.reporting.report import write_report

    write_report(
        Path(snakemake.input.catalogue).parent,
        read_rows(CatalogueRow, snakemake.input.catalogue),
        read_rows(ClipRow, snakemake.input.clips),
        read_rows(PlannedPair, snakemake.input.pairs),
        read_rows(JudgedPair, snakemake.input.filtered),
        Path(snakemake.output.page).parent,
        snakemake.params.settings,
        snakemake.params.thresholds,
    )

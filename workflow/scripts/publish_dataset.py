"""Publish the kept pairs as a dataset."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.tables import CatalogueRow, ClipRow, JudgedPair, PlannedPair, read_rows
    from pvtt.stages.dataset import publish

    publish(
        Path(snakemake.input.catalogue).parent,
        read_rows(CatalogueRow, snakemake.input.catalogue),
        read_rows(ClipRow, snakemake.input.clips),
        read_rows(PlannedPair, snakemake.input.pairs),
        read_rows(JudgedPair, snakemake.input.filtered),
        Path(snakemake.output.pairs).parent.parent,
        snakemake.params.settings,
    )

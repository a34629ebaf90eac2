"""List the shots of all videos as clips, accepted or rejected."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.media import Shots
    from pvtt.records.tables import CatalogueRow, read_rows
    from pvtt.stages.catalogue import write_table
    from pvtt.stages.shots import clips_table

    records = [Shots.read(path) for path in snakemake.input.shots]
    write_table(snakemake.output[0], clips_table(records, read_rows(CatalogueRow, snakemake.input.catalogue)))

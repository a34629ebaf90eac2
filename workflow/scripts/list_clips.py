"""List the shots of all videos as clips, accepted or rejected."""

from pvtt.jobs import job


@job(snakemake)
def run():
    from pvtt.catalogue import read_table, write_table
    from pvtt.files import read_json
    from pvtt.shots import clips_table

    records = [read_json(path) for path in snakemake.input.shots]
    write_table(snakemake.output[0], clips_table(records, read_table(snakemake.input.catalogue)))

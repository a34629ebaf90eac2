"""Build the table of all products, accepted or rejected."""

from pvtt.jobs import job


@job(snakemake)
def run():
    from pvtt.catalogue import build_catalogue, read_catalogue, write_table
    from pvtt.files import read_json

    records = [read_json(path) for path in snakemake.input.records]
    rows = read_catalogue(snakemake.params.catalogue)
    write_table(snakemake.output[0], build_catalogue(rows, records, snakemake.params.settings))

"""Sum up one pack of pairs."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import read_json
    from pvtt.records.results import Pack
    from pvtt.stages.pairs.packs import pack_record

    inserted, scored = (
        [read_json(path) for path in part] for part in (snakemake.input.inserts, snakemake.input.scores)
    )
    Pack.of(pack_record(snakemake.wildcards.pack, inserted, scored)).write(snakemake.output[0])

"""Sum up one pack of pairs."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import read_json, write_json
    from pvtt.stages.pairs.packs import pack_record

    inserted, scored = (
        [read_json(path) for path in part] for part in (snakemake.input.inserts, snakemake.input.scores)
    )
    write_json(snakemake.output[0], pack_record(snakemake.wildcards.pack, inserted, scored))

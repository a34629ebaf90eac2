"""Sum up one pack of pairs."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.results import Insertion, Score
    from pvtt.stages.pairs.packs import pack_record

    inserted = [Insertion.read(path) for path in snakemake.input.inserts]
    scored = [Score.read(path) for path in snakemake.input.scores]
    pack_record(snakemake.wildcards.pack, inserted, scored).write(snakemake.output[0])

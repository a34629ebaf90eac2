"""Find the shots of one video."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.media import Shots
    from pvtt.stages.shots import detect_shots

    record = detect_shots(snakemake.input[0], snakemake.wildcards.product, snakemake.params.settings)
    Shots.of(record).write(snakemake.output[0])

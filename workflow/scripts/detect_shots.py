"""Find the shots of one video."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.shots import detect_shots

    shots = detect_shots(snakemake.input[0], snakemake.wildcards.product, snakemake.params.settings)
    shots.write(snakemake.output[0])

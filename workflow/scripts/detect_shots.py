"""Find the shots of one video."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import write_json
    from pvtt.stages.shots import detect_shots

    record = detect_shots(snakemake.input[0], snakemake.wildcards.product, snakemake.params.settings)
    write_json(snakemake.output[0], record)

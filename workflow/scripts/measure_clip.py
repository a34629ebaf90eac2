"""Measure what all pairs of one clip share."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.insertion import measure_clip

    measure_clip(Path(snakemake.output[0]).parent, snakemake.params.settings)

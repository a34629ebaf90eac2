"""Compute the optical flow of one clip."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.scoring.source_flow import measure_flow

    measure_flow(Path(snakemake.input.video), Path(snakemake.output[0]), snakemake.params.settings)

"""Mask the product in one clip."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.segmentation import segment_clip

    segment_clip(
        Path(snakemake.output.measures).parent,
        [Path(path) for path in snakemake.input.references],
        settings=snakemake.params.settings,
        **snakemake.params.words,
    )

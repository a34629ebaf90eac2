"""Mask the product in one clip."""

from pathlib import Path

from pvtt.jobs import job
from pvtt.segmentation import segment_clip

with job(snakemake):
    segment_clip(
        Path(snakemake.output.qa).parent,
        [Path(path) for path in snakemake.input.references],
        settings=snakemake.params.settings,
        **snakemake.params.words,
    )

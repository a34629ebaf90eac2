"""Score one pair."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.stages.scoring import score_pair

    score_pair(
        Path(snakemake.input.video).parent,
        Path(snakemake.output[0]).parent,
        [Path(path) for path in snakemake.input.target_cutouts],
        [Path(path) for path in snakemake.input.source_cutouts],
        snakemake.params.settings,
        title=snakemake.params.title,
    )

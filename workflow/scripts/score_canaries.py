"""Score results whose right verdict is known."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from itertools import groupby

    from pvtt.stages.scoring.canaries import score_canaries

    truth = [Path(path) for path in snakemake.input.truth]
    swapped = [names["clip_id"] for names in snakemake.params.pairs if names["swap_id"]]
    cutouts = sorted({Path(path) for path in snakemake.input.cutouts})
    score_canaries(
        Path(snakemake.output[0]).parent,
        snakemake.params.pairs,
        {product: list(paths) for product, paths in groupby(cutouts, key=lambda path: path.parent.name)},
        dict(zip(swapped, zip(truth[::2], truth[1::2], strict=True), strict=True)),
        snakemake.params.settings,
    )

"""Cut one clip out of its video."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.media import Shots
    from pvtt.stages.shots import cut_clip

    source = Shots.read(snakemake.input.shots)
    shot = next(shot for shot in source.shots if shot.clip_id == snakemake.wildcards.clip)
    out_dir, size = Path(snakemake.output.record).parent, (source.width, source.height)
    cut_clip(snakemake.input.video, shot, source.product_id, size, out_dir, snakemake.params.empty)

"""Cut one clip out of its video."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.media import Shots
    from pvtt.stages.shots import cut_clip

    record = Shots.read(snakemake.input.shots).plain()
    shot = next(shot for shot in record["shots"] if shot["clip_id"] == snakemake.wildcards.clip)
    cut_clip(snakemake.input.video, shot, record, Path(snakemake.output.record).parent, snakemake.params.empty)

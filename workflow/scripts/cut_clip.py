"""Cut one clip out of its video."""

from pathlib import Path

from pvtt.files import read_json
from pvtt.jobs import job
from pvtt.shots import cut_clip

with job(snakemake):
    record = read_json(snakemake.input.shots)
    shot = next(shot for shot in record["shots"] if shot["clip_id"] == snakemake.wildcards.clip)
    cut_clip(snakemake.input.video, shot, record, Path(snakemake.output.record).parent, snakemake.params.empty)

"""Insert one target product into one clip."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records import ids
    from pvtt.records.media import CutOut
    from pvtt.stages.insertion import insert_product

    clip, target, image = snakemake.wildcards.clip, snakemake.wildcards.target, int(snakemake.wildcards.image)
    pair_id = ids.pair_id(clip, target, image)
    pair = {
        "pair_id": pair_id,
        "clip_id": clip,
        "source_id": ids.clip_product(clip),
        "target_id": target,
        "image_index": image,
        "seed": ids.seed_of(pair_id),
    }
    insert_product(
        Path(snakemake.input.video).parent,
        [Path(path) for path in (snakemake.input.cutout, *snakemake.input.other_cutouts)],
        CutOut.read(snakemake.input.cutout_record),
        Path(snakemake.output.record).parent,
        pair,
        snakemake.params.settings,
        prompt=snakemake.params.prompt,
    )

"""Plan the pairs of source clips and target photos."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import atomic_path
    from pvtt.records.layout import Layout
    from pvtt.records.mask_verdicts import read_mask_verdicts
    from pvtt.records.media import CutOut
    from pvtt.records.results import MeasuredMasks, Track
    from pvtt.records.tables import CatalogueRow, read_rows
    from pvtt.stages.pairs import MaskedClip, Photo, plan_from_records
    from pvtt.stages.pairs.packs import assign_packs, read_ledger, write_ledger
    from pvtt.stages.pairs.taxonomy import Taxonomy

    files = Layout(Path(snakemake.output[0]).parent)
    verdicts = read_mask_verdicts(files.results)
    masks = [MeasuredMasks.read(path) for path in snakemake.input.measures]
    clips = [
        MaskedClip.of(Track.read(track), masked.status == "empty")
        for masked, track in zip(masks, snakemake.input.tracks, strict=True)
        if verdicts[masked.clip_id].status == "accepted"
    ]
    photos = [Photo.of(cutout) for cutout in map(CutOut.read, snakemake.input.photos) if cutout.status == "accepted"]
    plan = plan_from_records(
        *(read_rows(CatalogueRow, snakemake.input.catalogue), Taxonomy(snakemake.params.taxonomy)),
        clips,
        photos,
        snakemake.params.settings,
        *(snakemake.params.max_pairs, snakemake.params.max_frames),
    )
    # The ledger is not a declared output: Snakemake would delete it before it plans again.
    plan, packs = assign_packs(plan, read_ledger(files.packs), snakemake.params.settings["pack_pairs"])
    write_ledger(files.packs, packs)
    with atomic_path(snakemake.output[0]) as aside:
        plan.to_parquet(aside)

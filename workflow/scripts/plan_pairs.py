"""Plan the pairs of source clips and target photos."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import atomic_path, read_json
    from pvtt.records.layout import Layout
    from pvtt.records.mask_verdicts import read_mask_verdicts
    from pvtt.records.media import CutOut
    from pvtt.records.results import Track
    from pvtt.stages.catalogue import read_table
    from pvtt.stages.pairs import plan_from_records
    from pvtt.stages.pairs.packs import assign_packs, read_ledger, write_ledger
    from pvtt.stages.pairs.taxonomy import Taxonomy

    verdicts = read_mask_verdicts(Path(snakemake.input.verdicts).parent)
    masks = [read_json(path) for path in snakemake.input.measures]
    plan = plan_from_records(
        read_table(snakemake.input.catalogue),
        Taxonomy(snakemake.params.taxonomy),
        [
            measures | verdicts[measures["clip_id"]] | Track.read(track).plain()
            for measures, track in zip(masks, snakemake.input.tracks, strict=True)
        ],
        [CutOut.read(path).plain() for path in snakemake.input.photos],
        snakemake.params.settings,
        snakemake.params.max_pairs,
        snakemake.params.max_frames,
    )
    # Not a declared output: Snakemake would delete it before it plans again.
    ledger = Layout(Path(snakemake.output[0]).parent).packs
    plan, packs = assign_packs(plan, read_ledger(ledger), snakemake.params.settings["pack_pairs"])
    write_ledger(ledger, packs)
    with atomic_path(snakemake.output[0]) as aside:
        plan.to_parquet(aside)

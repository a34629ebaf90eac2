"""Judge the masks of all clips by their measures."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.mask_verdicts import write_mask_verdicts
    from pvtt.records.results import MeasuredMasks
    from pvtt.stages.verdicts import judge_masks, read_calibration

    params = snakemake.params
    verdicts = judge_masks(
        map(MeasuredMasks.read, snakemake.input), params.settings, read_calibration(params.calibration)
    )
    write_mask_verdicts(Path(snakemake.output[0]).parent, verdicts)

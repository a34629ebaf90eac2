"""Judge the pairs by their scores, in every direction."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import atomic_path
    from pvtt.records.results import Score
    from pvtt.stages.verdicts import check_failure_rate, judge_pairs, read_calibration, read_clip_states

    params = snakemake.params
    verdicts = judge_pairs(
        map(Score.read, snakemake.input.scores),
        params.settings,
        read_clip_states(Path(snakemake.output[0]).parent),
        {direction: read_calibration(chosen) for direction, chosen in params.calibrations.items()},
    )
    check_failure_rate(verdicts, params.max_failure_rate)
    with atomic_path(snakemake.output[0]) as aside:
        verdicts.to_parquet(aside)

"""Judge the pairs by their scores, in every direction, and the results whose right verdict is known."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from functools import partial

    from pvtt.io.files import atomic_path
    from pvtt.records.canaries import Canaries
    from pvtt.records.results import Score
    from pvtt.stages import verdicts

    params = snakemake.params
    judge = partial(
        verdicts.judge_pairs,
        settings=params.settings,
        clips=verdicts.read_clip_states(Path(snakemake.output[0]).parent),
        calibrations={name: verdicts.read_calibration(chosen) for name, chosen in params.calibrations.items()},
    )
    judged = judge(map(Score.read, snakemake.input.scores))
    verdicts.check_failure_rate(judged, params.max_failure_rate)
    with atomic_path(snakemake.output[0]) as aside:
        judged.to_parquet(aside)
    canaries = verdicts.judge_canaries(map(Canaries.read, snakemake.input.canaries), judge)
    canaries.write(snakemake.output.canaries)

"""Judge the pairs by their scores."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from functools import partial

    from pvtt.io.files import atomic_path
    from pvtt.records.canaries import Canaries
    from pvtt.records.results import Score
    from pvtt.stages.verdicts import check_failure_rate, judge_canaries, judge_pairs

    judge = partial(judge_pairs, settings=snakemake.params.settings)
    verdicts = judge(map(Score.read, snakemake.input.scores))
    check_failure_rate(verdicts, snakemake.params.max_failure_rate)
    with atomic_path(snakemake.output[0]) as aside:
        verdicts.to_parquet(aside)
    judge_canaries(map(Canaries.read, snakemake.input.canaries), judge).write(snakemake.output.canaries)

"""Judge the pairs by their scores."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import atomic_path
    from pvtt.records.results import Score
    from pvtt.stages.verdicts import check_failure_rate, judge_pairs

    verdicts = judge_pairs(map(Score.read, snakemake.input.scores), snakemake.params.settings)
    check_failure_rate(verdicts, snakemake.params.max_failure_rate)
    with atomic_path(snakemake.output[0]) as aside:
        verdicts.to_parquet(aside)

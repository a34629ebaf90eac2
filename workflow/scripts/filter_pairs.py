"""Keep the good pairs."""

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.io.files import atomic_path, read_json
    from pvtt.stages.scoring.filter import check_failure_rate, filter_pairs

    filtered = filter_pairs([read_json(path) for path in snakemake.input.scores], snakemake.params.settings)
    check_failure_rate(filtered, snakemake.params.max_failure_rate)
    with atomic_path(snakemake.output[0]) as aside:
        filtered.to_parquet(aside)

"""Keep the good pairs."""

from pvtt.files import read_json
from pvtt.jobs import job
from pvtt.scoring.filter import check_failure_rate, filter_pairs, write_filtered

with job(snakemake):
    scores = [read_json(path) for path in snakemake.input.scores]
    filtered = filter_pairs(scores, snakemake.params.settings)
    check_failure_rate(filtered, snakemake.params.max_failure_rate)
    write_filtered(snakemake.output[0], filtered)

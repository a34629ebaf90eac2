"""Build the table of all products, accepted or rejected."""

from pathlib import Path

from pvtt.execution.job import job


@job(snakemake)
def run():
    from pvtt.records.media import Probe
    from pvtt.records.results_format import mark_results
    from pvtt.stages.catalogue import build_catalogue, read_catalogue, write_table

    mark_results(Path(snakemake.output[0]).parent)
    probes = [Probe.read(path) for path in snakemake.input.records]
    rows = read_catalogue(snakemake.params.catalogue)
    write_table(snakemake.output[0], build_catalogue(rows, probes, snakemake.params.settings))

"""The cluster itself, with a workflow of sleeping jobs: what a pack needs of SLURM, the plugin and the profile."""

import pytest

from submit import Submission, until

pytestmark = pytest.mark.xdist_group("slurm")

SNAKEFILE = """
PACKS, PAIRS = ("p1", "p2"), range(24)
rule all:
    input: expand("{pack}.txt", pack=PACKS)
rule insert_product:
    output: "{pack}/{pair}.insert"
    group: "insertion"
    resources: runtime=0, mem_mb=0, cpus_per_task=1
    shell: "sleep 1; echo $SLURMD_NODENAME $SLURM_JOB_ID $CUDA_VISIBLE_DEVICES > {output}"
rule score_pair:
    input: "{pack}/{pair}.insert"
    output: "{pack}/{pair}.score"
    group: "insertion"
    resources: runtime=0, mem_mb=0, cpus_per_task=1
    shell: "cp {input} {output}"
rule gather_pack:
    input: expand("{{pack}}/{pair}.score", pair=PAIRS)
    output: "{pack}.txt"
    group: "insertion"
    resources: runtime=10, mem_mb=64000, cpus_per_task=16, gpu=8
    shell: "cat {input} > {output}"
"""


def test_a_pack_is_one_job_with_all_devices_of_a_node(slurm, tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    Submission(tmp_path, snakefile=tmp_path / "Snakefile").run("--cores", "16", config=())
    packs = [set((tmp_path / f"{pack}.txt").read_text().splitlines()) for pack in ("p1", "p2")]
    assert [len(places) for places in packs] == [1, 1], "a pack's pairs were run at different places"
    nodes, jobs, devices = zip(*(places.pop().split() for places in packs), strict=True)
    assert sorted(nodes) == ["n1", "n2"] and len(set(jobs)) == 2
    assert set(devices) == {"0,1,2,3,4,5,6,7"}


def test_nothing_is_left_of_a_job_that_was_cancelled(slurm, tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE.replace("sleep 1", "sleep 600"))
    with Submission(tmp_path, snakefile=tmp_path / "Snakefile").started("--cores", "16", config=()):
        until(lambda: any(state == "RUNNING" for _, state, _ in slurm.jobs()), "a running job")
        until(slurm.job_processes, "a process of a job")
    until(lambda: not slurm.jobs(), "an empty queue")
    left = slurm.job_processes
    until(lambda: not left(), "no process of a job", explain=lambda: slurm.described(left()))

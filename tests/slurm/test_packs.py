"""Packs of pairs through a real SLURM: all devices at work, one load a worker, nothing made twice, whatever happens."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from pvtt.ids import seed_of
from small_feed import SmallFeed
from submit import Submission, efficiency, until

pytestmark = pytest.mark.xdist_group("slurm")

LOAD_S, WORK_S = 8.0, 8.0


def submission(folder, sources, targets, load_s, work_s):
    """A planned feed and how it is submitted; `gathered` are the files that end its packs."""
    feed = SmallFeed(folder, sources, targets)
    run = Submission(folder, load_s, work_s)
    run.pairs = feed.pairs
    run.gathered = [f"results/packs/{pack}.json" for pack in sorted(feed.pairs.pack.unique())]
    return run


def made(run):
    """How often each pair was finished, by seed."""
    return Counter(line["seed"] for line in run.of("end"))


def seeds(run):
    return {seed_of(pair) for pair in run.pairs.pair_id}


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory):
    """Two packs of 96 pairs, run through."""
    run = submission(tmp_path_factory.mktemp("undisturbed"), 2, 11, LOAD_S, WORK_S)
    assert run.pairs.pack.value_counts().tolist() == [96, 96]
    run.run(*run.gathered, limit_s=500)
    return run


def test_all_devices_work_and_load_once(undisturbed):
    loads = undisturbed.of("load")
    assert sorted({(line["node"], line["device"]) for line in loads}) == sorted(
        (node, str(device)) for node in ("n1", "n2") for device in range(8)
    )
    assert len(loads) == 16 == len({line["pid"] for line in undisturbed.events})


def test_every_pair_is_made_once(undisturbed):
    assert made(undisturbed) == dict.fromkeys(seeds(undisturbed), 1)
    assert len(list(undisturbed.results.glob("pairs/*/*/score.json"))) == 192


def test_packs_are_made_side_by_side_without_idle_devices(undisturbed):
    jobs = {line["job"] for line in undisturbed.events}
    first = {job: min(e["time"] for e in undisturbed.events if e["job"] == job) for job in jobs}
    last = {job: max(e["time"] for e in undisturbed.events if e["job"] == job) for job in jobs}
    assert len(jobs) == 2 and max(first.values()) < min(last.values())
    found = efficiency(undisturbed.events, LOAD_S, WORK_S)
    print("efficiency", found)
    assert min(found.values()) >= 0.90, found


def test_nothing_is_left_after_success(undisturbed, slurm):
    until(lambda: not slurm.jobs(), "an empty queue")
    until(lambda: not slurm.job_processes(), "no process of a job")


@pytest.fixture(scope="module")
def quiet(slurm, tmp_path_factory):
    """Two packs, 96 pairs and 8, without disturbance; what the disturbed runs are compared with."""
    run = submission(tmp_path_factory.mktemp("quiet"), 1, 13, 0, 0)
    run.run(*run.gathered, limit_s=300)
    return run


def disturbed(folder):
    """The same feed, slow enough to be disturbed."""
    return submission(folder, 1, 13, 1.0, 1.0)


def again(run):
    """Pairs that were begun more often than once, and how much too often in all."""
    begun = Counter(line["seed"] for line in run.of("begin"))
    return sum(begun.values()) - len(begun)


def left_of_steps(slurm):
    """Processes inside the jobs' steps, where all work is done.

    The Snakemake that only waits for its step may outlive a node that was set down: no cgroup holds it here.
    """
    found = []
    for pid in slurm.job_processes():
        with suppress(OSError):
            if b"SLURM_STEP_ID=" in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def some_are_made(run, count=20):
    until(lambda: len(run.of("end")) >= count, f"{count} pairs", 120)


def test_a_lost_worker_and_a_pair_that_kills_its_workers(quiet, slurm, tmp_path):
    run = disturbed(tmp_path)
    bad = run.pairs.pair_id.iloc[5]
    run.play("crash", bad)
    with run.started(*run.gathered) as process:
        some_are_made(run)
        alive = [line["pid"] for line in run.of("begin") if os.path.exists(f"/proc/{line['pid']}")]
        os.kill(alive[-1], signal.SIGKILL)
        assert process.wait(240) == 0, (tmp_path / "snakemake.out").read_text()[-6000:]
    failed = [path.parent for path in run.results.glob("pairs/*/*/insert.json") if '"failed"' in path.read_text()]
    assert len(failed) == 1
    assert "its worker died 2 times: it was ended by SIGKILL" in (failed[0] / "insert.json").read_text()
    # The bad pair twice, and the pair that the killed worker was at, if it was at one.
    assert again(run) <= 2
    place = f"{failed[0].parent.name}/{failed[0].name}/"
    ours, theirs = ({k: v for k, v in r.files().items() if not k.startswith(place)} for r in (run, quiet))
    assert ours == theirs


@pytest.mark.parametrize("how", ["scancel", "down"])
def test_a_job_that_the_cluster_ends_is_gone_on_with(quiet, slurm, tmp_path, how):
    run = disturbed(tmp_path)
    with run.started(*run.gathered) as process:
        some_are_made(run)
        job, _, node = max(slurm.jobs(), key=lambda j: len([e for e in run.events if e["job"] == j[0]]))
        before = {line["seed"] for line in run.of("end")}
        if how == "scancel":
            slurm.cancel(job)
        else:
            slurm.set_node(node, "down")
            time.sleep(3)
            slurm.set_node(node, "resume")
        assert process.wait(300) == 0, (tmp_path / "snakemake.out").read_text()[-6000:]
    assert len(before) >= 20
    # A worker's pair in work is lost, and one more where its result was made and not yet put away.
    assert again(run) <= 16, again(run)
    assert run.files() == quiet.files()
    until(lambda: not left_of_steps(slurm), "no process of a step")

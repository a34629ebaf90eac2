"""Packs of pairs on the cluster: every GPU busy, every model loaded once, and no pair paid for twice, come what may."""

import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from pvtt.io.files import read_json
from small_feed import SmallFeed
from submit import Submission, efficiency, until

pytestmark = pytest.mark.xdist_group("slurm")

# Ideal: a load and twelve pairs one after another. A pair takes long enough for two processors to serve sixteen GPUs.
LOAD_S, WORK_S = 8, 30
DEVICES = {(node, str(device)) for node in ("n1", "n2") for device in range(8)}


def packs_of(feed):
    """The records of a feed's packs, as targets."""
    return [f"results/packs/{pack}.json" for pack in sorted(feed.pairs.pack.unique())]


def pair_of(folder: str) -> str:
    """The pair behind a path below results/pairs."""
    clip, target = Path(folder).parts[:2]
    return f"{clip}__{target}"


@pytest.fixture(scope="module")
def undisturbed(slurm, tmp_path_factory):
    """Two packs of 96 pairs, one on each node."""
    folder = tmp_path_factory.mktemp("undisturbed")
    feed = SmallFeed(folder, sources=2, targets=11)
    run = Submission(folder, LOAD_S, WORK_S)
    run.run(*packs_of(feed), limit_s=900)
    run.feed = feed
    run.left = slurm.step_processes()
    return run


def test_two_packs_of_96_pairs_are_one_job_each(undisturbed):
    assert Counter(undisturbed.feed.pairs.pack) == {"p00001": 96, "p00002": 96}
    assert len({line["job"] for line in undisturbed.events}) == 2
    assert len({(line["job"], line["node"]) for line in undisturbed.events}) == 2


def test_all_devices_of_both_nodes_work_and_load_once(undisturbed):
    loads = undisturbed.of("load")
    assert {(line["node"], line["device"]) for line in loads} == DEVICES
    assert len(loads) == len({line["pid"] for line in undisturbed.events}) == 16
    ends = Counter((line["node"], line["device"]) for line in undisturbed.of("end"))
    assert set(ends) == DEVICES


def test_every_pair_is_made_exactly_once(undisturbed):
    for event in ("begin", "end"):
        assert Counter(line["seed"] for line in undisturbed.of(event)) == Counter(undisturbed.feed.pairs.seed)


def test_both_nodes_work_at_the_same_time(undisturbed):
    times = {node: [line["time"] for line in undisturbed.events if line["node"] == node] for node in ("n1", "n2")}
    assert max(map(min, times.values())) < min(map(max, times.values()))


def test_workers_wait_for_at_most_a_tenth_of_the_time(undisturbed):
    found = efficiency(undisturbed.events, LOAD_S, WORK_S)
    print("efficiency of each SLURM job:", found)
    assert len(found) == 2 and min(found.values()) >= 0.9


def test_the_results_are_whole(undisturbed):
    for pair in undisturbed.feed.pairs.itertuples():
        folder = undisturbed.results / "pairs" / pair.clip_id / f"{pair.target_id}_i{pair.image_index}"
        assert read_json(folder / "insert.json")["status"] == "done"
        assert read_json(folder / "score.json")["status"] == "scored"
        assert (folder / "insert.mp4").stat().st_size > 0


def test_nothing_is_left_behind(undisturbed):
    assert undisturbed.left == []


@pytest.fixture(scope="module")
def disturbed(slurm, tmp_path_factory):
    """A part of the same pairs in two packs, and everything that can go wrong; `mishaps` holds what went wrong when."""
    folder = tmp_path_factory.mktemp("disturbed")
    feed = SmallFeed(folder, sources=1, targets=11, pack_pairs=48)
    run = Submission(folder, load_s=1, work_s=3)
    run.feed, run.mishaps = feed, {}
    run.crashing = feed.pairs.pair_id.iloc[5]
    run.play("crash", run.crashing)

    def happen(name, do):
        run.mishaps[name] = time.time()
        do()

    with run.started(*packs_of(feed)) as process:
        until(lambda: len(run.of("end")) >= 4, "four pairs", 180)
        happen("Ctrl-C", lambda: os.killpg(process.pid, signal.SIGINT))
        until(lambda: process.poll() is not None, "the end of Snakemake after Ctrl-C", 90)
    until(lambda: not slurm.jobs(), "an empty queue after Ctrl-C", 120)
    left = slurm.job_processes
    until(lambda: not left(), "the end of all processes after Ctrl-C", 120, lambda: slurm.described(left()))
    before = len(run.of("end"))
    with run.started(*packs_of(feed)) as process:
        until(lambda: len(run.of("end")) >= before + 6, "six more pairs", 180)
        victim = next(line for line in reversed(run.of("begin")) if at_work(run, line["pid"]))
        happen("kill -9", lambda: os.kill(victim["pid"], signal.SIGKILL))
        run.killed = victim
        until(lambda: made_again(run, victim), "another try of the killed worker's pair", 120)
        happen("node down", lambda: slurm.set_node("n1", "down"))
        until(lambda: not any(node == "n1" for _, _, node in slurm.jobs()), "the end of the job on n1", 90)
        # A node that is really down takes all with it. Here the job's outer Snakemake stays and waits for its step.
        until(lambda: "n1" not in map(slurm.node_of, slurm.step_processes()), "the end of the step on n1", 90)
        slurm.set_node("n1", "resume")
        job = next(job for job, state, node in slurm.jobs() if (state, node) == ("RUNNING", "n2"))
        at = len(run.of("end"))
        until(lambda: len(run.of("end")) >= at + 4, "four more pairs", 180)
        happen("scancel", lambda: slurm.cancel(job))
        until(lambda: process.poll() is not None, "the end of Snakemake", 400)
    run.status = process.poll()
    run.output = (folder / "snakemake.out").read_text()
    run.left = slurm.step_processes()
    return run


def at_work(run, pid: int) -> bool:
    """Whether a process has begun a pair and not ended it."""
    lines = [line["event"] for line in run.events if line["pid"] == pid]
    return bool(lines) and lines[-1] == "begin"


def made_again(run, victim) -> bool:
    """Whether another process has begun the pair that a process was at when it was killed."""
    return any(line["seed"] == victim["seed"] and line["pid"] != victim["pid"] for line in run.of("begin"))


def test_the_run_ends_complete(disturbed):
    assert disturbed.status == 0, disturbed.output[-6000:]
    for target in packs_of(disturbed.feed):
        assert (disturbed.folder / target).is_file()


def test_results_are_those_of_an_undisturbed_run(disturbed, undisturbed):
    expected, found = undisturbed.files(), disturbed.files()
    same = {path for path in found if pair_of(path) != disturbed.crashing}
    assert len(same) == 4 * (len(disturbed.feed.pairs) - 1)  # two media, two records
    assert [path for path in sorted(same) if found[path] != expected[path]] == []


def test_a_pair_that_crashes_its_worker_is_a_record_with_the_reason(disturbed):
    clip, target = disturbed.crashing.split("__")
    folder = disturbed.results / "pairs" / clip / target
    insert, score = read_json(folder / "insert.json"), read_json(folder / "score.json")
    assert insert["status"] == score["status"] == "failed"
    assert "SIGKILL" in insert["reason"] and "2 times" in insert["reason"]
    failed = [pair for pair in disturbed.feed.pairs.pair_id if status_of(disturbed, pair) != "done"]
    assert failed == [disturbed.crashing]


def status_of(run, pair_id: str) -> str:
    """How a pair's insertion ended."""
    return read_json(run.results / "pairs" / pair_id.replace("__", "/") / "insert.json")["status"]


def test_only_what_was_in_work_is_made_again(disturbed):
    pairs = disturbed.feed.pairs.set_index("pair_id")
    begun = Counter(line["seed"] for line in disturbed.of("begin"))
    crashing = pairs.seed[disturbed.crashing]
    again = {seed: number - 1 for seed, number in begun.items() if number > 1 and seed != crashing}
    bounds = {"Ctrl-C": 16, "kill -9": 1, "node down": 8, "scancel": 8}
    print("made again:", sum(again.values()), "of", len(pairs), "pairs; tries of the crashing one:", begun[crashing])
    assert set(begun) == set(pairs.seed)
    assert disturbed.killed["seed"] in again
    assert sum(again.values()) <= sum(bounds.values())
    assert [seed for seed in again for at in disturbed.mishaps.values() if made_anew(disturbed, seed, at)] == []


def made_anew(run, seed: int, mishap: float) -> bool:
    """Whether a pair that had been ready for a second when a mishap came was begun again after it."""
    lines = [line for line in run.events if line.get("seed") == seed]
    ready = any(line["event"] == "end" and line["time"] < mishap - 1 for line in lines)
    return ready and any(line["event"] == "begin" and line["time"] > mishap for line in lines)


def test_no_worker_outlives_its_job(disturbed):
    assert disturbed.left == []

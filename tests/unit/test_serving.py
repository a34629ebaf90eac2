"""Who gets what next, and what the devices did: the parts of warm workers that need no processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from pvtt import cli as command
from pvtt.execution.workers import processes
from pvtt.execution.workers.scheduler import QueueItem, next_task
from pvtt.execution.workers.timeline import Span, draw, read_spans, summary


def drain(items, slots):
    """Hand out items to slots in turn, each slot free again after each; what each got, as (group, cost)."""
    last, waiting, got = dict.fromkeys(slots, ""), list(items), {slot: [] for slot in slots}
    while waiting:
        for slot in slots:
            item = next_task(waiting, slot, last)
            if item:
                waiting.remove(item)
                last[slot] = item.group
                got[slot].append((item.group, item.cost))
    return got


def test_pairs_of_a_clip_stay_with_one_worker():
    items = [QueueItem(group, cost) for cost in (1, 2, 3) for group in ("A", "B")]
    got = drain(items, ("0", "1"))
    assert sorted(got.values()) == [[("A", 3), ("A", 2), ("A", 1)], [("B", 3), ("B", 2), ("B", 1)]]


def test_idle_workers_help_with_the_clip_that_has_most_left():
    items = [QueueItem("A", 1), *(QueueItem("B", 5) for _ in range(4)), *(QueueItem("C", 1) for _ in range(4))]
    got = drain(items, ("0", "1", "2"))
    assert [len(done) for done in got.values()] == [3, 3, 3]
    assert got["0"][0][0] == "B" and got["1"][0][0] == "C" and got["2"][:2] == [("A", 1), ("B", 5)]


def test_scores_go_before_insertions():
    items = [QueueItem("A", 9), QueueItem("B", 1, priority=True), QueueItem("A", 1, priority=True)]
    assert next_task(items, "0", {"0": "A", "1": ""}) is items[2]
    assert next_task(items[:2], "0", {"0": "A", "1": ""}) is items[1]


def test_what_failed_somewhere_goes_elsewhere():
    failed = QueueItem("A", 1, tries=1, excluded_device="0")
    assert next_task([failed], "0", {"0": "A", "1": ""}) is None
    assert next_task([failed], "1", {"0": "A", "1": ""}) is failed
    assert next_task([failed], "0", {"0": "A"}) is failed
    assert next_task([], "0", {"0": ""}) is None


EVENTS = [
    {"time": 10.0, "event": "begin", "device": "0", "rule": "insert_product", "item": "a", "group": "A"},
    {"time": 10.0, "event": "begin", "device": "1", "rule": "insert_product", "item": "b", "group": "B"},
    {"time": 11.0, "event": "loading", "device": "0", "rule": "insert_product", "backend": "vace"},
    {"time": 14.0, "event": "loaded", "device": "0", "rule": "insert_product", "backend": "vace"},
    {"time": 16.0, "event": "died", "device": "1", "rule": "insert_product", "item": "b", "reason": "x", "tries": 1},
    {"time": 18.0, "event": "end", "device": "0", "rule": "insert_product", "item": "a", "status": "done"},
    {"time": 18.0, "event": "begin", "device": "0", "rule": "insert_product", "item": "b", "group": "B"},
    {"time": 20.0, "event": "end", "device": "0", "rule": "insert_product", "item": "b", "status": "done"},
    {"time": 20.0, "event": "begin", "device": "1", "rule": "score_pair", "item": "a", "group": "A"},
]


@pytest.fixture
def results(tmp_path):
    log = tmp_path / "logs/serving/n1-7.jsonl"
    log.parent.mkdir(parents=True)
    log.write_text("".join(json.dumps(event) + "\n" for event in EVENTS) + '{"time": 2')  # the broker was killed
    return tmp_path


def test_spans_and_their_sums_are_exact(results):
    spans = read_spans((results / "logs/serving").glob("*"))
    work, row = "insert_product", "n1-7"
    assert set(spans) == {
        Span(row, "0", work, 10, 11, "a", work), Span(row, "0", "loading", 11, 14, "a", work, "vace"),
        Span(row, "0", work, 14, 18, "a", work), Span(row, "1", "died", 10, 16, "b", work),
        Span(row, "0", work, 18, 20, "b", work),
    }  # fmt: skip
    (found,) = summary(spans)
    assert found == {
        "broker": row, "devices": 2, "items": 2, "loads": 1, "died": 1, "seconds": 10.0,
        "work_share": 0.35, "loading_share": 0.15,
    }  # fmt: skip


def test_the_timeline_is_drawn(results, capsys):
    written = ["--out", str(results / "t.svg"), "--json", str(results / "t.json")]
    assert command.main(["timeline", str(results), *written]) == 0
    assert "2 items on 2 devices in 10.0 s, 1 loads, 1 died" in capsys.readouterr().out
    svg = (results / "t.svg").read_text()
    first = svg
    draw(read_spans((results / "logs/serving").glob("*")), results / "t.svg")
    assert (results / "t.svg").read_text().count("<path") == first.count("<path") > 5
    assert json.loads((results / "t.json").read_text())[0]["items"] == 2


def test_a_run_without_models_says_so(tmp_path, capsys):
    assert command.main(["timeline", str(tmp_path)]) == 1
    assert "no events of warm workers" in capsys.readouterr().err


STUBBORN = """
import asyncio, sys
from pvtt.execution.workers import broker

async def start(device, python, environment, log):
    while True:  # a worker that starts for ever, and a task that outlives its cancellation
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

broker.Worker.start = start
asyncio.run(broker._main(int(sys.argv[1])))
"""


@pytest.mark.parametrize("end", ["its Snakemake", "SIGTERM"])
def test_a_broker_ends_although_a_task_swallows_its_cancellation(tmp_path, end):
    owner = subprocess.Popen(["sleep", "60"])
    broker = subprocess.Popen([sys.executable, "-c", STUBBORN, str(owner.pid)])
    try:
        with socket.socket(socket.AF_UNIX) as client:
            address, limit = processes.address_of(owner.pid), time.monotonic() + 30
            while client.connect_ex(address):
                assert time.monotonic() < limit
                time.sleep(0.05)
            task = {"rule": "r", "wildcards": [["a"], {}], "log": [[str(tmp_path / "logs/r/a.log")], {}]}
            asked = {"task": task, "python": "p", "environment": {}, "limit_s": 60}
            client.sendall(json.dumps(asked | {"group": "", "cost": 1, "priority": False}).encode() + b"\n")
            while not list(tmp_path.glob("logs/serving/*worker*.log")):  # the worker is being started
                assert time.monotonic() < limit
                time.sleep(0.05)
            owner.kill() if end == "its Snakemake" else os.kill(broker.pid, signal.SIGTERM)
            owner.wait() if end == "its Snakemake" else None
            assert broker.wait(10) == 0
    finally:
        for process in (broker, owner):
            process.kill()
            process.wait()

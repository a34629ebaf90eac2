"""Warm workers under a real Snakemake: loads, replacement of what dies, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import ROOT

SNAKEFILE = """
from pvtt.execution.job import share_library
share_library()
ITEMS = config["items"].split(",")
rule all:
    input: expand("out/{item}.txt", item=ITEMS)
rule make:
    output: "out/{item}.txt"
    log: "logs/make/{item}.log"
    params: how=lambda wildcards: wildcards.item.split("-")[0]
    resources: worker_timeout_s=float(config.get("limit_s", 60))
    script: "make.py"
"""

SCRIPT = """
from pathlib import Path
from pvtt.execution.job import job

@job(snakemake)
def run():
    import os, time
    from pvtt.backends.lifecycle import WorkError, load_model
    out = Path(snakemake.output[0])
    with open("tries.txt", "a") as tries:
        print(snakemake.wildcards.item, os.getpid(), file=tries)
    try:
        with load_model(Slow(snakemake.params.how), "cpu") as ready:
            out.write_text(ready.work(snakemake.wildcards.item))
    except WorkError as error:
        out.write_text(f"failed: {error}")


class Slow:
    name = "slow"
    def __init__(self, how):
        self.how, self.settings = how, {"unloadable": how == "unloadable"}
    def load(self, device):
        import os, time
        with open("loads.txt", "a") as loads:
            print(os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"], file=loads)
        if self.how == "unloadable":
            raise RuntimeError("no such weights")
    def work(self, item):
        import os, signal, time
        how = item.split("-")[0]
        if how == "crash" or (how == "once" and not os.path.exists("once")):
            open(how, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "error":
            raise ValueError("an odd clip")
        if how == "full":
            class OutOfMemoryError(RuntimeError): pass
            raise OutOfMemoryError("CUDA out of memory")
        time.sleep(30 if how == "hang" else 0.2)
        return f"{item} {os.getpid()}"
    def close(self):
        pass
"""
# The class is defined after the decorated body runs; so it goes first.
_HEAD, _CLASS = SCRIPT.split("\n\n\n")


@pytest.fixture
def run(tmp_path):
    """Run items on two fake GPUs: the finished process; files are in its `folder`."""
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    imports, body = _HEAD.split("@job")
    (tmp_path / "make.py").write_text(f"{imports}\n{_CLASS}\n\n@job{body}")

    def start(*items, limit_s=60, wait=True, devices="4,7"):
        command = [sys.executable, "-m", "snakemake", "--cores", "6", "--keep-going", "--config"]
        command += [f"items={','.join(items)}", f"limit_s={limit_s}"]
        environment = os.environ | {"CUDA_VISIBLE_DEVICES": devices, "PYTHONPATH": str(ROOT / "workflow")}
        environment.pop("PVTT_DEVICE", None)
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        process.folder = tmp_path
        if wait:
            process.output = process.communicate(timeout=120)[0]
        return process

    return start


def lines(folder, name):
    path = folder / name
    return path.read_text().splitlines() if path.exists() else []


def results(folder):
    return {path.stem: path.read_text() for path in (folder / "out").glob("*.txt")}


def left_over(folder):
    """Processes of the folder that still run, as their command lines."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(folder):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return [text for text in found if "pvtt.execution.workers" in text or "make.py" in text]


def wait_until_none_is_left(folder):
    until = time.monotonic() + 10
    while left_over(folder) and time.monotonic() < until:
        time.sleep(0.1)
    assert left_over(folder) == []


def test_a_model_is_loaded_once_per_device(run):
    done = run(*(f"item-{k}" for k in range(8)))
    assert done.returncode == 0, done.output
    loads = lines(done.folder, "loads.txt")
    assert sorted(line.split()[1] for line in loads) == ["4", "7"]
    workers = {text.split()[1] for text in results(done.folder).values()}
    assert len(results(done.folder)) == 8 and workers == {line.split()[0] for line in loads}
    wait_until_none_is_left(done.folder)
    (log,) = (done.folder / "logs" / "serving").glob("*.jsonl")
    events = [json.loads(line) for line in log.read_text().splitlines()]
    ended = [event["item"] for event in events if event["event"] == "end"]
    assert sorted(ended) == sorted(results(done.folder)) and {e["device"] for e in events} == {"4", "7"}


def test_what_kills_its_worker_is_tried_twice_and_then_a_record(run):
    done = run("crash-1", "once-1", "item-1", "item-2", "error-1", "full-1")
    assert done.returncode == 0, done.output
    made = results(done.folder)
    assert made["crash-1"] == "failed: its worker died 2 times: it was ended by SIGKILL"
    assert made["full-1"] == "failed: its worker died 2 times: it ended with status 77"
    assert made["error-1"] == "failed: ValueError: an odd clip"
    assert all(made[item].startswith(item) for item in ("once-1", "item-1", "item-2"))
    tries = [line.split()[0] for line in lines(done.folder, "tries.txt")]
    # Two tries, and once more by the job itself to write the record of the failure.
    assert {item: tries.count(item) for item in sorted(set(tries))} == {
        "crash-1": 3, "error-1": 2, "full-1": 3, "item-1": 1, "item-2": 1, "once-1": 2,
    }  # fmt: skip
    wait_until_none_is_left(done.folder)


def test_what_hangs_is_ended(run):
    done = run("hang-1", "item-1", limit_s=1)
    assert done.returncode == 0, done.output
    assert "took longer than 1 s" in results(done.folder)["hang-1"]
    assert results(done.folder)["item-1"].startswith("item-1")
    wait_until_none_is_left(done.folder)


def test_a_model_that_cannot_be_loaded_fails_the_job_not_the_item(run):
    done = run("unloadable-1")
    assert done.returncode != 0 and "no such weights" in done.output
    assert results(done.folder) == {}
    wait_until_none_is_left(done.folder)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_snakemake(run, sign):
    process = run("hang-1", "hang-2", wait=False)
    until = time.monotonic() + 60
    while len(lines(process.folder, "tries.txt")) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    assert len(left_over(process.folder)) >= 4  # two clients, the broker, two workers
    process.send_signal(sign)
    process.communicate(timeout=60)
    wait_until_none_is_left(process.folder)


def test_a_lost_broker_is_replaced(run):
    process = run("hang-1", "item-1", limit_s=3, wait=False)
    until = time.monotonic() + 60
    while "hang-1" not in "".join(lines(process.folder, "tries.txt")) and time.monotonic() < until:
        time.sleep(0.1)
    (broker,) = [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if re.search(rb"pvtt\.execution\.workers\.broker", _command(entry)) and _cwd(entry) == str(process.folder)
    ]
    os.kill(broker, signal.SIGKILL)
    process.output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, process.output
    assert "took longer than 3 s" in results(process.folder)["hang-1"]
    wait_until_none_is_left(process.folder)


def _command(entry):
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def _cwd(entry):
    try:
        return os.readlink(entry / "cwd")
    except OSError:
        return ""

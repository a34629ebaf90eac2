"""The workflow through the cluster, as a user types it: what is run, what it leaves, and what happened meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cluster import MARKS
from pvtt.records.ids import seed_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# Account and partitions are those of the example profile. The status command is not: there is no accounting database
# here, so sacct knows nothing. That a check comes after two seconds, not forty, is for the test's sake.
ON_CLUSTER = (
    *("--profile", str(ROOT / "profiles" / "slurm-superpod")),
    *("--slurm-status-command", "squeue"),
    *("--slurm-init-seconds-before-status-checks", "2"),
)
CONFIG = (
    "catalogue=feed/products.csv",
    "results=results",
    'insertion={"backend": "slow:Backend"}',
    'scoring={"backend": "slow:Identity", "identity_frames": 1, "flow_pairs": 1}',
)


class Submission:
    """The workflow on a feed in `folder`, with the slow backends; `events` is what those recorded."""

    def __init__(
        self, folder: Path, load_s: float = 0, work_s: float = 0, snakefile: Path = ROOT / "Snakefile"
    ) -> None:
        self.folder, self.snakefile = folder, snakefile or ROOT / "Snakefile"
        self.results = folder / "results"
        self.load_s, self.work_s = load_s, work_s
        self.slow = folder / "slow"
        self.slow.mkdir()
        self.output = ""

    def play(self, trick: str, pair_id: str) -> None:
        """Play a trick of slow.py on a pair."""
        (self.slow / f"{seed_of(pair_id)}.{trick}").touch()

    def run(self, *arguments: str, check: bool = True, config: Sequence[str] = CONFIG, limit_s: float = 240) -> int:
        """Run Snakemake to its end; its exit status. With `check`, AssertionError with its output when it fails."""
        with self.started(*arguments, config=config) as process:
            status = wait(process, limit_s)
        self.output = (self.folder / "snakemake.out").read_text()
        assert not check or status == 0, self.output[-8000:]
        return status

    @contextmanager
    def started(self, *arguments: str, config: Sequence[str] = CONFIG) -> Iterator[subprocess.Popen]:
        """Snakemake while it runs; it is interrupted, as by Ctrl-C, when the block is left before it has ended."""
        command = [sys.executable, "-m", "snakemake", "-s", str(self.snakefile), "--directory", str(self.folder)]
        path = [str(HERE / "allocation"), str(HERE), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, path)),
            "OMP_NUM_THREADS": "1",
            # The cluster ends it where this process cannot any more.
            **dict([MARKS[0].decode().split("=")]),
            "PVTT_SLOW_FOLDER": str(self.slow),
            "PVTT_SLOW_LOAD_S": str(self.load_s),
            "PVTT_SLOW_WORK_S": str(self.work_s),
        }
        command += [*ON_CLUSTER, *arguments, *(("--config", *config) if config else ())]
        # A process that a script started in the background ignores SIGINT, and its children do.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with open(self.folder / "snakemake.out", "a", encoding="utf-8") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()

    @property
    def events(self) -> list[dict]:
        """Every line of the slow backend, in order of time."""
        path = self.slow / "events.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return sorted(map(json.loads, lines), key=lambda line: line["time"])

    def of(self, event: str) -> list[dict]:
        """The events of one kind."""
        return [line for line in self.events if line["event"] == event]

    def files(self) -> dict[str, bytes]:
        """What the run made of its pairs, by path: media as they are, records without the time they took."""
        folder = self.results / "pairs"
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): content_of(path) for path in sorted(paths)}

    def log_of_jobs(self) -> str:
        """The SLURM logs, for the message of a failing test."""
        logs = sorted((self.folder / ".snakemake" / "slurm_logs").rglob("*.log"))
        return "\n".join(f"{path}:\n{path.read_text()[-3000:]}" for path in logs)


def content_of(path: Path) -> bytes:
    """A file's bytes; of a record, those of all its values but the seconds that were measured."""
    if path.suffix != ".json":
        return path.read_bytes()
    return json.dumps(_untimed(json.loads(path.read_text(encoding="utf-8"))), sort_keys=True).encode()


def _untimed(value: object) -> object:
    if isinstance(value, dict):
        return {key: _untimed(part) for key, part in value.items() if key != "seconds"}
    return [_untimed(part) for part in value] if isinstance(value, list) else value


def wait(process: subprocess.Popen, limit_s: float) -> int:
    """The exit status of a process that ends in time."""
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"Snakemake did not end within {limit_s:.0f} s") from None


def until(
    true: Callable[[], object], what: str, limit_s: float = 60, explain: Callable[[], object] = lambda: ""
) -> None:
    """Wait until something is so; AssertionError naming it, with what `explain` finds, when it does not come."""
    end = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < end, f"not seen within {limit_s:.0f} s: {what} {explain()}"
        time.sleep(0.1)


def efficiency(events: Sequence[dict], load_s: float, work_s: float) -> dict[str, float]:
    """Ideal over real duration of each SLURM job: from its first load to its last pair, pairs shared out evenly."""
    jobs = defaultdict(list)
    for line in events:
        jobs[line["job"]].append(line)
    found = {}
    for job, lines in jobs.items():
        workers = len({line["pid"] for line in lines if line["event"] == "load"})
        pairs = sum(line["event"] == "end" for line in lines)
        real = max(line["time"] for line in lines) - min(line["time"] for line in lines)
        found[job] = (load_s + work_s * -(-pairs // workers)) / real
    return found

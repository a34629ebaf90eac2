"""What several test folders share: the workflow as a command, and one finished run on a generated feed."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# One thread a process: pytest starts a process for every core. What rembg imports would set PyTorch's threads anew.
for _name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(_name, "1")


class Workflow:
    """A feed in `folder`/feed and its results in `folder`/results, run by Snakemake from `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.catalogue = folder / "feed" / "products.csv"

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run Snakemake; AssertionError with its output when it fails and `check` is set."""
        command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(self.folder)]
        config = ["catalogue=feed/products.csv", "results=results"]
        if "--config" in arguments:
            place = arguments.index("--config")
            config += arguments[place + 1 :]
            arguments = arguments[:place]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, *arguments, "--config", *config], capture_output=True, text=True, env=environment, check=False
        )
        assert not check or done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
        return done

    def run(self, *arguments: str) -> Counter:
        """Run the workflow on 2 cores; how many jobs of each rule were run."""
        done = self.snakemake("--cores", "2", *arguments)
        rules = re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", done.stdout + done.stderr, re.MULTILINE)
        return Counter(rules)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The tiny generated feed, run to the end once for all tests that look at a finished run; do not change it."""
    from synthetic.feed import make_feed

    workflow = Workflow(tmp_path_factory.mktemp("run"))
    make_feed(workflow.catalogue.parent, seed=0)
    workflow.jobs = workflow.run()
    return workflow


@pytest.fixture
def own_run(finished_run, tmp_path):
    """A copy of the finished run that a test may change."""
    subprocess.run(["cp", "-a", f"{finished_run.folder}/.", str(tmp_path)], check=True)
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def slurm():
    """A SLURM of two nodes with eight GPU devices each, as the module that asks and commands it.

    Where it cannot be had the test skips, and says why. PVTT_TEST_SLURM=1, as in CI: then that is an error;
    PVTT_TEST_SLURM=0: skip.
    """
    import cluster

    wanted = os.environ.get("PVTT_TEST_SLURM", "")
    reason = "PVTT_TEST_SLURM=0" if wanted == "0" else cluster.hindrance()
    if reason and wanted == "1":
        pytest.fail(f"PVTT_TEST_SLURM=1, but {reason}")
    if reason:
        pytest.skip(f"no SLURM: {reason}")
    with cluster.cluster():
        yield cluster

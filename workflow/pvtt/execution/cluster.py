"""What a run leaves on the cluster when it is interrupted."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from typing import Any


def cancel_submitted_jobs(workflow: Any) -> None:
    """Cancel every SLURM job that this run of Snakemake has submitted and that has not ended.

    Snakemake cancels the jobs on its list of active jobs. While the status of the jobs is queried that list is empty,
    and a Ctrl-C then cancels nothing (snakemake-interface-executor-plugins 9, `RemoteExecutor._wait_for_jobs`). The
    SLURM plugin gives all jobs of a run one name, so they are cancelled by that name.

    Parameters
    ----------
    workflow
        Snakemake's workflow object, at its end. Nothing is done when its executor has no run of SLURM jobs.
    """
    executor = getattr(getattr(workflow, "scheduler", None), "_executor", None)
    run = getattr(executor, "run_uuid", None)
    if not run or shutil.which("scancel") is None:
        return
    done = subprocess.run(
        ["scancel", f"--name={run}", f"--user={getpass.getuser()}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        print(f"scancel --name={run} failed: {done.stderr.strip()}; look with: squeue --name={run}", file=sys.stderr)

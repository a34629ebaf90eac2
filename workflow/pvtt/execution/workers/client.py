"""Client of the workers: send a task to the broker (start it if needed) and wait for the result."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pvtt.execution.workers import processes

if TYPE_CHECKING:
    from pvtt.execution.task import Task
_START_S = 120.0  # s: longest start of the broker
_ATTEMPTS = 3  # connections to a broker until a task fails


class ServingError(RuntimeError):
    """An error of the installation or the machine: no broker, no model, or too little memory to load it."""


class Failure(RuntimeError):
    """The item failed; the message is the reason in its record."""


def serve(task: Task, limit_s: float) -> None:
    """Let a warm worker compute a task.

    Parameters
    ----------
    task : Task
    limit_s : float
        Longest time in s once the model is loaded.

    Raises
    ------
    Failure
        If the work raised an error, or killed two workers or exceeded their time.
    ServingError
        If the model cannot be loaded, or the connection to the broker is lost several times.
    """
    request = {
        "task": task.to_dict(),
        "python": sys.executable,
        "environment": dict(os.environ),
        "limit_s": limit_s,
        "cost": sum(os.path.getsize(path) for path in task.input if os.path.exists(path)),
        "priority": bool(task.resources.names.get("worker_priority", 0)),
        "group": str(task.wildcards.names.get("clip", "")),
    }
    line = json.dumps(request).encode() + b"\n"
    for _ in range(_ATTEMPTS):
        with suppress(ConnectionError):
            reply = _ask(line)
            if reply["status"] == "failed":
                raise Failure(reply["reason"])
            if reply["status"] != "done":
                raise ServingError(reply["reason"])
            return
    raise ServingError(f"{task}: the broker of the workers ended {_ATTEMPTS} times; its log is in logs/serving")


def _ask(line: bytes) -> dict[str, Any]:
    """Send a request and return the answer; ConnectionError if the broker ends before it answers."""
    with _connected() as connection:
        connection.sendall(line)
        answer = b""
        while not answer.endswith(b"\n"):
            part = connection.recv(1 << 16)
            if not part:
                raise ConnectionResetError("the broker ended")
            answer += part
    reply: dict[str, Any] = json.loads(answer)
    return reply


def _connected() -> socket.socket:
    """Connect to the broker of this Snakemake process; start it if there is none."""
    owner = processes.nearest_snakemake()
    if owner is None:
        raise ServingError("no Snakemake process is above this job: it has ended, or the job was not started by one")
    address = processes.address_of(owner)
    until = time.monotonic() + _START_S
    with socket.socket(socket.AF_UNIX) as lock:  # its owner starts the broker; it is released when the owner ends
        starter: subprocess.Popen[bytes] | None = None
        held = False
        while time.monotonic() < until:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(address)
                processes.check_peer(connection)
                return connection
            except PermissionError:
                connection.close()
                raise
            except OSError:
                connection.close()
            if not held:
                with suppress(OSError):
                    lock.bind(address + "-lock")
                    held = True
            if held and (starter is None or starter.poll() is not None):
                starter = _start_broker(owner)
            time.sleep(0.05)
            if processes.nearest_snakemake() != owner:
                raise ServingError("Snakemake has ended")
    raise ServingError(f"the broker of the workers did not start within {_START_S:g} s")


def _start_broker(owner: int) -> subprocess.Popen[bytes]:
    """Start the broker of a Snakemake process in a new session; it ends with that process."""
    return subprocess.Popen(
        [sys.executable, "-m", "pvtt.execution.workers.broker", str(owner)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        cwd=Path.cwd(),
    )

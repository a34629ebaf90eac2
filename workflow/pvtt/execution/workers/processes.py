"""Parent processes: find Snakemake above this process, and end with the parent. Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # option of prctl (linux/prctl.h)


def parent_and_start(pid: int) -> tuple[int, int]:
    """Parent and start time (clock ticks since boot) of a process; ProcessLookupError if it does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"no process {pid}") from None
    fields = stat.rsplit(")", 1)[1].split()  # the program's name may hold spaces and brackets
    return int(fields[1]), int(fields[19])


def is_snakemake(pid: int) -> bool:
    """Whether the command line of a process is that of Snakemake."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(os.path.basename(word) == "snakemake" for word in words[:2]) or words[1:3] == ["-m", "snakemake"]


def nearest_snakemake() -> int | None:
    """The nearest Snakemake process among the ancestors of this one; None if there is none."""
    pid = os.getppid()
    while pid > 1:
        if is_snakemake(pid):
            return pid
        try:
            pid = parent_and_start(pid)[0]
        except ProcessLookupError:
            return None
    return None


def die_with_parent(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends; SystemExit if `parent` is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit("the process that started this worker has ended")


def address_of(owner: int) -> str:
    """Address of the broker of a Snakemake process, in the abstract namespace of Unix sockets.

    It contains the start time of the process, because process ids are reused. The kernel frees it with its socket.
    """
    return f"\0pvtt-{os.getuid()}-{owner}-{parent_and_start(owner)[1]}"


def check_peer(connection: socket.socket) -> None:
    """PermissionError if the peer of a Unix socket is another user; abstract addresses have no permissions."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid != os.getuid():
        raise PermissionError(f"the other end belongs to user {uid}, not to {os.getuid()}")

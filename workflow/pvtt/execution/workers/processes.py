"""Processes that end together: who started us, when, and how to end with it. Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import struct
from pathlib import Path

_PR_SET_PDEATHSIG = 1


def parent_and_start(pid: int) -> tuple[int, int]:
    """Parent of a process and when it started, in clock ticks since boot; ProcessLookupError when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessLookupError(f"no process {pid}") from None
    fields = stat.rsplit(")", 1)[1].split()  # the program's name may hold spaces and brackets
    return int(fields[1]), int(fields[19])


def is_snakemake(pid: int) -> bool:
    """Whether a process is Snakemake, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return any(os.path.basename(word) == "snakemake" for word in words[:2]) or words[1:3] == ["-m", "snakemake"]


def nearest_snakemake() -> int | None:
    """The Snakemake process that this one descends from, the nearest; None when it is gone or there was none."""
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
    """Have the kernel kill this process when the thread that started it ends; SystemExit when `parent` is gone."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit("the process that started this worker has ended")


def address_of(owner: int) -> str:
    """Name, in the abstract namespace of Unix sockets, of the broker that belongs to a Snakemake process.

    It holds the process's start, so that a later one of the same number is another; the kernel frees it with its
    socket.
    """
    return f"\0pvtt-{os.getuid()}-{owner}-{parent_and_start(owner)[1]}"


def check_peer(connection: socket.socket) -> None:
    """PermissionError when the other end of a Unix socket is another user's: abstract names have no permissions."""
    size = struct.calcsize("3i")
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if uid != os.getuid():
        raise PermissionError(f"the other end belongs to user {uid}, not to {os.getuid()}")

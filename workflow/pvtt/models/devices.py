"""Which device a model runs on."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def requested_device() -> str:
    """What this run asks for: PVTT_DEVICE, which the run's `device` sets, or `auto`."""
    return os.environ.get("PVTT_DEVICE") or "auto"


def set_device(device: str) -> None:
    """Take `device` in this process and in those that it starts; `auto` leaves PVTT_DEVICE as it is."""
    if device != "auto":
        os.environ["PVTT_DEVICE"] = device


def selected_device() -> str:
    """The device of this run; `auto` is `cuda` where a GPU is seen."""
    if requested_device() != "auto":
        return requested_device()
    return "cuda" if gpu_available() else "cpu"


def gpu_available() -> bool:
    """Whether this machine has an NVIDIA driver and lets this process see a GPU; needs no torch."""
    driver = shutil.which("nvidia-smi") is not None or Path("/dev/nvidiactl").exists()
    return driver and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")


def visible_gpus() -> list[str]:
    """GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; those of the machine where it is unset."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return [str(index) for index, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]

"""Selection of the device for models."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def requested_device() -> str:
    """Requested device: PVTT_DEVICE (set by the setting `device`), or `auto`."""
    return os.environ.get("PVTT_DEVICE") or "auto"


def set_device(device: str) -> None:
    """Request a device in this process and its child processes; `auto` does not change PVTT_DEVICE."""
    if device != "auto":
        os.environ["PVTT_DEVICE"] = device


def selected_device() -> str:
    """Device of this run; `auto` means `cuda` if a GPU is visible, else `cpu`."""
    if requested_device() != "auto":
        return requested_device()
    return "cuda" if gpu_available() else "cpu"


def gpu_available() -> bool:
    """Whether there is an NVIDIA driver and a GPU is visible to this process; does not need torch."""
    driver = shutil.which("nvidia-smi") is not None or Path("/dev/nvidiactl").exists()
    return driver and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")


def visible_gpus() -> list[str]:
    """Visible GPUs as in CUDA_VISIBLE_DEVICES; if it is not set, all GPUs of the machine."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    listed = subprocess.run([program, "-L"], capture_output=True, text=True, check=False).stdout
    return [str(index) for index, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]

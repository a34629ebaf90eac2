"""Which device a model runs on."""

from __future__ import annotations

import os
import shutil


def chosen() -> str:
    """The device of this run: PVTT_DEVICE, which the run's `device` sets; `auto` is `cuda` where a GPU is seen."""
    wanted = os.environ.get("PVTT_DEVICE", "auto")
    if wanted != "auto":
        return wanted
    return "cuda" if gpu_seen() else "cpu"


def gpu_seen() -> bool:
    """Whether this machine has an NVIDIA driver and lets this process see a GPU; needs no torch."""
    return shutil.which("nvidia-smi") is not None and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")

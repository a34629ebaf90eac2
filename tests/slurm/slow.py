"""Stand-ins for models, chosen as `slow:Backend` and `slow:Identity` with this folder on PYTHONPATH.

The insertion backend loads for PVTT_SLOW_LOAD_S seconds and works for PVTT_SLOW_WORK_S seconds on a pair, by sleeping.
What happens is appended to PVTT_SLOW_FOLDER/events.jsonl, a line each: `load` and `ready` of a worker, `begin` and
`end` of a pair, with the time, the process, its node, job and device. A file `<seed>.<trick>` in that folder plays a
trick on the pair of that seed: `crash` ends the process at every attempt, `kill` at the first one, `hang` never ends.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.stages.insertion.base import Array, Insertion, Request

FOLDER, LOAD_S, WORK_S = "PVTT_SLOW_FOLDER", "PVTT_SLOW_LOAD_S", "PVTT_SLOW_WORK_S"


class Backend(ModelBackend):
    """Sleeps, then draws a box of the seed's colour over the clip; the same seed gives the same bytes."""

    name = "slow"
    version = "1"
    environment = "core"
    packages = ()

    def load(self, device: str = "cpu") -> None:
        """Sleep as if a model were read."""
        note("load")
        time.sleep(float(os.environ[LOAD_S]))
        note("ready")

    def insert(self, request: Request) -> Insertion:
        """Sleep as if a model were run."""
        until = time.monotonic() + float(os.environ[WORK_S])
        note("begin", seed=request.seed)
        _play_trick(request.seed)
        colour = np.frombuffer(request.seed.to_bytes(4, "big"), np.uint8)[1:]

        def frames() -> Iterator[tuple[Array, Array]]:
            for frame, mask in zip(request.source(), request.masks, strict=True):
                changed = frame.copy()
                changed[mask] = colour
                yield changed, mask
            time.sleep(max(0.0, until - time.monotonic()))
            note("end", seed=request.seed)

        return Insertion(frames(), list(request.boxes), {"colour": colour.tolist()})


class Identity(ModelBackend):
    """Mean colour, as cheap as a score can be; it says that it wants a GPU, so that a warm worker does it."""

    name = "mean colour"
    version = "1"
    environment = "core"
    packages = ()

    def load(self, device: str = "cpu") -> None:
        """Nothing to load."""

    def embed(self, crops: Sequence[Any]) -> list[Any]:
        """Mean colour of each crop's product."""
        return [crop.image[crop.mask].mean(0) for crop in crops]

    def similarity(self, a: Any, b: Any) -> float:
        """Likeness of two colours."""
        return 1 - float(np.abs(a - b).mean()) / 255


def note(event: str, **more: Any) -> None:
    """Append a line of what happened; one write, so that lines of several processes do not mix."""
    places = {"node": "SLURMD_NODENAME", "job": "SLURM_JOB_ID", "device": "CUDA_VISIBLE_DEVICES"}
    line = {"event": event, "time": time.time(), "pid": os.getpid()} | more
    line |= {key: os.environ.get(name, "") for key, name in places.items()}
    target = os.open(Path(os.environ[FOLDER]) / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(target, json.dumps(line).encode() + b"\n")
    finally:
        os.close(target)


def _play_trick(seed: int) -> None:
    folder = Path(os.environ[FOLDER])
    if (folder / f"{seed}.hang").exists():
        time.sleep(3600)
    if (folder / f"{seed}.kill").exists():
        (folder / f"{seed}.kill").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / f"{seed}.crash").exists():
        os.kill(os.getpid(), signal.SIGKILL)

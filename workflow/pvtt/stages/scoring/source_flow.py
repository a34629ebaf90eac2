"""Optical flow of a clip, computed once and read by the scoring of all its pairs.

`source_flow.npz` is a NumPy archive of k pairs of neighbouring frames at the reduced size of `flow_side_px`.

| array | type | meaning |
|---|---|---|
| firsts | int64 (k,) | index of each pair's first frame |
| forward | int16 (k, h, w, 2) | flow (x, y) from the first to the second frame, in 1/64 px of the reduced frame |
| valid | uint8, bits | where forward and backward flow agree (k, h, w), packed by `numpy.packbits` |
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pvtt.config.stages.scoring import ScoringSettings
from pvtt.io.files import atomic_path
from pvtt.io.video import count_frames, read_some
from pvtt.stages.scoring.temporal import Motion, source_motion

VERSION = "1"  # raise it when the flow changes
SETTINGS = ("flow_side_px", "flow_pairs")  # settings of scoring that the flow depends on


def first_frames(n_frames: int, settings: ScoringSettings) -> list[int]:
    """Indices of the first frames of at most `flow_pairs` pairs, evenly spaced, ascending."""
    return sorted(spread(np.arange(n_frames - 1), settings.flow_pairs))


def reduced_size(shape: tuple[int, ...], settings: ScoringSettings) -> tuple[int, int]:
    """Size (width, height) in px of a frame of `shape` (h, w), reduced for flow."""
    scale = min(1.0, settings.flow_side_px / min(shape[:2]))
    return round(shape[1] * scale), round(shape[0] * scale)


def spread(indices: np.ndarray, count: int) -> set[int]:
    """Choose evenly spaced entries.

    Parameters
    ----------
    indices : int (n,)
    count : int
        Largest number of entries.

    Returns
    -------
    set of int
    """
    if len(indices) <= count:
        return {int(i) for i in indices}
    return {int(indices[round(k)]) for k in np.linspace(0, len(indices) - 1, count)}


def measure_flow(video: Path, output: Path, settings: Mapping[str, Any]) -> None:
    """Write the flow of a clip's video to `output`. `settings` are those named in `SETTINGS`."""
    chosen = ScoringSettings.of(settings)
    firsts = first_frames(count_frames(video), chosen)
    wanted = {index + step for index in firsts for step in (0, 1)}
    small: dict[int, np.ndarray] = {}
    for index, frame in read_some(video, wanted):
        small[index] = cv2.resize(frame, reduced_size(frame.shape, chosen), interpolation=cv2.INTER_AREA)
    motions = [source_motion((small[index], small[index + 1])) for index in firsts]
    with atomic_path(output) as aside, open(aside, "wb") as stream:
        np.savez_compressed(
            stream,
            firsts=np.array(firsts, np.int64),
            forward=np.array([motion.quantised for motion in motions], np.int16),
            valid=np.packbits(np.array([motion.valid for motion in motions], bool)),
        )


def read_flow(path: Path) -> dict[int, Motion]:
    """Motion per first frame of a `source_flow.npz`."""
    with np.load(path, allow_pickle=False) as found:
        firsts, forward, bits = found["firsts"], found["forward"], found["valid"]
    shape = forward.shape[:3]
    valid = np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape) > 0
    return {int(index): Motion(forward[k], valid[k]) for k, index in enumerate(firsts)}

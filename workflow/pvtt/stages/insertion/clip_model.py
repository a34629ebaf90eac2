"""Clip model: trajectory, light and occluders of a clip, measured once and read by all its pairs.

`clip_model.npz` is a NumPy archive. It is empty (0 bytes) for a clip that cannot be measured; then each pair says why.

| array | type | meaning |
|---|---|---|
| centres | float64 (n, 2) | trajectory: centre of the source product per frame, px |
| scales, angles | float64 (n,) | size and angle (radians) relative to the reference frame |
| size | float64 (2,) | width and height of the product in the reference frame, px |
| reference | int64 | index of the reference frame |
| exposure | float64 (n, 3) | strength of the light per frame and channel, relative to the brightest frame |
| white | float64 (3,) | cast of the light at luminance 1, linear RGB |
| shadow | float64 (k,) | weights of the copies of the outline that make the shadow (`pvtt.imaging.shadow`) |
| occluders | uint8, bits | occluders (n, h', w'), packed by `numpy.packbits` |
| occluders_shape | int64 (3,) | n, h', w' |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pvtt.config.stages.insertion import InsertionSettings
from pvtt.io.files import atomic_path
from pvtt.stages.insertion.base import Request
from pvtt.stages.insertion.illumination import Light, measure_light
from pvtt.stages.insertion.occlusion import find_occluders
from pvtt.stages.insertion.trajectory import Trajectory, estimate_trajectory

Array = np.ndarray

VERSION = "1"  # raise it when the model changes
SETTINGS = ("control", "smooth_s", "default_shadow")  # settings of insertion that the model depends on


@dataclass(frozen=True)
class ClipModel:
    """What is measured on a clip alone. `occluders` is bool (n, h', w'), see `occlusion.find_occluders`."""

    trajectory: Trajectory
    light: Light
    occluders: Array


def measure_model(request: Request, settings: InsertionSettings) -> ClipModel:
    """Measure the model of a request's clip; its cut-outs are not looked at. InsertionError says why it cannot be."""
    frame = request.masks.shape[2], request.masks.shape[1]
    smooth_frames = settings.smooth_s * request.fps
    trajectory = estimate_trajectory(settings.control, request.boxes, request.points, frame, smooth_frames)
    light = measure_light(request.source(), request.background(), request.masks, settings.default_shadow)
    return ClipModel(trajectory, light, find_occluders(request.background, request.masks, trajectory))


def write_model(path: Path, model: ClipModel) -> None:
    """Write a model as `clip_model.npz`."""
    track, light = model.trajectory, model.light
    with atomic_path(path) as aside, open(aside, "wb") as stream:
        np.savez_compressed(
            stream,
            centres=track.centres,
            scales=track.scales,
            angles=track.angles,
            size=np.array(track.size),
            reference=np.array(track.reference),
            exposure=light.exposure,
            white=light.white,
            shadow=light.shadow,
            occluders=np.packbits(model.occluders),
            occluders_shape=np.array(model.occluders.shape),
        )


def read_model(path: Path) -> ClipModel | None:
    """The model in `clip_model.npz`; None when the file is empty."""
    if path.stat().st_size == 0:
        return None
    with np.load(path, allow_pickle=False) as found:
        arrays = dict(found)
    width, height = (float(side) for side in arrays["size"])
    trajectory = Trajectory(
        arrays["centres"], arrays["scales"], arrays["angles"], (width, height), int(arrays["reference"])
    )
    shape = tuple(int(side) for side in arrays["occluders_shape"])
    occluders = np.unpackbits(arrays["occluders"], count=int(np.prod(shape))).reshape(shape) > 0
    return ClipModel(trajectory, Light(arrays["exposure"], arrays["white"], arrays["shadow"]), occluders)

"""Insertion by VideoAnyDoor, through a file interface: a command of the user's reads a job and writes frames.

Tu et al., VideoAnyDoor: High-fidelity Video Object Insertion with Precise Motion Control, SIGGRAPH 2025. Its code is
not released. The inputs that the paper names (background, product, its boxes, the trajectories of key points) are
written in the format of docs/videoanydoor.md, and the user provides the program `insertion.videoanydoor.command`. Its
frames are used around the product's box only; elsewhere the clip stays unchanged, bit for bit.
"""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pvtt.backends import subprocess_runner
from pvtt.backends.base import Limits, ProgramBackend
from pvtt.config.stages.insertion import InsertionSettings
from pvtt.imaging.geometry import apply, box_mask, dilated, similarity
from pvtt.io.files import write_json
from pvtt.io.images import write_png
from pvtt.stages.insertion.base import Box, Insertion, InsertionError, Request
from pvtt.stages.insertion.change_detection import detect_inserted_mask
from pvtt.stages.insertion.compositing import put_back, restore_background
from pvtt.stages.insertion.layer import prefilter
from pvtt.stages.insertion.placement import adapted_size, align_to_ground, target_boxes
from pvtt.stages.insertion.trajectory import N_POINTS, Trajectory, estimate_trajectory

Array = np.ndarray

CONTRACT = 1  # version of the job's format
_KEY = "insertion.videoanydoor.command"


class Backend(ProgramBackend[InsertionSettings]):
    """A program that implements docs/videoanydoor.md."""

    settings_type = InsertionSettings
    name = "videoanydoor"
    version = "2"
    environment = "core"

    def __init__(self, settings: InsertionSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.limits = Limits(max_frames=self.settings.videoanydoor.max_frames)

    @property
    def licence(self) -> str:
        """Licence of the program, from the settings."""
        return str(self.settings.videoanydoor.licence)

    @property
    def commercial(self) -> bool:
        """Whether that licence allows commercial use, from the settings."""
        return bool(self.settings.videoanydoor.commercial)

    def problems(self) -> list[str]:
        """See `ModelBackend.problems`: the command is unset, without {job}, or no program."""
        command = self.settings.videoanydoor.command
        if not command.strip():
            return [
                f"{_KEY} is not set: VideoAnyDoor's code is not released; set a command as docs/videoanydoor.md says"
            ]
        try:
            words = shlex.split(command)
        except ValueError as error:
            return [f"{_KEY}: {error} in {command!r}"]
        if not any("{job}" in word for word in words[1:]):
            return [f"{_KEY}: {command!r} does not hold {{job}}, which stands for the job's folder"]
        if shutil.which(Path(words[0]).expanduser()) is None:
            return [f"{_KEY}: there is no program {words[0]!r}"]
        return []

    def insert(self, request: Request) -> Insertion:
        """See `base.InsertionBackend.insert`."""
        boxes, points = self._controls(request)
        with subprocess_runner.scratch_dir("VideoAnyDoor", InsertionError) as place:
            folder = Path(place.name)
            self._write_job(folder, request, boxes, points)
            words = shlex.split(self.settings.videoanydoor.command)
            command = [str(Path(words[0]).expanduser()), *(word.replace("{job}", str(folder)) for word in words[1:])]
            subprocess_runner.run(command, folder, folder / "log.txt", self.settings.videoanydoor.timeout_s)
            paths, mask_paths = _outputs(folder, request.masks.shape)
        measures = {"masks_given": bool(mask_paths), "points": len(points)}
        return Insertion(self._composite(request, boxes, paths, mask_paths, place), boxes, measures)

    def _controls(self, request: Request) -> tuple[list[Box | None], Array]:
        """Box of the new product per frame, and the trajectories of its key points, float (k, n, 2), in px."""
        frame = request.masks.shape[2], request.masks.shape[1]
        smooth_frames = self.settings.smooth_s * request.fps
        trajectory = estimate_trajectory(self.settings.control, request.boxes, request.points, frame, smooth_frames)
        layer = prefilter(request.cutout, 2.0 * max(frame))
        size = adapted_size(trajectory, layer.aspect, frame, self.settings.max_side)
        trajectory = align_to_ground(trajectory, size[1])
        return target_boxes(request.boxes, trajectory, size), key_point_trajectories(trajectory, size, request.boxes)

    def _write_job(self, folder: Path, request: Request, boxes: list[Box | None], points: Array) -> None:
        """Write the job in the format of docs/videoanydoor.md."""
        plain = (
            restore_background(source, background, region)
            for source, background, region in zip(request.source(), request.background(), request.region, strict=True)
        )
        subprocess_runner.write_frames(folder / "background", plain)
        height, width = request.masks.shape[1:]
        subprocess_runner.write_frames(folder / "masks", (box_mask(box, (height, width)) for box in boxes))
        write_png(folder / "reference.png", request.cutout)
        (folder / "output").mkdir()
        job = {
            "contract": CONTRACT,
            "n_frames": len(boxes),
            "width": width,
            "height": height,
            "fps": request.fps,
            "seed": request.seed,
            "device": self.device,
            "background": "background",
            "masks": "masks",
            "reference": "reference.png",
            "output": "output",
            "output_masks": "output_masks",
            "boxes": [box and [round(side, 2) for side in box] for box in boxes],
            "points": [
                [None if np.isnan(xy).any() else [round(float(v), 2) for v in xy] for xy in one] for one in points
            ],
        }
        write_json(folder / "job.json", job)

    def _composite(
        self,
        request: Request,
        boxes: list[Box | None],
        paths: list[Path],
        mask_paths: list[Path],
        place: TemporaryDirectory[str],
    ) -> Iterator[tuple[Array, Array]]:
        own, shape = self.settings.videoanydoor, request.masks.shape[1:]
        feather = max(1.0, self.settings.feather_px * min(1.0, min(shape) / 720))
        with place:
            frames = zip(request.source(), request.background(), boxes, strict=True)
            for index, (source, background, box) in enumerate(frames):
                canvas = restore_background(source, background, request.region[index])
                if box is None:
                    yield canvas, np.zeros(shape, bool)
                    continue
                generated = subprocess_runner.read_frame(paths[index])
                within = expanded_box_mask(box, own.grow, shape)
                if mask_paths:
                    seen = subprocess_runner.read_frame(mask_paths[index]).max(2) > 127
                    within |= dilated(seen, 4)
                else:
                    seen = detect_inserted_mask(generated, canvas, within)
                yield put_back(canvas, generated, within, feather), seen


def _outputs(folder: Path, shape: tuple[int, ...]) -> tuple[list[Path], list[Path]]:
    """Paths of the frames and of the masks that the program wrote; an empty list when it wrote no masks."""
    size, log = (shape[2], shape[1]), folder / "log.txt"
    paths = subprocess_runner.frame_paths(folder / "output", shape[0], size, log)
    given = folder / "output_masks"
    return paths, subprocess_runner.frame_paths(given, shape[0], size, log) if given.is_dir() else []


def key_point_trajectories(trajectory: Trajectory, size: tuple[float, float], boxes: list[Box | None]) -> Array:
    """Trajectories of key points on a product of `size` (width, height; reference frame, px): float (8, n, 2).

    Key points lie on an ellipse inside the product's box; (x, y) in pixels, NaN where the product is not visible.
    """
    angles = 2 * np.pi * np.arange(N_POINTS) / N_POINTS
    around = 0.35 * np.stack([size[0] * np.cos(angles), size[1] * np.sin(angles)], 1)
    points = np.full((N_POINTS, len(boxes), 2), np.nan)
    for index, box in enumerate(boxes):
        if box is not None:
            move = similarity(
                float(trajectory.scales[index]), float(trajectory.angles[index]), tuple(trajectory.centres[index])
            )
            points[:, index] = apply(move, around)
    return points


def expanded_box_mask(box: Box, share: float, shape: tuple[int, ...]) -> Array:
    """Mask, bool (h, w), of a box that is grown on every side by `share` of its longer side."""
    pad = share * max(box[2] - box[0], box[3] - box[1])
    return box_mask((box[0] - pad, box[1] - pad, box[2] + pad, box[3] + pad), shape)

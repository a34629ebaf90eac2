"""Background by VideoPainter: a video diffusion model with a context encoder for the scene around the hole.

Bian et al., VideoPainter: Any-length Video Inpainting and Editing with Plug-and-Play Context Control, SIGGRAPH 2025, on
CogVideoX-5B-I2V. `runner.py` runs its pipeline in its own environment. The model generates 49 frames of 720x480 at
about 8 frames per second and needs a complete first frame. So the backend

1. takes a crop window around the hole,
2. fills the first frame with the `plate` backend,
3. generates every `frame_step`-th frame, and
4. warps the generated frames to those between by the camera's motion.

A result with a pattern on the grid of latent cells (see `grid`) is generated again with another seed, then refused.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pvtt.backends import subprocess_runner
from pvtt.backends.base import Limits, ProgramBackend
from pvtt.backends.registry import backend_class
from pvtt.config.stages.background import BackgroundSettings
from pvtt.imaging.geometry import box_of
from pvtt.io.files import write_json
from pvtt.io.images import write_png
from pvtt.io.video_reader import Frames
from pvtt.models import registry
from pvtt.stages.background.base import Removal, RemovalError
from pvtt.stages.background.generative import composite_holes, nothing_to_remove
from pvtt.stages.background.region import measure_region
from pvtt.stages.background.temporal import scene_motion
from pvtt.stages.background.videopainter.crop_window import CropWindow
from pvtt.stages.background.videopainter.grid import grid_excess

Array = np.ndarray

RUNNER = Path(__file__).with_name("runner.py")
BRANCH = "VideoPainter/checkpoints/branch"
_MODULES = ("torch", "transformers", "numpy", "PIL", "accelerate")
_PIPELINE = "diffusers/src/diffusers/pipelines/cogvideo/pipeline_cogvideox_inpainting_i2v_branch_anyl.py"
_CELL = 16  # px of a token: 8 px per latent cell, 2 cells per token
_GROUP = 4  # frames per latent frame, except the first


class Backend(ProgramBackend[BackgroundSettings]):
    """VideoPainter in a process of its own."""

    settings_type = BackgroundSettings
    name = "videopainter"
    version = "1"
    environment = "videopainter"
    needs = ("videopainter", "cogvideox-5b-i2v")
    limits = Limits()
    size = (720, 480)  # px: width and height that the base model was trained at
    window = 49  # frames that the base model generates at once

    def problems(self) -> list[str]:
        """See `ModelBackend.problems`: weights, the interpreter of its environment and the diffusers fork."""
        own, mend = self.settings.videopainter, "run: make videopainter"
        modules = _MODULES if own.checkout else (*_MODULES, "diffusers")
        found = subprocess_runner.interpreter_problems("background.videopainter.python", own.python, modules, mend)
        if own.checkout:
            # The weights' commit is another repository's; the code's is pinned with the environment.
            key, folder = "background.videopainter.checkout", Path(own.checkout).expanduser()
            found += subprocess_runner.checkout_problems(
                key, folder, [_PIPELINE], "", "clone TencentARC/VideoPainter there"
            )
        return found + super().problems()

    def remove(self, frames: Frames, masks: Array) -> Removal:
        """See `base.BackgroundBackend.remove`."""
        if not masks.any():
            return nothing_to_remove(frames, masks)
        _, holes, _ = measure_region(frames, masks, self.settings)
        with subprocess_runner.scratch_dir("VideoPainter", RemovalError) as place:
            keys, window = self._write_inputs(frames, masks, holes, Path(place.name))
            paths, grid = self._generate_without_grid(Path(place.name), window, keys, holes)
        motion = scene_motion(frames, holes, 0) if len(keys) < len(holes) else None
        generated = InterpolatedFrames(paths, keys, window, motion, (holes.shape[2], holes.shape[1]))
        scale = round((window.box[2] - window.box[0]) / self.size[0], 3)
        measures: dict[str, Any] = {"painted_frames": len(keys), "view_scale": scale} | grid
        return Removal(composite_holes(frames, holes, generated, self.settings, measures, place), holes, measures)

    # ------------------------------------------------------------ the job

    def _write_inputs(self, frames: Frames, masks: Array, holes: Array, place: Path) -> tuple[list[int], CropWindow]:
        """Write the job's frames, masks and first frame; return the indices of its frames and the crop window."""
        own, n_frames = self.settings.videopainter, len(holes)
        keys = sorted({*range(0, n_frames, own.frame_step), n_frames - 1})
        box = box_of(np.any(holes, axis=0))
        assert box is not None
        window = CropWindow.around(box, (holes.shape[2], holes.shape[1]), self.size)
        wanted = set(keys)
        subprocess_runner.write_frames(
            place / "frames", (window.crop(f) for index, f in enumerate(frames()) if index in wanted)
        )
        subprocess_runner.write_frames(
            place / "masks", latent_masks(np.stack([window.crop(holes[key]) for key in keys]))
        )
        first = next(frames())
        if holes[0].any():
            # The classical backend: pixels that other frames show, patches elsewhere.
            cleared = backend_class("background", "plate")(self.settings).remove(frames, masks)
            first = next(iter(islice(cleared.frames, 1)))
        write_png(place / "first.png", window.crop(first))
        return keys, window

    def _generate_without_grid(
        self, place: Path, window: CropWindow, keys: list[int], holes: Array
    ) -> tuple[list[Path], dict[str, float]]:
        """Generate, with a new seed while a grid shows; return the frames' paths and the grid measures."""
        own = self.settings.videopainter
        regions = np.stack([window.crop(holes[key]) for key in keys])
        for attempt in range(own.retries + 1):
            paths = self._generate(place, attempt, len(keys))
            inside, outside = grid_excess((subprocess_runner.read_frame(path) for path in paths), regions)
            grid = {"grid": round(inside, 3), "grid_beside": round(outside, 3), "attempts": attempt + 1}
            if inside - outside <= own.max_grid:
                return paths, grid
        raise RemovalError(
            f"VideoPainter left a grid of {inside:.2f} grey levels in the painted ground, {outside:.2f} beside it "
            f"(videopainter.max_grid {own.max_grid:g}), {own.retries + 1} times"
        )

    def _generate(self, place: Path, attempt: int, n_frames: int) -> list[Path]:
        own = self.settings.videopainter
        output, log = place / f"painted{attempt}", place / f"log{attempt}"
        job: dict[str, Any] = {
            "frames": str(place / "frames"),
            "masks": str(place / "masks"),
            "first": str(place / "first.png"),
            "output": str(output),
            "model": str(registry.require("cogvideox-5b-i2v")),
            "branch": str(registry.require("videopainter") / BRANCH),
            "prompt": own.prompt,
            "window": self.window,
            "overlap": own.overlap_frames,
            "width": self.size[0],
            "height": self.size[1],
            "steps": own.steps,
            "guidance_scale": own.guidance_scale,
            "seed": own.seed + attempt,
            "device": self.device,
            "dtype": "bfloat16" if self.device.startswith("cuda") else "float32",
            "offload": own.offload,
        }
        write_json(place / "job.json", job)
        checkout = Path(own.checkout).expanduser().absolute() / "diffusers" / "src"
        extra = {"TOKENIZERS_PARALLELISM": "false"} | ({"PYTHONPATH": str(checkout)} if own.checkout else {})
        python = subprocess_runner.interpreter(own.python)
        subprocess_runner.run([python, RUNNER, place / "job.json"], place, log, own.timeout_s, extra)
        return subprocess_runner.frame_paths(output, n_frames, self.size, log)


class InterpolatedFrames:
    """Frames of a clip from the generated key frames; black outside the crop window.

    A frame between two key frames is their mean, weighted by distance in time, after both were warped to it by the
    camera's motion (float64 (n, 3, 3), to frame 0; None where every frame is a key frame).
    """

    def __init__(
        self, paths: list[Path], keys: list[int], window: CropWindow, motion: Array | None, size: tuple[int, int]
    ) -> None:
        self._keys, self._motion, self._size = keys, motion, size
        blank = np.zeros((size[1], size[0], 3), np.uint8)
        self._key = lru_cache(2)(lambda place: window.paste(subprocess_runner.read_frame(paths[place]), blank))

    def __call__(self, index: int) -> Array:
        """Frame `index` of the clip, uint8 (h, w, 3), RGB."""
        after = int(np.searchsorted(self._keys, index))
        if self._keys[after] == index:
            return self._key(after)
        before = after - 1
        share = (index - self._keys[before]) / (self._keys[after] - self._keys[before])
        mean: Array = cv2.addWeighted(self._warp(before, index), 1 - share, self._warp(after, index), share, 0)
        return mean

    def _warp(self, place: int, index: int) -> Array:
        """Key frame number `place`, warped to frame `index`."""
        assert self._motion is not None
        move = np.linalg.inv(self._motion[index]) @ self._motion[self._keys[place]]
        if np.allclose(move, np.eye(3), atol=1e-6):
            return self._key(place)
        warped: Array = cv2.warpPerspective(
            self._key(place), move, self._size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        return warped


def latent_masks(masks: Array) -> Array:
    """Extend masks, bool (n, h, w), to whole tokens and whole latent frames.

    The pipeline samples the mask at one pixel per latent cell and at one frame per latent frame. A cell that is masked
    only elsewhere would keep the product.
    """
    n_frames, height, width = masks.shape
    cells = masks.reshape(n_frames, height // _CELL, _CELL, width // _CELL, _CELL)
    tokens: Array = np.any(cells, axis=(2, 4))
    for start in range(1, n_frames, _GROUP):
        tokens[start : start + _GROUP] = np.any(tokens[start : start + _GROUP], axis=0)
    return tokens.repeat(_CELL, 1).repeat(_CELL, 2)

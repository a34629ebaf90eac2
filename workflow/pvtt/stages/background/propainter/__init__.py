"""Background by ProPainter: a program of its own environment that follows and completes the optical flow.

Zhou et al., ProPainter: Improving Propagation and Transformer for Video Inpainting, ICCV 2023. Pixels that other
frames show are propagated along the completed optical flow; a transformer generates the rest. The backend runs
`inference_propainter.py` of a pinned checkout on folders of frames and masks. A clip that needs more GPU memory than
`memory_gb` is processed in overlapping chunks. A product that stands still leaves nothing to propagate. Its shadow is
part of the hole, as with `plate`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np

from pvtt.backends import subprocess_runner
from pvtt.backends.base import Limits, ProgramBackend
from pvtt.config.stages.background import BackgroundSettings
from pvtt.io.video_reader import Frames
from pvtt.models import registry
from pvtt.stages.background.base import Removal, RemovalError
from pvtt.stages.background.generative import composite_holes, nothing_to_remove
from pvtt.stages.background.propainter.chunks import Plan, chunk_weight, fit_to_network, make_plan, undo_fit
from pvtt.stages.background.region import measure_region

Array = np.ndarray

SCRIPT = "inference_propainter.py"
WEIGHTS = ("weights/raft-things.pth", "weights/recurrent_flow_completion.pth", "weights/ProPainter.pth")
_MODULES = ("torch", "torchvision", "cv2", "imageio", "scipy")
_MIN_FRAMES = 4  # frames: the least that the flow network takes
_SINGLE = 1.6  # memory in single precision (CPU) over half precision


class Backend(ProgramBackend[BackgroundSettings]):
    """ProPainter in a process of its own."""

    settings_type = BackgroundSettings
    name = "propainter"
    version = "1"
    environment = "propainter"
    needs = ("propainter",)
    limits = Limits()

    def problems(self) -> list[str]:
        """See `ModelBackend.problems`: the checkout, its weights and the interpreter of its environment."""
        mend = "run: pvtt models fetch propainter"
        own = self.settings.propainter
        found = subprocess_runner.interpreter_problems(
            "background.propainter.python", own.python, _MODULES, "make propainter"
        )
        checkout, key = self._checkout(), "background.propainter.checkout"
        commit = registry.model("propainter").commit if own.checkout else ""
        found += subprocess_runner.checkout_problems(key, checkout, [SCRIPT], commit, mend)
        weights = self._weights().parent
        return found + [
            f"propainter: {weights / file} is missing; {mend}" for file in WEIGHTS if not (weights / file).is_file()
        ]

    def remove(self, frames: Frames, masks: Array) -> Removal:
        """See `base.BackgroundBackend.remove`."""
        if not masks.any():
            return nothing_to_remove(frames, masks)
        _, holes, _ = measure_region(frames, masks, self.settings)
        with subprocess_runner.scratch_dir("ProPainter", RemovalError) as place:
            plan, generated = self._generate_within_memory(frames, holes, Path(place.name))
        measures: dict[str, Any] = {
            "painted_frames": int(holes.any((1, 2)).sum()),
            "chunks": len(plan.chunks),
            "work_scale": round(plan.size[1] / masks.shape[1], 3) if plan.size[1] < masks.shape[1] else 1.0,
        }
        return Removal(composite_holes(frames, holes, generated, self.settings, measures, place), holes, measures)

    def _generate_within_memory(self, frames: Frames, holes: Array, place: Path) -> tuple[Plan, GeneratedFrames]:
        """Process all chunks; retry once with half of the memory limit when the program runs out of memory."""
        own = self.settings.propainter
        for attempt, memory_gb in enumerate((own.memory_gb, own.memory_gb / 2)):
            plan = make_plan(holes.shape, memory_gb / (1 if self.device == "cuda" else _SINGLE), own)
            try:
                folders = [self._generate(frames, holes, chunk, plan, place) for chunk in plan.chunks]
            except subprocess_runner.ExternalError as error:
                if attempt or not error.out_of_memory:
                    raise
            else:
                break
        return plan, GeneratedFrames(plan, folders, (holes.shape[2], holes.shape[1]))

    def _generate(self, frames: Frames, holes: Array, chunk: tuple[int, int], plan: Plan, place: Path) -> list[Path]:
        """Run the program on one chunk; return the paths of the frames that it wrote."""
        start, end = chunk
        folder = Path(mkdtemp(prefix=f"{start:05d}-", dir=place))
        length = subprocess_runner.write_frames(
            folder / "clip", _pad_to_minimum(fit_to_network(f, plan.size) for f in islice(frames(), start, end))
        )
        subprocess_runner.write_frames(
            folder / "masks", _pad_to_minimum(fit_to_network(hole, plan.size) for hole in holes[start:end])
        )
        # The program looks for its weights in `weights` of the folder that it runs in.
        (folder / "weights").symlink_to(self._weights().resolve(), target_is_directory=True)
        hidden = {} if self.device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
        subprocess_runner.run(
            self._command(folder, plan), folder, folder / "log", self.settings.propainter.timeout_s, hidden
        )
        paths = subprocess_runner.frame_paths(folder / "out" / "clip" / "frames", length, plan.size, folder / "log")
        shutil.rmtree(folder / "clip")
        return paths[: end - start]

    def _command(self, folder: Path, plan: Plan) -> list[str | Path]:
        own = self.settings.propainter
        values: dict[str, Any] = {
            "--video": folder / "clip",
            "--mask": folder / "masks",
            "--output": folder / "out",
            "--height": plan.size[1],
            "--width": plan.size[0],
            "--mask_dilation": own.mask_dilation_px,
            "--neighbor_length": own.neighbor_length,
            "--ref_stride": own.ref_stride,
            "--subvideo_length": plan.worked,
            "--raft_iter": own.raft_iter,
        }
        pairs = [str(part) for pair in values.items() for part in pair]
        precision = ["--fp16"] if self.device == "cuda" else []
        return [
            subprocess_runner.interpreter(own.python),
            self._checkout() / SCRIPT,
            *pairs,
            "--save_frames",
            *precision,
        ]

    def _checkout(self) -> Path:
        chosen = self.settings.propainter.checkout
        return Path(chosen).expanduser().absolute() if chosen else registry.folder("propainter")

    def _weights(self) -> Path:
        """Folder of the weights: in the checkout, else in the models' folder."""
        own = self._checkout() / "weights"
        return own if (self._checkout() / WEIGHTS[0]).is_file() else registry.folder("propainter") / "weights"


class GeneratedFrames:
    """The frames that ProPainter generated, at the clip's size; overlapping chunks are cross-faded."""

    def __init__(self, plan: Plan, paths: list[list[Path]], size: tuple[int, int]) -> None:
        self._plan, self._paths, self._size = plan, paths, size

    def __call__(self, index: int) -> Array:
        """Frame `index` of the clip, uint8 (h, w, 3), RGB."""
        total, weights = np.zeros((self._size[1], self._size[0], 3), np.float32), 0.0
        for place, (start, end) in enumerate(self._plan.chunks):
            if start <= index < end:
                weight = chunk_weight(self._plan.chunks, place, index)
                total += weight * undo_fit(subprocess_runner.read_frame(self._paths[place][index - start]), self._size)
                weights += weight
        frame: Array = np.clip(np.rint(total / weights), 0, 255).astype(np.uint8)
        return frame


def _pad_to_minimum(images: Iterator[Array]) -> Iterator[Array]:
    """Repeat the last image until there are as many as the flow network needs."""
    last, count = None, 0
    for count, last in enumerate(images, 1):  # noqa: B007 - both are used after the loop
        yield last
    while last is not None and count < _MIN_FRAMES:
        yield last
        count += 1

"""Insertion after InsertAnywhere (December 2025): VACE-14B with a LoRA, guided by a mask that follows the scene.

The paper trains a LoRA of rank 128 on Wan2.1-VACE-14B and conditions it, frame by frame, on the mask of the object in
its 4D scene. Its weights and code are not released. Here the LoRA is a file, given by path or in the models' folder;
every layer of it must merge. The masks come from `mask_warping`, which has no depth. The rest is as in `vace`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.config.stages.insertion import InsertAnywhereSettings
from pvtt.imaging.geometry import box_of
from pvtt.io.files import file_digest
from pvtt.models import registry
from pvtt.models.registry import ModelError
from pvtt.stages.insertion.base import Request
from pvtt.stages.insertion.mask_warping import estimate_mask_motion, warp_outline
from pvtt.stages.insertion.vace_insertion import VaceInsertion

Array = np.ndarray

LORA = "insertanywhere-lora"


class Backend(VaceInsertion):
    """VACE-14B with the LoRA of `insertion.insertanywhere.lora`, else the one in the models' folder."""

    name = "insertanywhere"
    version = "2"
    _digest = ""

    @property
    def own(self) -> InsertAnywhereSettings:
        """Settings of this backend."""
        return self.settings.insertanywhere

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model, and the LoRA's entry of models.yaml when no path is set."""
        return (self.own.model,) if self.own.lora else (self.own.model, LORA)

    @property
    def files(self) -> tuple[str, ...]:  # type: ignore[override]
        """The LoRA's file when its path is set."""
        return (self.own.lora,) if self.own.lora else ()

    def problems(self) -> list[str]:
        """See `ModelBackend.problems`; includes a missing LoRA file."""
        found = super().problems()
        if self.own.lora and not Path(self.own.lora).is_file():
            found.append(f"insertion.insertanywhere.lora: there is no file {self.own.lora}")
        return found

    def load(self, device: str = "cpu") -> None:
        """Load the model and merge the LoRA; ModelError says how many of its layers did not fit."""
        if self.engine is None:
            # The path does not identify the file's content, so the record stores its digest.
            self._digest = file_digest(self.lora())
            super().load(device)

    def lora(self) -> Path:
        """Path of the LoRA's file; ModelError when it is missing."""
        if self.own.lora:
            path = Path(self.own.lora)
            if not path.is_file():
                raise ModelError(f"insertion.insertanywhere.lora: there is no file {path}")
            return path
        folder = registry.require(LORA)
        files = [file.path for file in registry.model(LORA).files if file.path.endswith(".safetensors")]
        if len(files) != 1:
            raise ModelError(
                f"{LORA} has {len(files)} .safetensors files in models.yaml, not one; "
                "its weights are not released: name a file in insertion.insertanywhere.lora"
            )
        return folder / files[0]

    def placement_masks(self, request: Request, measures: dict[str, Any]) -> Iterator[Array]:
        """Outline of the cut-out in the first frame, warped to the frames that show the source product."""
        trajectory, size = self.trajectory(request)
        motion = estimate_mask_motion(request.background, request.masks, request.boxes, trajectory)
        opaque = box_of(request.cutout[..., 3] > 127)
        assert opaque is not None  # checked by `trajectory`
        alpha = np.ascontiguousarray(request.cutout[opaque[1] : opaque[3], opaque[0] : opaque[2], 3])
        scale, centre = float(trajectory.scales[motion.first]), trajectory.centres[motion.first]
        place = (
            (float(centre[0]), float(centre[1])),
            (scale * size[0], scale * size[1]),
            float(trajectory.angles[motion.first]),
        )
        measures |= {"moves_in_scene": motion.moves, "merged_layers": self.running.merged, "lora": self._digest}
        for index, outline in enumerate(warp_outline(alpha, place, motion, request.masks.shape[1:])):
            yield outline if request.boxes[index] is not None else np.zeros_like(outline)

"""Background by Wan VACE (Jiang et al., VACE: All-in-One Video Creation and Editing, ICCV 2025).

The model gets the clip with neutral grey over the grown mask and the shadow (found as in `plate`), a prompt for an
empty scene and no reference image. The generated pixels are matched to the rim of the hole by a membrane and put into
the hole; outside it the frames equal the source exactly. The model invents the scene behind the product, also where
other frames show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pvtt.config.stages.background import BackgroundSettings, VaceRemovalSettings
from pvtt.io.video_reader import Frames
from pvtt.stages.background.base import Removal
from pvtt.stages.background.generative import blend_into_hole, feather_width
from pvtt.stages.background.inpainting_metrics import InpaintingMetrics
from pvtt.stages.background.region import measure_region
from pvtt.stages.wan import regions as grid
from pvtt.stages.wan.backend import WanBackend
from pvtt.stages.wan.engine import GenerationRequest
from pvtt.stages.wan.windowed import generate_windows, resize_frame
from pvtt.stages.wan.windows import model_size, plan_windows

Array = np.ndarray


class Backend(WanBackend[BackgroundSettings]):
    """Wan VACE through Diffusers; `background.vace.model` chooses among its sizes."""

    settings_type = BackgroundSettings
    name = "vace"
    version = "1"

    @property
    def own(self) -> VaceRemovalSettings:
        """Settings of this backend."""
        return self.settings.vace

    def remove(self, frames: Frames, masks: Array) -> Removal:
        """See `base.BackgroundBackend.remove`."""
        n, height, width = masks.shape
        size = model_size(width, height, self.own.max_area)
        measures: dict[str, Any] = {"model_width": size[0], "model_height": size[1]}
        if not masks.any():
            return Removal(frames(), np.zeros_like(masks), measures | {"windows": 0})
        _, holes, _ = measure_region(frames, masks, self.settings)
        windows = plan_windows(n, self.own.window_frames, self.own.overlap_frames)
        measures |= {"windows": len(windows), "coverage": round(float(holes.mean()), 4)}
        regions = np.stack([grid.align_to_blocks(hole, size, self.own.block_px) for hole in holes])
        request = GenerationRequest(self.own.prompt, self.own.seed)
        generated = generate_windows(self.running, frames(), grid.dilate_in_time(regions), windows, request)
        return Removal(self._put_back(generated, holes, measures), holes, measures)

    def _put_back(
        self, generated: Iterator[tuple[Array, Array]], holes: Array, measures: dict[str, Any]
    ) -> Iterator[Array]:
        meter = InpaintingMetrics()
        feather = feather_width(self.settings, holes.shape[1:])
        for (frame, small), hole in zip(generated, holes, strict=True):
            if not hole.any():
                yield frame
                continue
            result = blend_into_hole(frame, resize_frame(small, (frame.shape[1], frame.shape[0])), hole, feather)
            meter.add(frame, result, hole)
            yield result
        measures.update(meter.measures())

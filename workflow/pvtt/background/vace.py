"""Background by Wan VACE (Jiang et al., ICCV 2025): the model paints the empty scene where product and shadow were.

It is given the clip with neutral grey over the grown mask and the shadow (as `plate` finds them), words for an empty
scene and no reference picture. What it paints is brought to the light of the hole's rim (the membrane of `plate`) and
put into the hole; outside it, the frames are the source's bit for bit. The scene behind the product is made up, also
where other frames show it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from pvtt.background.base import Frames, Removal
from pvtt.background.measures import HoleMeter
from pvtt.background.plate import blend_hole, growth, hole_regions
from pvtt.geometry import box_of, padded_box
from pvtt.wan import regions as grid
from pvtt.wan.backend import WanBackend
from pvtt.wan.clip import paint, resized
from pvtt.wan.engine import Task
from pvtt.wan.spans import model_size, plan_spans

Array = np.ndarray

_RIM_PX = 6


class Backend(WanBackend):
    """Wan VACE through Diffusers; `background.vace.model` chooses among its sizes."""

    name = "vace"
    version = "1"

    def remove(self, frames: Frames, masks: Array) -> Removal:
        """See `base.BackgroundBackend.remove`."""
        n, height, width = masks.shape
        size = model_size(width, height, self.own["max_area"])
        measures: dict[str, Any] = {"model_width": size[0], "model_height": size[1]}
        if not masks.any():
            return Removal(frames(), np.zeros_like(masks), measures | {"windows": 0})
        _, _, holes = hole_regions(frames, masks, self.settings)
        spans = plan_spans(n, self.own["window_frames"], self.own["overlap_frames"])
        measures |= {"windows": len(spans), "coverage": round(float(holes.mean()), 4)}
        regions = np.stack([grid.on_grid(hole, size, self.own["block_px"]) for hole in holes])
        task = Task(self.own["prompt"], self.own["seed"])
        painted = paint(self.running, frames(), grid.spread_in_time(regions), spans, task)
        return Removal(self._put_back(painted, holes, measures), holes, measures)

    def _put_back(
        self, painted: Iterator[tuple[Array, Array]], holes: Array, measures: dict[str, Any]
    ) -> Iterator[Array]:
        meter = HoleMeter()
        # A wider transition than the growth would let the product itself shine through.
        feather = min(self.settings["feather_px"], 0.5 * growth(self.settings["grow_px"], holes.shape[1:]))
        for (frame, small), hole in zip(painted, holes, strict=True):
            box = box_of(hole)
            if box is None:
                yield frame
                continue
            x0, y0, x1, y1 = padded_box(box, _RIM_PX, frame.shape[1], frame.shape[0])
            part = np.s_[y0:y1, x0:x1]
            made = resized(small, (frame.shape[1], frame.shape[0]))
            result = frame.copy()
            result[part] = blend_hole(frame[part], made[part], hole[part], feather)
            meter.add(frame, result, hole)
            yield result
        measures.update(meter.measures())

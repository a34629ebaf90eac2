"""Background without weights: a temporal plate, inpainted where the scene was never seen, carried by the camera.

The ground gets back the light that the product's shadow takes (`shadow`), the scene is gathered on one canvas from the
frames that saw it (`temporal`), the rest is inpainted there once (`inpaint`), so the fill stands still in the scene.
Each frame takes its hole from the canvas by the camera's motion; the difference on the hole's rim is spread over the
hole by a membrane (Perez, Gangnet and Blake, Poisson image editing, SIGGRAPH 2003), which follows exposure and leaves
no seam. Rim pixels that differ much belong to things in front and are left out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.config.stages.background import BackgroundSettings
from pvtt.imaging.colour import luminance, to_linear
from pvtt.imaging.geometry import box_of, dilated, disc, padded_box
from pvtt.io.video_reader import Frames
from pvtt.stages.background.base import Removal
from pvtt.stages.background.inpaint import _RIM_PX, blend_hole, fill
from pvtt.stages.background.inpainting_metrics import InpaintingMetrics
from pvtt.stages.background.region import CLEAR, FAINTEST, growth, measure_region
from pvtt.stages.background.shadow import Shadow, equalize
from pvtt.stages.background.temporal import (
    Mosaic,
    Plate,
    build_plate,
    close_masks,
    mosaic_extent,
    scene_motion,
    warp_to_mosaic,
)

Array = np.ndarray

_SEED = 1  # of the texture synthesis
_DOUBTFUL = 0.06  # share of the light that a shadow absorbs, above which a pixel of the plate is uncertain
_TINT = 0.05  # chromaticity difference to the plate, above which a pixel belongs to another object
_DETAIL_PX = 2.5  # px: standard deviation of the blur that separates coarse from fine changes
_NOISE = 4.0  # grey levels: noise at which fine changes are damped to 1/e


class Backend(Embedded[BackgroundSettings]):
    """Temporal plate and image inpainting on the CPU."""

    settings_type = BackgroundSettings
    name = "plate"
    version = "2"

    def remove(self, frames: Frames, masks: Array) -> Removal:
        """See `base.BackgroundBackend.remove`."""
        if not masks.any():
            return Removal(frames(), np.zeros_like(masks), {"plate_share": 0.0, "inpainted_share": 0.0})
        cover, grown, shadow = measure_region(frames, masks, self.settings, FAINTEST)
        reference = _reference(cover)
        motion = scene_motion(frames, grown, reference)
        height, width = cover.shape[1:]
        canvas = mosaic_extent(motion, [box_of(mask) for mask in grown], width, height)
        lit = (shadow.lit(frame, index) for index, frame in enumerate(frames()))
        doubtful = partial(shadow.zone, least=_DOUBTFUL)
        plate = build_plate(lit, close_masks(cover), doubtful, canvas, reference)
        holes = _holes(cover, canvas)
        # The rim around a hole is compared with the frame, so it must be whole too.
        unseen = dilated(holes, 2 * _RIM_PX + 4) & ~plate.known
        even = equalize(plate.image, plate.known, plate.doubtful)
        image, filling = fill(even, unseen, plate.known, self.settings.texture_level, _SEED)
        meter = InpaintingMetrics()
        measures = _measures(grown, cover, holes, plate, motion) | filling
        scene = _Scene(canvas, image, masks, cover, grown, shadow)
        return Removal(self._render(frames(), scene, meter, measures), grown, measures)

    def _render(
        self, frames: Iterator[Array], scene: _Scene, meter: InpaintingMetrics, measures: dict[str, Any]
    ) -> Iterator[Array]:
        # A wider transition than the growth would let the product itself shine through.
        feather = min(self.settings.feather_px, 0.5 * growth(self.settings.grow_px, scene.cover.shape[1:]))
        for index, frame in enumerate(frames):
            box = box_of(scene.grown[index])
            if box is None:
                yield frame
                continue
            x0, y0, x1, y1 = padded_box(box, _RIM_PX + 2, frame.shape[1], frame.shape[0])
            part = np.s_[y0:y1, x0:x1]
            drawn = _from_canvas(scene.plate, scene.canvas, index, (x0, y0, x1, y1))
            lit = scene.shadow.lit(frame, index)[part]
            cover, shaded = scene.cover[index][part], scene.shadow.zone(index, CLEAR)[part]
            hole, mask = cover | shaded, scene.masks[index][part]
            filled = with_front(blend_hole(lit, drawn, hole, feather), lit, frame[part], (mask, cover, hole))
            result = frame.copy()
            result[part] = np.where(scene.grown[index][part][..., None], filled, frame[part])
            meter.add(frame, result, scene.grown[index])
            yield result
        measures.update(meter.measures())


@dataclass(frozen=True)
class _Scene:
    """What a clip is rendered from: the plate on its canvas, product, its cover, all that may change, and shadow."""

    canvas: Mosaic
    plate: Array
    masks: Array
    cover: Array
    grown: Array
    shadow: Shadow


def with_front(filled: Array, lit: Array, source: Array, regions: tuple[Array, Array, Array]) -> Array:
    """`filled` with what stands in front of the ground beside the product, all uint8 (h, w, 3).

    `regions` are the product, its cover and all that was filled, bool (h, w). A thing of another colour that reaches
    out of the latter keeps its pixels of `source`; another thing's shadow is taken from `lit`. Between product and the
    rim of its cover, the nearer one of product and such a thing decides.
    """
    mask, cover, hole = regions
    light, ground = (to_linear(image) + 0.01 for image in (cv2.blur(lit, (3, 3)), cv2.blur(filled, (3, 3))))
    ratio = luminance(light) / luminance(ground)
    tint = np.abs(light / light.sum(2, keepdims=True) - ground / ground.sum(2, keepdims=True)).max(2)
    strange = ((tint > _TINT) | (ratio < 0.35) | (ratio > 1.6)) & ~cover
    labels = cv2.connectedComponents(strange.astype(np.uint8))[1]
    reaching = np.unique(labels[dilated(~hole, _RIM_PX + 2)])
    reaches = np.isin(labels, reaching[reaching > 0])
    rest = strange & ~reaches
    foreign = cv2.morphologyEx(reaches.astype(np.uint8), cv2.MORPH_OPEN, disc(1)) > 0
    # Beside the cover the frame keeps its own detail where the plate's differs by more than coding noise.
    beside = (~cover & ~foreign).astype(np.float32)
    share = np.maximum(cv2.GaussianBlur(beside, (0, 0), _DETAIL_PX), 1e-3)[..., None]
    change = filled.astype(np.float32) - lit
    coarse = cv2.GaussianBlur(change * beside[..., None], (0, 0), _DETAIL_PX) / share
    noise = cv2.GaussianBlur(np.abs(change - coarse).max(2), (0, 0), 1.5)
    change = coarse + (change - coarse) * np.exp(-((noise / _NOISE) ** 2))[..., None]
    change *= np.clip((ratio - 0.82) / 0.1, 0, 1)[..., None]
    result = np.where((cover | rest)[..., None], filled, np.clip(lit + change, 0, 255))
    if foreign.any():
        to_thing, to_product = (
            cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, 5) for part in (foreign, mask)
        )
        reach = float(to_product[~cover].min()) if (~cover).any() else 0.0
        foreign |= cover & ~mask & (to_thing < to_product) & (to_thing < reach)
    return np.where(foreign[..., None], source, np.rint(result).astype(np.uint8))


def _from_canvas(plate: Array, canvas: Mosaic, index: int, box: tuple[int, int, int, int]) -> Array:
    """The part of the plate that frame `index` sees in `box`, uint8 (h, w, 3)."""
    shift = np.eye(3)
    shift[:2, 2] = box[:2]
    flags = cv2.INTER_NEAREST if canvas.still(index) else cv2.INTER_CUBIC
    seen: Array = cv2.warpPerspective(
        plate,
        canvas.transforms[index] @ shift,
        (box[2] - box[0], box[3] - box[1]),
        flags=flags | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return seen


def _reference(grown: Array) -> int:
    """The frame nearest to the clip's middle among those that show most of the scene."""
    shares = grown.mean(axis=(1, 2))
    middle = np.abs(np.arange(len(grown)) - (len(grown) - 1) / 2) / len(grown)
    return int((shares + 0.5 * middle).argmin())


def _holes(grown: Array, canvas: Mosaic) -> Array:
    """Union of all frames' holes on the canvas."""
    union = np.zeros((canvas.height, canvas.width), np.uint8)
    for index, mask in enumerate(grown):
        if mask.any():
            union |= warp_to_mosaic(mask.astype(np.uint8), canvas, index, cv2.INTER_LINEAR)
    return union > 0


def _measures(grown: Array, cover: Array, holes: Array, plate: Plate, motion: Array) -> dict[str, Any]:
    seen = float((plate.known[holes]).mean())
    return {
        "plate_share": round(seen, 4),
        "inpainted_share": round(1 - seen, 4),
        "plate_spread": round(plate.spread, 3),
        "coverage": round(float(grown.mean()), 4),
        "shadow_share": round(1 - float(cover.sum()) / float(grown.sum()), 4),
        "camera_moves": bool(not np.allclose(motion, np.eye(3))),
    }

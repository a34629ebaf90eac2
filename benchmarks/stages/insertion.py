"""Insertion: results against the true swap, on true inputs and at the end of our own chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.config.settings import stage_defaults
from pvtt.imaging.geometry import dilated
from pvtt.io import video
from pvtt.metrics import (
    coarse_ssim,
    colour_error,
    flicker,
    mask_iou,
    position_error,
    psnr,
    scale_error,
    shadow_error,
    ssim,
)
from pvtt.records import ids
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.records.media import CutOut
from pvtt.records.results import Insertion
from pvtt.stages.insertion import insert_product
from stages import controls, products, scoring
from stages.background import chained_folder
from stages.common import FAINT_SHADOW, MARGIN_PX, SHADOW, Options, Outcome, backend_name, frame_mean, pair_folder
from truth import Clip

Array = np.ndarray
PASTE = "baselines.paste:Backend"
_LEAST_PIXELS = 16
_COLOUR_FRAMES = 12


@dataclass(frozen=True)
class Truth:
    """What a pair is compared with, read once for all its results.

    `frames`, `bare` (the scene without product) and `source` uint8 (n, h, w, 3) RGB; the others bool (n, h, w): the
    target's visible mask, where its shadow falls, where anything may differ from the source, and what is in front.
    """

    frames: Array
    bare: Array
    source: Array
    mask: Array
    shadow: Array
    touched: Array
    front: Array


def measure_clip(options: Options, clip: Clip, true: Path) -> Iterator[Outcome]:
    """Outcomes of every backend on true inputs, and of the first at the end of the chain, for each of the swaps.

    With the stage `scoring`, the results for the first swap are scored as well, and so are its controls.
    """
    for number, target in enumerate(chosen_swaps(options, clip)):
        if number == 0 and "scoring" in options.stages:
            yield from controls.measure(options, clip, target, true)
        truth = read_truth(clip, target, video.read_video(ClipFiles(true).video))
        for mode, folder, cutouts, cutout_record in _inputs(options, clip, target, true):
            for settings in options.settings("insertion")[: None if mode == "isolated" else 1]:
                out = pair_folder(options, clip, target, f"{backend_name('insertion', settings)}_{mode}")
                outcome = _measured(clip, target, folder, (cutouts, cutout_record), out, settings, truth, mode)
                yield outcome
                if number == 0 and "scoring" in options.stages and not outcome.figures["failed"]:
                    yield scoring.measure_pair(options, folder, out, outcome)


def chosen_swaps(options: Options, clip: Clip) -> list[str]:
    """The clip's true swaps that are measured: the first ones whose target has a photo."""
    return [target for target in clip.swaps if options.world.photos(target)][: options.swaps]


def _inputs(options: Options, clip: Clip, target: str, true: Path) -> Iterator[tuple[str, Path, list[Path], CutOut]]:
    """Mode, folder of the clip's inputs, the target's cut-outs as the rule gives them, and the first one's record."""
    photos = [index for index, _ in options.world.photos(target)][: stage_defaults("insertion")["colour_photos"]]
    made = [products.true_cutout(options, target, index) for index in photos]
    yield "isolated", true, [path for path, _ in made], made[0][1]
    background = ClipFiles(chained_folder(options, clip)).background
    if "background" in options.stages and background.is_file() and background.stat().st_size:
        made = [products.own_cutout(options, target, index) for index in photos]
        yield "chained", background.parent, [path for path, _ in made], made[0][1]


def _measured(
    clip: Clip,
    target: str,
    folder: Path,
    inputs: tuple[Sequence[Path], CutOut],
    out: Path,
    settings: dict[str, Any],
    truth: Truth,
    mode: str,
) -> Outcome:
    pair = ids.pair_id(clip.clip_id, target, 1)
    about = {"pair_id": pair, "clip_id": clip.clip_id, "source_id": clip.product_id, "target_id": target}
    about |= {"image_index": 1, "seed": ids.seed_of(pair)}
    insert_product(folder, *inputs, out, about, settings)
    made = PairFiles(out)
    record = Insertion.read(made.record)
    figures: dict[str, float | None] = {"failed": float(record.status != "done")}
    if record.status == "done":
        masks = video.read_masks(made.mask).any(0)
        figures |= insertion_figures(video.read_video(made.video), masks, truth)
    figures["s_per_frame"] = record.provenance.seconds / len(truth.frames)
    facts = {"status": record.status, "reason": record.reason, "clip_id": clip.clip_id, "target_id": target}
    return Outcome("insertion", backend_name("insertion", settings), mode, pair, figures, facts)


def read_truth(clip: Clip, target: str, source: Array) -> Truth:
    """The true swap and what belongs to it; `source` are the clip's frames as a backend reads them."""
    frames, mask = clip.swap(target)
    shadow, own = clip.grey(f"swaps/{target}_shadow"), clip.grey("shadow")
    touched = mask | clip.masks() | (shadow > FAINT_SHADOW) | (own > FAINT_SHADOW)
    return Truth(frames, clip.background(), source, mask, shadow > SHADOW, touched, clip.grey("occluder") > 0.5)


def insertion_figures(result: Array, masks: Array, truth: Truth) -> dict[str, float | None]:
    """Figures of a result, uint8 (n, h, w, 3) RGB, and its visible mask, bool (n, h, w), against the true swap.

    Inside is the union of the true and the result's mask; outside is what neither products nor shadows touch, and is
    compared with the source, which a result leaves as it is there.
    """
    inside = masks | truth.mask
    outside = ~np.stack([dilated(one, MARGIN_PX) for one in truth.touched | masks])
    beside = truth.shadow & ~np.stack([dilated(one, 2) for one in inside | truth.front])
    return {
        "psnr_inside": psnr(result, truth.frames, inside) if inside.any() else None,
        "ssim_inside": frame_mean(ssim, result, truth.frames, inside),
        "ssim_coarse": frame_mean(coarse_ssim, result, truth.frames, inside),
        "psnr_outside": psnr(result, truth.source, outside) if outside.any() else None,
        "iou": _over_frames(mask_iou, masks, truth.mask),
        "position": _over_frames(position_error, masks, truth.mask),
        "scale": _over_frames(scale_error, masks, truth.mask),
        "colour": _colour(result, masks, truth),
        "shadow": shadow_error(result, truth.frames, truth.bare, beside),
        "flicker": flicker(result, truth.frames, inside),
    }


def _both(masks: Array, truth: Array) -> Array:
    """Frames in which both masks show enough."""
    counts = np.minimum(np.count_nonzero(masks, axis=(1, 2)), np.count_nonzero(truth, axis=(1, 2)))
    return np.flatnonzero(counts >= _LEAST_PIXELS)


def _over_frames(measure: Callable[[Array, Array], float], masks: Array, truth: Array) -> float | None:
    chosen = _both(masks, truth)
    return float(np.mean([measure(masks[i], truth[i]) for i in chosen])) if len(chosen) else None


def _colour(result: Array, masks: Array, truth: Truth) -> float | None:
    """Mean over up to 12 frames: the colour changes slowly, and CIELAB costs more than the rest together."""
    chosen = _both(masks, truth.mask)
    if not len(chosen):
        return None
    some = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(len(chosen), _COLOUR_FRAMES)).astype(int))]
    return float(np.mean([colour_error(result[i], masks[i], truth.frames[i], truth.mask[i]) for i in some]))

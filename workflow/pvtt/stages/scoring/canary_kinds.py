"""Kinds of canaries: what is done to a finished pair so that the right verdict on it is known.

Every kind but the true swap is a fault that people see at once; see `records.canaries.expected_verdict`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path

import cv2
import numpy as np

from pvtt.imaging.geometry import box_of
from pvtt.io.arrays import BoolArray, UInt8Array
from pvtt.io.images import read_rgba
from pvtt.io.video import read_frames, read_masks, read_some
from pvtt.records.canaries import Kind

_MOVES_PX = 0.3  # px per frame at `flow_side_px`, twice what `temporal` takes for still; less is no fault
_BLOCK = 32  # frames among which frames change places, so that few are in memory


class NotMadeError(ValueError):
    """A canary of this kind cannot be made of this pair; the message says why."""


@dataclass(frozen=True)
class Material:
    """A finished pair, and what else its canaries are made of.

    `source`, `background`, `result`: videos. `masks`: bool (n, h, w) of the inserted product. `cutout`: RGBA PNG of the
    target. `motion_px`: mean motion of the source's product in px per frame at `flow_side_px`. `swap`: video and masks
    of a true swap, None where none is known; `swap_start`: its frame that is the pair's first. `seed`: of the order of
    shuffled frames.
    """

    source: Path
    background: Path
    result: Path
    masks: BoolArray
    cutout: Path
    motion_px: float
    swap: tuple[Path, Path] | None = None
    swap_start: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Footage:
    """What a canary shows as its result: `video`, a file or frames uint8 (h, w, 3) RGB; `masks`: bool (n, h, w)."""

    video: Path | Iterable[UInt8Array]
    masks: BoolArray


def unchanged(pair: Material) -> Footage:
    """The source itself: nothing was replaced."""
    return Footage(pair.source, pair.masks)


def frozen(pair: Material) -> Footage:
    """One frame of the result, repeated."""
    _require_motion(pair, "frozen")
    index = int(pair.masks.sum((1, 2)).argmax())
    [(_, frame)] = read_some(pair.result, [index])
    masks = np.repeat(pair.masks[index : index + 1], len(pair.masks), axis=0)
    return Footage(repeat(frame, len(pair.masks)), masks)


def shuffled(pair: Material) -> Footage:
    """The result's frames, and its masks with them, in another order."""
    _require_motion(pair, "shuffled")
    random, count = np.random.default_rng(pair.seed), len(pair.masks)
    blocks = [start + random.permutation(min(_BLOCK, count - start)) for start in range(0, count, _BLOCK)]

    def frames() -> Iterator[UInt8Array]:
        found = read_frames(pair.result)
        for block in blocks:
            held = list(islice(found, len(block)))
            yield from (held[index - block.min()] for index in block)

    return Footage(frames(), pair.masks[np.concatenate(blocks)])


def other_product(pair: Material) -> Footage:
    """The result as it is; it is scored against the cut-outs of a product that it does not show."""
    return Footage(pair.result, pair.masks)


def empty_hole(pair: Material) -> Footage:
    """The background: the product was removed and none was inserted."""
    return Footage(pair.background, pair.masks)


def black(pair: Material) -> Footage:
    """Black frames."""
    return Footage(repeat(np.zeros((*pair.masks.shape[1:], 3), np.uint8), len(pair.masks)), pair.masks)


def shifted_mask(pair: Material) -> Footage:
    """The result with its mask moved sideways by half of the product's width, to the side with more room."""
    columns = np.flatnonzero(pair.masks.any((0, 1)))
    widths = [box[2] - box[0] for mask in pair.masks if (box := box_of(mask))]
    right = pair.masks.shape[2] - 1 - columns[-1] >= columns[0]
    step = max(1, round(float(np.median(widths)) / 2)) * (1 if right else -1)
    masks = np.zeros_like(pair.masks)
    if step > 0:
        masks[..., step:] = pair.masks[..., :-step]
    else:
        masks[..., :step] = pair.masks[..., -step:]
    return Footage(pair.result, masks)


def no_shadow(pair: Material) -> Footage:
    """The cut-out stretched to the product's box and pasted, behind what hides the product; no shadow, no light."""
    rgba = read_rgba(pair.cutout)
    box = box_of(rgba[..., 3] > 127)
    if box is None:
        raise NotMadeError("the cut-out has no opaque pixel")
    picture = rgba[box[1] : box[3], box[0] : box[2]]

    def frames() -> Iterator[UInt8Array]:
        for frame, mask in zip(read_frames(pair.background), pair.masks, strict=True):
            yield _pasted(frame, picture, mask)

    return Footage(frames(), np.stack([_opaque(picture, mask) for mask in pair.masks]))


def true_swap(pair: Material) -> Footage:
    """The same clip filmed with another product."""
    if pair.swap is None:
        raise NotMadeError("no true swap of this clip is known")
    video, masks_file = pair.swap
    start, end = pair.swap_start, pair.swap_start + len(pair.masks)
    masks: BoolArray = np.logical_or.reduce(read_masks(masks_file))
    if start < 0 or end > len(masks) or masks.shape[1:] != pair.masks.shape[1:]:
        known, own = _size(masks), _size(pair.masks)
        raise NotMadeError(f"the true swap has {known}, the clip {own} from frame {start} of it on")
    return Footage(read_frames(video, start, end), masks[start:end])


MAKERS: Mapping[Kind, Callable[[Material], Footage]] = {
    "unchanged": unchanged,
    "frozen": frozen,
    "shuffled": shuffled,
    "other_product": other_product,
    "empty_hole": empty_hole,
    "black": black,
    "shifted_mask": shifted_mask,
    "no_shadow": no_shadow,
    "true_swap": true_swap,
}


def _size(masks: BoolArray) -> str:
    return f"{len(masks)} frames of {masks.shape[2]}x{masks.shape[1]}"


def _require_motion(pair: Material, kind: str) -> None:
    if pair.motion_px < _MOVES_PX:
        raise NotMadeError(
            f"the source's product moves by {pair.motion_px:.2f} px per frame only, so {kind} frames are no fault"
        )


def _opaque(picture: UInt8Array, mask: BoolArray) -> BoolArray:
    """Where a picture, RGBA, stretched to the box of a mask, is opaque inside the mask; bool (h, w)."""
    found, box = np.zeros_like(mask), box_of(mask)
    if box is not None:
        window = np.s_[box[1] : box[3], box[0] : box[2]]
        found[window] = (_stretched(picture, box)[..., 3] > 127) & mask[window]
    return found


def _pasted(frame: UInt8Array, picture: UInt8Array, mask: BoolArray) -> UInt8Array:
    """The frame with the picture, RGBA, stretched to the box of the mask and shown inside the mask."""
    box = box_of(mask)
    if box is None:
        return frame
    window = np.s_[box[1] : box[3], box[0] : box[2]]
    layer, result = _stretched(picture, box).astype(np.float32), frame.copy()
    alpha = layer[..., 3:] / 255 * mask[window][..., None]
    result[window] = np.rint(layer[..., :3] * alpha + frame[window] * (1 - alpha))
    return result


def _stretched(picture: UInt8Array, box: tuple[int, int, int, int]) -> UInt8Array:
    size = box[2] - box[0], box[3] - box[1]
    smaller = size[0] < picture.shape[1]
    resized: UInt8Array = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return resized

"""The scene without the product, from the frames in which each of its points was uncovered.

The frames are aligned by the camera's motion onto one canvas, brought to one exposure, and the median of the uncovered
samples is taken at every point (the clean plate of visual effects; the median background of Cucchiara et al., 2003).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.imaging.geometry import apply, camera_motion, closed, dilated, disc
from pvtt.io.video_reader import Frames
from pvtt.stages.background.inpaint import membrane

Array = np.ndarray

_MAX_SAMPLES = 32
_SHORT_SIDE = 360
_MARGIN_PX = 24
_GUARD_PX = 3
_LEAST_SEEN = 1 / 12
_FOREIGN_SIDE = 120
_FOREIGN = 26.0
_FOREIGN_PX = 24


@dataclass(frozen=True)
class Mosaic:
    """A canvas that holds the holes of all frames: its size and, per frame, the transform from frame to canvas."""

    width: int
    height: int
    transforms: Array  # float64 (n, 3, 3)

    def still(self, index: int) -> bool:
        """Whether the frame only needs a shift by whole pixels."""
        shift = self.transforms[index] - np.eye(3)
        return bool(np.allclose(shift[:, :2], 0) and np.allclose(shift[:2, 2], np.rint(shift[:2, 2])))


@dataclass(frozen=True)
class Plate:
    """The plate: uint8 (h, w, 3) RGB, where it is to be trusted and where it was only seen in doubt (bool (h, w)).

    `spread` says how far its samples lie apart, in levels.
    """

    image: Array
    known: Array
    doubtful: Array
    spread: float


def reduced_gray(frame: Array) -> Array:
    """Grey uint8 frame with a short side of at most 360 pixels: what camera motion is measured on."""
    scale = min(1.0, _SHORT_SIDE / min(frame.shape[:2]))
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
    return gray if scale == 1 else cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def full_size(motion: Array, small: tuple[int, int], size: tuple[int, int]) -> Array:
    """Transforms measured on frames of `small` (width, height) for frames of `size`."""
    fx, fy = size[0] / small[0], size[1] / small[1]
    up = np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
    return up @ motion @ np.linalg.inv(up)


def scene_motion(frames: Frames, covered: Array, reference: int) -> Array:
    """Transforms float64 (n, 3, 3) of each frame's points to frame `reference`, in the frames' own pixels.

    What is `covered` (bool (n, h, w)) does not count.
    """
    grays = [reduced_gray(frame) for frame in frames()]
    height, width = grays[0].shape
    small = [cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA) > 0 for mask in covered]
    motion = camera_motion(grays, small, reference)
    return full_size(motion, (width, height), (covered.shape[2], covered.shape[1]))


def mosaic_extent(motion: Array, boxes: list[tuple[int, int, int, int] | None], width: int, height: int) -> Mosaic:
    """Smallest canvas, in the reference frame's pixels, for the holes' boxes; at most one frame beyond each side."""
    corners = [
        apply(motion[index], np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], float))
        for index, (x0, y0, x1, y1) in ((i, b) for i, b in enumerate(boxes) if b is not None)
    ]
    points = np.concatenate(corners)
    pad = _MARGIN_PX + 0.35 * float(np.sqrt(np.prod(np.ptp(points, axis=0))))
    low = np.maximum(np.floor(points.min(0) - pad), [-width, -height])
    high = np.minimum(np.ceil(points.max(0) + pad), [2 * width, 2 * height])
    if np.allclose(motion, np.eye(3)):
        low, high = np.maximum(low, 0), np.minimum(high, [width, height])
    shift = np.eye(3)
    shift[:2, 2] = -low
    return Mosaic(int(high[0] - low[0]), int(high[1] - low[1]), shift @ motion)


def warp_to_mosaic(image: Array, canvas: Mosaic, index: int, interpolation: int, outside: int = 0) -> Array:
    """Frame `index` (or its mask) on the canvas; what lies outside the frame becomes `outside`."""
    return cv2.warpPerspective(
        image,
        canvas.transforms[index],
        (canvas.width, canvas.height),
        flags=cv2.INTER_NEAREST if canvas.still(index) else interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(outside,) * 3,
    )


def sample_frames(n_frames: int, reference: int) -> list[int]:
    """Frames of which a plate is made: the reference first, then at most 32 evenly spread ones."""
    others = np.unique(np.linspace(0, n_frames - 1, min(n_frames, _MAX_SAMPLES)).round().astype(int))
    return [reference] + [int(i) for i in others if i != reference]


def close_masks(grown: Array) -> Array:
    """Masks (n, h, w) as the plate takes them: what is seen through them is rarely the scene.

    Narrow gaps are closed, for an arm across the product or the inside of a ring is not the ground, and so are gaps in
    time: what shows itself where the product is before and after is mostly a hand that passes. A few pixels are added,
    for the rim.
    """
    first = np.where(grown.any(0), grown.argmax(0), len(grown))
    last = len(grown) - 1 - grown[::-1].argmax(0)
    shut = np.empty_like(grown)
    for index, mask in enumerate(grown):
        whole = mask | ((index > first) & (index < last))
        shut[index] = dilated(closed(whole, round(0.2 * float(np.sqrt(mask.sum())))), _GUARD_PX)
    return shut


def build_plate(
    frames: Iterable[Array], covered: Array, shaded: Callable[[int], Array], canvas: Mosaic, reference: int
) -> Plate:
    """Median of the uncovered, aligned and exposure-corrected samples; `frames` are all frames, in order.

    Samples that `shaded(index)` (bool (h, w)) calls doubtful count only where there are too few others. A point is
    known when one in twelve samples saw it: what shows itself for a moment is mostly the product's rim.
    """
    wanted = sample_frames(len(covered), reference)
    images, free, clean = [], [], []
    for index, frame in enumerate(frames):
        if index in wanted:
            images.append(warp_to_mosaic(frame, canvas, index, cv2.INTER_LINEAR))
            hidden = warp_to_mosaic(covered[index].astype(np.uint8), canvas, index, cv2.INTER_LINEAR, outside=1)
            doubtful = warp_to_mosaic(shaded(index).astype(np.uint8), canvas, index, cv2.INTER_LINEAR)
            free.append(hidden == 0)
            clean.append((hidden == 0) & (doubtful == 0))
    images = _equalize_exposure(images, free, sorted(wanted).index(reference))
    for index, foreign in enumerate(_foreign(images, free)):
        free[index] &= ~foreign
        clean[index] &= ~foreign
    least = max(1, round(len(wanted) * _LEAST_SEEN))
    best = np.stack(clean)
    chosen = np.where(best.sum(0) >= least, best, np.stack(free))
    image, seen, spread = _median(np.stack(images), chosen)
    known = seen >= least
    return Plate(image, known, known & (best.sum(0) < least), spread)


def _foreign(images: list[Array], free: list[Array]) -> Iterator[Array]:
    """Per sample, what passes in front of the scene, bool (h, w): hands reach from where the scene is well known.

    There the median over time tells them from the scene; where few samples see it, its continuation by a membrane
    does, for what joins such a place. Things that stand there alone may belong to the scene and are left.
    """
    height, width = free[0].shape
    scale = min(1.0, _FOREIGN_SIDE / min(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    sees = np.stack([cv2.resize(one.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for one in free])
    middle, seen, _ = _median(small, sees)
    sure = seen >= 0.6 * max(int(seen.max()), 1)
    scene = membrane(middle.astype(np.float32), sure)
    for sample, one in zip(small, sees, strict=True):
        apart = np.abs(cv2.blur(sample, (3, 3)).astype(np.float32) - cv2.blur(scene, (3, 3))).max(2) > _FOREIGN
        apart = cv2.morphologyEx((apart & one).astype(np.uint8), cv2.MORPH_OPEN, disc(2))
        labels = cv2.connectedComponents(apart)[1]
        within = np.bincount(labels[sure & one], minlength=labels.max() + 1)
        large = np.flatnonzero(within >= _FOREIGN_PX)
        joined = np.isin(labels, large[large > 0])
        yield cv2.resize(dilated(joined, 2).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _equalize_exposure(images: list[Array], free: list[Array], reference: int) -> list[Array]:
    """Scale each sample's linear light so that what it shares with the reference has the same median."""
    base = to_linear(images[reference][::2, ::2])
    corrected = []
    for image, sees in zip(images, free, strict=True):
        light = to_linear(image[::2, ::2])
        shared = sees[::2, ::2] & free[reference][::2, ::2] & (light.min(2) > 0.01) & (light.max(2) < 0.95)
        if shared.sum() < 100:
            corrected.append(image)
            continue
        gain = np.median(base[shared] / light[shared], axis=0)
        tiny = np.abs(gain - 1).max() < 0.01
        corrected.append(image if tiny else to_srgb(to_linear(image) * np.clip(gain, 0.5, 2).astype(np.float32)))
    return corrected


def _median(images: Array, free: Array, rows: int = 64) -> tuple[Array, Array, float]:
    """Median over the samples (k, h, w, 3) where `free` (k, h, w), in strips; spread is the median deviation of all."""
    height, width = free.shape[1:]
    result = np.zeros((height, width, 3), np.uint8)
    seen = free.sum(0).astype(np.uint8)
    spreads = []
    for top in range(0, height, rows):
        part = np.s_[top : top + rows]
        values = np.where(free[:, part, :, None], images[:, part], np.uint16(999)).astype(np.uint16)
        values = np.sort(np.ascontiguousarray(np.moveaxis(values, 0, -1)), axis=-1)
        count = np.maximum(seen[part].astype(np.int64), 1)[..., None, None]
        low = np.take_along_axis(values, (count - 1) // 2, -1)[..., 0]
        high = np.take_along_axis(values, count // 2, -1)[..., 0]
        middle = (low + high + 1) // 2
        result[part] = np.where(seen[part][..., None] > 0, middle, 0)
        quarter = np.take_along_axis(values, count // 4, -1)[..., 0]
        spreads.append((low - quarter)[seen[part] >= 4].ravel())
    every = np.concatenate(spreads)
    return result, seen, float(every.mean()) if len(every) else 0.0

"""Clean plate: the scene without the product, as the temporal median of the frames that show each point.

The frames are aligned to one mosaic by the camera's motion and corrected to one exposure. At every point the median of
the uncovered samples is taken (the clean plate of visual effects; the median background of Cucchiara et al., Detecting
moving objects, ghosts, and shadows in video streams, PAMI 2003).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pvtt.imaging.camera_motion import camera_motion
from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.imaging.geometry import apply, closed, dilated, disc
from pvtt.io.video_reader import Frames
from pvtt.stages.background.inpaint import membrane

Array = np.ndarray

_MAX_SAMPLES = 32  # frames that the median is taken over, besides the reference
_SHORT_SIDE = 360  # px: short side of the frames that camera motion is measured on
_MARGIN_PX = 24  # px: least margin of the mosaic around the holes
_GUARD_PX = 3  # px: growth of the closed masks, for the product's soft rim
_MIN_SEEN = 1 / 12  # share of the samples that must show a point for it to be known
_TRANSIENT_SIDE = 120  # px: short side of the frames that transient objects are looked for in
_TRANSIENT_CHANGE = 26.0  # grey levels, 0-255: difference from the median scene
_TRANSIENT_PX = 24  # px at `_TRANSIENT_SIDE`: least area, inside well-known scene, of a transient object


@dataclass(frozen=True)
class Mosaic:
    """An image plane that holds the holes of all frames.

    `width` and `height` are in pixels; `transforms`, float64 (n, 3, 3), map the points of each frame to the mosaic.
    """

    width: int
    height: int
    transforms: Array

    def still(self, index: int) -> bool:
        """Whether the transform of frame `index` is a shift by whole pixels."""
        shift = self.transforms[index] - np.eye(3)
        return bool(np.allclose(shift[:, :2], 0) and np.allclose(shift[:2, 2], np.rint(shift[:2, 2])))


@dataclass(frozen=True)
class Plate:
    """A clean plate.

    `image` uint8 (h, w, 3), RGB; `known` bool (h, w): seen in enough samples; `doubtful` bool (h, w): known, but only
    from samples in the shadow; `spread`: mean absolute deviation of the samples, in grey levels.
    """

    image: Array
    known: Array
    doubtful: Array
    spread: float


def reduced_gray(frame: Array) -> Array:
    """Grey frame, uint8 (h', w'), with a short side of at most 360 px, from uint8 (h, w, 3), RGB."""
    scale = min(1.0, _SHORT_SIDE / min(frame.shape[:2]))
    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    size = (round(gray.shape[1] * scale), round(gray.shape[0] * scale))
    reduced: Array = gray if scale == 1 else cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return reduced


def full_size(motion: Array, small: tuple[int, int], size: tuple[int, int]) -> Array:
    """Rescale transforms (..., 3, 3) from frames of size `small` (width, height) to frames of `size`."""
    fx, fy = size[0] / small[0], size[1] / small[1]
    up = np.array([[fx, 0, (fx - 1) / 2], [0, fy, (fy - 1) / 2], [0, 0, 1]])
    scaled: Array = up @ motion @ np.linalg.inv(up)
    return scaled


def scene_motion(frames: Frames, covered: Array, reference: int) -> Array:
    """Estimate the camera's motion.

    Parameters
    ----------
    frames : callable
        Starts a pass over n frames, uint8 (h, w, 3), RGB.
    covered : bool (n, h, w)
        Pixels that are not scene and do not count.
    reference : int
        Index of the reference frame.

    Returns
    -------
    float64 (n, 3, 3)
        Maps the points of each frame to those of the reference frame, in pixels.
    """
    grays = [reduced_gray(frame) for frame in frames()]
    height, width = grays[0].shape
    small = [cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA) > 0 for mask in covered]
    motion = camera_motion(grays, small, reference)
    return full_size(motion, (width, height), (covered.shape[2], covered.shape[1]))


def mosaic_extent(motion: Array, boxes: list[tuple[int, int, int, int] | None], width: int, height: int) -> Mosaic:
    """Smallest mosaic, in pixels of the reference frame, that holds the holes.

    Parameters
    ----------
    motion : float64 (n, 3, 3)
        See `scene_motion`.
    boxes : list of n
        Box (x0, y0, x1, y1) of each frame's hole in pixels, None without one.
    width, height : int
        Size of a frame in pixels. The mosaic exceeds the reference frame by at most one frame on each side.
    """
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
    """Warp frame `index` (uint8 (h, w, 3)) or its mask (uint8 (h, w)) to the mosaic.

    `interpolation` is OpenCV's flag; pixels outside the frame get the value `outside`.
    """
    warped: Array = cv2.warpPerspective(
        image,
        canvas.transforms[index],
        (canvas.width, canvas.height),
        flags=cv2.INTER_NEAREST if canvas.still(index) else interpolation,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(outside,) * 3,
    )
    return warped


def sample_frames(n_frames: int, reference: int) -> list[int]:
    """Indices of the frames that a plate is made of: the reference, then at most 32 evenly spaced others."""
    others = np.unique(np.linspace(0, n_frames - 1, min(n_frames, _MAX_SAMPLES)).round().astype(int))
    return [reference] + [int(i) for i in others if i != reference]


def close_masks(grown: Array) -> Array:
    """Close narrow gaps of masks, bool (n, h, w), in space and in time, then grow them by 3 px.

    A narrow gap in space is rarely background: it is an arm across the product or the inside of a ring. A pixel that
    is covered before and after, but not now, mostly shows a passing hand.
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
    """Clean plate: the median of the uncovered samples, aligned and corrected for exposure.

    Parameters
    ----------
    frames : iterable of uint8 (h, w, 3), RGB
        All n frames in order.
    covered : bool (n, h, w)
        Pixels that the product covers.
    shaded : callable
        Maps a frame index to bool (h, w): pixels in the product's shadow. They count only where there are too few
        other samples.
    canvas : Mosaic
        See `mosaic_extent`.
    reference : int
        Index of the frame whose exposure the plate has.

    Notes
    -----
    A point is known when one in twelve samples shows it. What shows for a shorter time is mostly the product's rim.
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
    for index, transient in enumerate(_transient_masks(images, free)):
        free[index] &= ~transient
        clean[index] &= ~transient
    least = max(1, round(len(wanted) * _MIN_SEEN))
    best = np.stack(clean)
    chosen = np.where(best.sum(0) >= least, best, np.stack(free))
    image, seen, spread = _median(np.stack(images), chosen)
    known = seen >= least
    return Plate(image, known, known & (best.sum(0) < least), spread)


def _transient_masks(images: list[Array], free: list[Array]) -> Iterator[Array]:
    """Per sample, objects that pass in front of the scene, such as hands: bool (h, w).

    They differ from the temporal median. Where few samples show the scene, the median is continued by a membrane, and
    a difference counts only when it is connected to a place where the scene is well known: an isolated object may
    belong to the scene.
    """
    height, width = free[0].shape
    scale = min(1.0, _TRANSIENT_SIDE / min(height, width))
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    small = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    sees = np.stack([cv2.resize(one.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for one in free])
    middle, seen, _ = _median(small, sees)
    sure = seen >= 0.6 * max(int(seen.max()), 1)
    scene = membrane(middle.astype(np.float32), sure)
    for sample, one in zip(small, sees, strict=True):
        apart = np.abs(cv2.blur(sample, (3, 3)).astype(np.float32) - cv2.blur(scene, (3, 3))).max(2) > _TRANSIENT_CHANGE
        apart = cv2.morphologyEx((apart & one).astype(np.uint8), cv2.MORPH_OPEN, disc(2))
        labels = cv2.connectedComponents(apart)[1]
        within = np.bincount(labels[sure & one], minlength=labels.max() + 1)
        large = np.flatnonzero(within >= _TRANSIENT_PX)
        joined = np.isin(labels, large[large > 0])
        yield cv2.resize(dilated(joined, 2).astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def _equalize_exposure(images: list[Array], free: list[Array], reference: int) -> list[Array]:
    """Correct each sample's exposure: one gain per channel, in linear light, from the pixels shared with the reference.

    Gains are limited to 0.5-2; one within 1 % of unity is not applied.
    """
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
    """Median of uint8 (k, h, w, 3) over the samples where `free`, bool (k, h, w), in strips of `rows` rows.

    Returns the median (0 without samples), the number of samples uint8 (h, w), and the mean distance of the median
    from the lower quartile in grey levels.
    """
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

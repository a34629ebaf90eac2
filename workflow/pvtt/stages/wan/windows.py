"""Windows of 4k + 1 frames and frame sizes in multiples of 16: what Wan's latent grid can hold exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, sqrt

SIDE = 16  # an eighth in the latent, patches of 2 x 2
STEP = 4  # frames in one latent, after the first


@dataclass(frozen=True)
class Span:
    """Frames `start` to `start + length` (excluded); those beyond the clip's end repeat its last frame."""

    start: int
    length: int


def whole(n_frames: int) -> int:
    """The least 4k + 1 that is not under `n_frames`."""
    return STEP * ceil((max(1, n_frames) - 1) / STEP) + 1


def plan_spans(n_frames: int, longest: int, overlap: int) -> list[Span]:
    """Windows of equal length over a clip, each but the first with `overlap` frames of the one before.

    `longest` is 4k + 1, `overlap` 0 or 4k + 1 and less. They are as few and then as short as possible, so no frame is
    paid for that is not needed. ValueError says which number is not so.
    """
    if longest < STEP + 1 or longest % STEP != 1:
        raise ValueError(f"window_frames is {longest}; it must be 4k + 1 and at least {STEP + 1}")
    if overlap and (overlap % STEP != 1 or overlap >= longest):
        raise ValueError(f"overlap_frames is {overlap}; it must be 0 or 4k + 1, and under window_frames ({longest})")
    if n_frames <= longest:
        return [Span(0, whole(n_frames))]
    count = ceil((n_frames - overlap) / (longest - overlap))
    length = whole(ceil((n_frames + (count - 1) * overlap) / count))
    return [Span(index * (length - overlap), length) for index in range(count)]


def model_size(width: int, height: int, max_area: int) -> tuple[int, int]:
    """Width and height at which the model sees a frame: multiples of 16 of at most `max_area` pixels, never upscaled.

    Of the sizes nearest below and above, the one that stretches the picture least; then the largest.
    """
    scale = min(1.0, sqrt(max_area / (width * height)))
    widths, heights = (_around(side * scale) for side in (width, height))
    fitting = [size for size in product(widths, heights) if size[0] * size[1] <= max_area]
    fitting = fitting or [(widths[0], heights[0])]
    return min(fitting, key=lambda size: (round(_stretch(size, width / height), 3), -size[0] * size[1]))


def _around(side: float) -> list[int]:
    below = max(SIDE, int(side + 1e-6) // SIDE * SIDE)
    return [below, below + SIDE] if side > below else [below]


def _stretch(size: tuple[int, int], aspect: float) -> float:
    ratio = size[0] / size[1] / aspect
    return max(ratio, 1 / ratio)

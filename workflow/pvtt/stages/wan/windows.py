"""Windows of 4k + 1 frames and frame sizes in multiples of 16 px, which Wan's latent grid represents exactly."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, sqrt

TOKEN_PX = 16  # px: side of a transformer token; the VAE divides by 8, the patches are 2 x 2
LATENT_FRAMES = 4  # frames per latent of the Wan 2.1 VAE; the first latent holds one frame


@dataclass(frozen=True)
class Window:
    """Frames `start` to `start + length` (excluded); those after the end of the clip repeat its last frame."""

    start: int
    length: int


def round_up_frames(n_frames: int) -> int:
    """Smallest 4k + 1 that is at least `n_frames`."""
    return LATENT_FRAMES * ceil((max(1, n_frames) - 1) / LATENT_FRAMES) + 1


def plan_windows(n_frames: int, max_length: int, overlap: int) -> list[Window]:
    """Cover a clip with as few windows as possible, all of the same, smallest possible length.

    Parameters
    ----------
    n_frames : int
        Length of the clip.
    max_length : int
        Largest length of a window in frames, 4k + 1 and at least 5.
    overlap : int
        Frames that a window shares with the one before: 0, or 4k + 1 and less than `max_length`.

    Returns
    -------
    list of Window
        In ascending order.

    Raises
    ------
    ValueError
        If `max_length` or `overlap` is not of this form; the message names the setting.
    """
    if max_length < LATENT_FRAMES + 1 or max_length % LATENT_FRAMES != 1:
        raise ValueError(f"window_frames is {max_length}; it must be 4k + 1 and at least {LATENT_FRAMES + 1}")
    if overlap and (overlap % LATENT_FRAMES != 1 or overlap >= max_length):
        raise ValueError(f"overlap_frames is {overlap}; it must be 0 or 4k + 1, and under window_frames ({max_length})")
    if n_frames <= max_length:
        return [Window(0, round_up_frames(n_frames))]
    count = ceil((n_frames - overlap) / (max_length - overlap))
    length = round_up_frames(ceil((n_frames + (count - 1) * overlap) / count))
    return [Window(index * (length - overlap), length) for index in range(count)]


def model_size(width: int, height: int, max_area: int) -> tuple[int, int]:
    """Choose the frame size for the model: the nearest multiples of 16 px that distort the aspect ratio least.

    Parameters
    ----------
    width, height : int
        Size of the clip in px.
    max_area : int
        Largest number of pixels of a frame. Frames are never enlarged.

    Returns
    -------
    width, height : int
        In px. Of sizes with the same distortion, the largest.
    """
    scale = min(1.0, sqrt(max_area / (width * height)))
    widths, heights = (_nearest_multiples(side * scale) for side in (width, height))
    fitting = [size for size in product(widths, heights) if size[0] * size[1] <= max_area]
    fitting = fitting or [(widths[0], heights[0])]
    return min(fitting, key=lambda size: (round(_distortion(size, width / height), 3), -size[0] * size[1]))


def _nearest_multiples(side: float) -> list[int]:
    below = max(TOKEN_PX, int(side + 1e-6) // TOKEN_PX * TOKEN_PX)
    return [below, below + TOKEN_PX] if side > below else [below]


def _distortion(size: tuple[int, int], aspect: float) -> float:
    ratio = size[0] / size[1] / aspect
    return max(ratio, 1 / ratio)

"""Contact sheets: the images that a judge gets, made of a pair's sampled frames, as JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from pvtt.stages.scoring.base import Crop

_GREY = 128  # grey level, 0-255, between and around the images
_GAP_PX = 4  # px between images
_CLOSE_PX = 320  # px: side of a close-up
_MARGIN = 0.25  # share of the product's longer side, around it in a close-up
_QUALITY = 92  # JPEG quality, 0-100


def judge_contact_sheets(
    samples: Sequence[Mapping[str, np.ndarray]], target: Sequence[Crop], frames: int, side_px: int, photos: int
) -> dict[str, bytes]:
    """Contact sheets `photos`, `source`, `result` and `closeups`, as JPEG files.

    Parameters
    ----------
    samples
        As `frames` of `identity.identity_measures`.
    target
        Crops of the target's cut-outs; the first `photos` of them are shown at 320 px.
    frames : int
        Number of samples to show, evenly spaced. Close-ups show the inserted product at 320 px.
    side_px : int
        Longer side of a frame in pixels.
    photos : int
        Number of cut-outs to show.
    """
    chosen = [samples[round(k)] for k in np.linspace(0, len(samples) - 1, min(frames, len(samples)))]
    sheets = {
        "photos": [_fitted(crop.image) for crop in target[:photos]],
        "source": [_reduced(sample["source"], side_px) for sample in chosen],
        "result": [_reduced(sample["result"], side_px) for sample in chosen],
        "closeups": [_fitted(_window(sample["result"], sample["insert_mask"])) for sample in chosen],
    }
    return {name: _jpeg(_sheet(images)) for name, images in sheets.items()}


def _sheet(images: Sequence[np.ndarray]) -> np.ndarray:
    """Arrange images of one size, uint8 (h, w, 3), in a nearly square grid."""
    columns = int(np.ceil(np.sqrt(len(images))))
    rows = -(-len(images) // columns)
    height, width = images[0].shape[:2]
    board = np.full((rows * (height + _GAP_PX) - _GAP_PX, columns * (width + _GAP_PX) - _GAP_PX, 3), _GREY, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * (height + _GAP_PX), index % columns * (width + _GAP_PX)
        board[top : top + height, left : left + width] = image
    return board


def _reduced(image: np.ndarray, side_px: int) -> np.ndarray:
    scale = min(1.0, side_px / max(image.shape[:2]))
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    small: np.ndarray = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def _fitted(image: np.ndarray) -> np.ndarray:
    """Scale an image to fit a grey square of 320 px and centre it there."""
    scale = _CLOSE_PX / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    board = np.full((_CLOSE_PX, _CLOSE_PX, 3), _GREY, np.uint8)
    top, left = (_CLOSE_PX - size[1]) // 2, (_CLOSE_PX - size[0]) // 2
    board[top : top + size[1], left : left + size[0]] = scaled
    return board


def _window(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Crop an image to the box of a mask, with a margin of a quarter of its longer side."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    grow = round(_MARGIN * max(np.ptp(rows), np.ptp(columns))) + 1
    return image[
        max(0, rows[0] - grow) : rows[-1] + grow + 1,
        max(0, columns[0] - grow) : columns[-1] + grow + 1,
    ]


def _jpeg(image: np.ndarray) -> bytes:
    written, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    if not written:
        raise RuntimeError(f"no JPEG of {image.shape[1]}x{image.shape[0]} pixels could be written")
    return data.tobytes()

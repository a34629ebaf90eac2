"""The pictures that a judge sees: contact sheets of a pair's sampled frames, as JPEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from pvtt.stages.scoring.base import Crop

_GREY = 128
_GAP_PX = 4
_CLOSE_PX = 320
_MARGIN = 0.25
_QUALITY = 92


def judge_contact_sheets(
    samples: Sequence[Mapping[str, np.ndarray]], target: Sequence[Crop], frames: int, side_px: int, photos: int
) -> dict[str, bytes]:
    """JPEG bytes of `photos`, `source`, `result` and `closeups`.

    `samples` as of `identity_measures`; `frames` of them, evenly spaced, with their longer side reduced to `side_px`.
    The first `photos` crops of the target, and the inserted product with a margin around it, are fitted into 320 px.
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
    """Images of one size in rows, as square as may be, grey between them."""
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
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _fitted(image: np.ndarray) -> np.ndarray:
    """The image in the middle of a grey square of 320 px, its longer side as wide as the square."""
    scale = _CLOSE_PX / max(image.shape[:2])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    scaled = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    board = np.full((_CLOSE_PX, _CLOSE_PX, 3), _GREY, np.uint8)
    top, left = (_CLOSE_PX - size[1]) // 2, (_CLOSE_PX - size[0]) // 2
    board[top : top + size[1], left : left + size[0]] = scaled
    return board


def _window(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The part of the image around the mask, a quarter of its longer side wider on each side."""
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

"""What a photo's transparency means: a mask of the product, or an empty margin around the photo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

_MIN_CLEAR, _MIN_SOLID = 0.01, 0.001  # shares of the photo from which its alpha separates something
# A plain rectangle fills this share of its bounding box, and reaches this share of each of the box's four sides: a card
# with corners rounded by a fifth of its side has 0.97 and 0.6, an upright can 0.97 and, at its round top, 0.3.
_MIN_RECTANGLE_FILL, _MIN_SIDE_REACHED = 0.94, 0.55
_INSET = 0.01  # of the short side: how far inside the box its sides are looked at
_PAPER = 255  # grey level that shows through half-transparent pixels of a margin


@dataclass(frozen=True)
class Canvas:
    """A photo without its transparent margin.

    image: uint8 (h, w, 3) RGB. alpha: uint8 (h, w), the product's, or None where a backend must find it. box: where the
    image lies in the photo, [x0, y0, x1, y1], ends exclusive.
    """

    image: np.ndarray
    alpha: np.ndarray | None
    box: tuple[int, int, int, int]


def read_canvas(rgba: np.ndarray) -> Canvas:
    """Take a photo's transparency as the product's alpha, or cut it away where it is a margin.

    Transparency that leaves a plain upright rectangle is a margin, rounded or soft corners included: the rectangle is
    composited on white. So a box that is photographed from the front and has an alpha of its own must be found again.

    Parameters
    ----------
    rgba : uint8 (h, w, 4)

    Returns
    -------
    Canvas
    """
    height, width = rgba.shape[:2]
    image, alpha, whole = np.ascontiguousarray(rgba[..., :3]), rgba[..., 3], (0, 0, width, height)
    if float((alpha < 16).mean()) < _MIN_CLEAR or float((alpha > 239).mean()) < _MIN_SOLID:
        return Canvas(image, None, whole)
    x, y, w, h = cv2.boundingRect((alpha > 127).astype(np.uint8))
    if not _is_rectangle(alpha[y : y + h, x : x + w] > 127):
        return Canvas(image, np.ascontiguousarray(alpha), whole)
    part = np.s_[y : y + h, x : x + w]
    weight = alpha[part].astype(np.float32)[..., None] / 255
    paper = np.rint(image[part] * weight + _PAPER * (1 - weight)).astype(np.uint8)
    return Canvas(paper, None, (x, y, x + w, y + h))


def _is_rectangle(visible: np.ndarray) -> bool:
    """Whether a mask, bool (h, w), cropped to its bounding box, is an upright rectangle; its corners may be round."""
    inset = round(_INSET * min(visible.shape))
    sides = visible[inset], visible[-1 - inset], visible[:, inset], visible[:, -1 - inset]
    return bool(visible.mean() >= _MIN_RECTANGLE_FILL and min(side.mean() for side in sides) >= _MIN_SIDE_REACHED)

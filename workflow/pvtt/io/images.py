"""Reading and writing of image files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from pvtt.io.arrays import AnyArray, UInt8Array
from pvtt.io.files import atomic_path
from pvtt.io.video import MediaError


def read_rgba(path: str | Path) -> UInt8Array:
    """Read an image of any mode as uint8 (h, w, 4), RGBA, with the EXIF orientation applied; alpha 255 if missing."""
    path = Path(path)
    try:
        with Image.open(path) as opened:
            opened.load()
            image = ImageOps.exif_transpose(opened)
    except FileNotFoundError:
        raise MediaError(f"{path.name}: there is no such file") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path.name}: cannot be read as an image ({error})") from error
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image, np.float64)
        grey = np.clip(values / 257.0 if values.max() > 255 else values, 0, 255).astype(np.uint8)
        image = Image.fromarray(grey)
    return np.asarray(image.convert("RGBA"))


def read_rgb(path: str | Path) -> UInt8Array:
    """Read an image as uint8 (h, w, 3), RGB, composited on white."""
    rgba = read_rgba(path).astype(np.float32)
    alpha = rgba[..., 3:] / 255
    return np.rint(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def write_png(path: str | Path, image: AnyArray) -> None:
    """Write an image as PNG.

    Parameters
    ----------
    path : path
    image : uint8 (h, w), (h, w, 3) RGB or (h, w, 4) RGBA, or bool (h, w), written as 0/255
    """
    image = image.astype(np.uint8) * 255 if image.dtype == bool else image
    with atomic_path(path) as aside:
        Image.fromarray(image).save(aside, format="PNG", optimize=False)


def write_jpeg(path: str | Path, image: UInt8Array, quality: int = 92) -> None:
    """Write an image as JPEG.

    Parameters
    ----------
    path : path
    image : uint8 (h, w, 3), RGB
    quality : int
        JPEG quality, 0 to 95.
    """
    with atomic_path(path) as aside:
        Image.fromarray(image).save(aside, format="JPEG", quality=quality)

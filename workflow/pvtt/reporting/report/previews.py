"""Previews for the report: small videos with the mask drawn in, posters, strips of frames, small cut-outs.

A preview is made again only when its source, its size or this module's version changed; `stamps.json` in the media
folder remembers what each was made from. Previews that the page no longer shows are removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from pvtt.io import images
from pvtt.io import video as media
from pvtt.io.files import read_json, write_json

Array = np.ndarray
# One colour per object, RGB; the first is what the page's legend shows.
OBJECT_COLOURS = ((255, 64, 129), (0, 200, 220), (255, 200, 0), (120, 220, 60))
_VERSION = 1  # of the previews; a new one renders them again
_TINT = 0.38  # opacity of the colour over a mask
_CRF = 25  # constant rate factor of the preview videos
_STRIP_HEIGHT = 132  # px: height of the frames in a strip
_PICTURE_SIDE = 360  # px: long side of a preview image


class Previews:
    """The media folder of a report. Every method returns a path relative to the page, or None without a source."""

    def __init__(self, folder: Path, side_px: int) -> None:
        self._folder, self._side = folder, side_px
        self._stamps_file = folder / "stamps.json"
        self._old: dict[str, str] = read_json(self._stamps_file) if self._stamps_file.is_file() else {}
        self._new: dict[str, str] = {}

    def video(self, name: str, source: Path, masks: Path | None = None, poster: int = 0) -> dict[str, str] | None:
        """Small H.264 copy of `source`, with the masks drawn in when given, and frame `poster` of it as JPEG."""
        files = {"video": f"{name}.mp4", "poster": f"{name}.jpg"}
        sources = [source] if masks is None else [source, masks]
        made = self._make(
            files.values(), sources, f"poster {poster}", lambda: self._write_video(name, source, masks, poster)
        )
        return {kind: f"media/{file}" for kind, file in files.items()} if made else None

    def strip(self, name: str, source: Path, masks: Path, frames: Sequence[int]) -> str | None:
        """Some frames of a clip side by side as one JPEG, masks drawn in where there are any."""
        sources = [source] if _is_empty(masks) else [source, masks]
        made = self._make(
            [f"{name}.jpg"], sources, f"frames {list(frames)}", lambda: self._write_strip(name, source, masks, frames)
        )
        return f"media/{name}.jpg" if made else None

    def picture(self, name: str, source: Path) -> str | None:
        """Small PNG of a cut-out or a photo, transparency kept."""
        made = self._make([f"{name}.png"], [source], "", lambda: self._write_picture(name, source))
        return f"media/{name}.png" if made else None

    def finish(self) -> None:
        """Remove what the page does not show and remember what the rest was made from."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            if path.name not in self._new and path != self._stamps_file:
                path.unlink()
        write_json(self._stamps_file, self._new)

    def _make(self, files: Iterable[str], sources: Sequence[Path], detail: str, make: Callable[[], None]) -> bool:
        if any(_is_empty(source) for source in sources):
            return False
        states = [(source.stat().st_mtime_ns, source.stat().st_size) for source in sources]
        stamp = f"{_VERSION} {self._side} {detail} {states}"
        names, known = list(files), self._old | self._new
        if not all(known.get(name) == stamp and (self._folder / name).is_file() for name in names):
            try:
                make()
            except media.MediaError:
                return False
        self._new |= dict.fromkeys(names, stamp)
        return True

    def _write_video(self, name: str, source: Path, masks: Path | None, poster: int) -> None:
        planes = media.read_masks(masks) if masks else None
        shown: list[Array] = []

        def small() -> Iterator[Array]:
            for index, frame in enumerate(media.read_frames(source)):
                image = _reduced(frame, self._side)
                if planes is not None and index < planes.shape[1]:
                    image = draw_masks(image, planes[:, index])
                if index == poster or not shown:
                    shown[:] = [image]
                yield image

        media.write_video(self._folder / f"{name}.mp4", small(), media.video_fps(source), crf=_CRF)
        images.write_jpeg(self._folder / f"{name}.jpg", shown[0], 82)

    def _write_strip(self, name: str, source: Path, masks: Path, frames: Sequence[int]) -> None:
        planes = None if _is_empty(masks) else media.read_masks(masks)
        tiles = []
        for index, frame in media.read_some(source, frames):
            tile = _reduced(frame, _STRIP_HEIGHT, by_height=True)
            tiles.append(tile if planes is None else draw_masks(tile, planes[:, index]))
        if not tiles:
            raise media.MediaError(f"{source}: none of the frames {list(frames)}")
        gap = np.full((tiles[0].shape[0], 3, 3), 128, np.uint8)
        row = list(chain.from_iterable((tile, gap) for tile in tiles))[:-1]
        images.write_jpeg(self._folder / f"{name}.jpg", np.concatenate(row, axis=1), 84)

    def _write_picture(self, name: str, source: Path) -> None:
        image = images.read_rgba(source)
        scale = _PICTURE_SIDE / max(image.shape[:2])
        if scale < 1:
            size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
            colour = image.astype(np.float32)
            colour[..., :3] *= colour[..., 3:] / 255
            small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA)
            small[..., :3] *= 255 / np.maximum(small[..., 3:], 1)
            image = np.clip(np.rint(small), 0, 255).astype(np.uint8)
        images.write_png(self._folder / f"{name}.png", image)


def draw_masks(image: Array, masks: Array) -> Array:
    """Tint and outline masks on a frame.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
    masks : bool (k, H, W)
        One mask per object, of any size; object i gets colour i of `OBJECT_COLOURS`, which repeat.

    Returns
    -------
    uint8 (h, w, 3) RGB
        A new image.
    """
    drawn = image.copy()
    for number, mask in enumerate(masks):
        if not mask.any():
            continue
        colour = np.array(OBJECT_COLOURS[number % len(OBJECT_COLOURS)], np.float32)
        plane = mask.astype(np.uint8)
        if plane.shape != image.shape[:2]:
            cover = cv2.resize(plane * 255, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
            plane = (cover > 127).astype(np.uint8)
        inside = plane.astype(bool)
        drawn[inside] = np.rint(drawn[inside] * (1 - _TINT) + colour * _TINT).astype(np.uint8)
        outline = cv2.dilate(plane, np.ones((3, 3), np.uint8)).astype(bool) & ~inside
        drawn[outline] = colour.astype(np.uint8)
    return drawn


def _reduced(image: Array, side: int, by_height: bool = False) -> Array:
    """The image with its short side (or its height) at most `side`, sides even."""
    height, width = image.shape[:2]
    scale = min(1.0, side / (height if by_height else min(height, width)))
    size = (max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2))
    small: np.ndarray = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return small


def _is_empty(path: Path) -> bool:
    return not path.is_file() or path.stat().st_size == 0


def rate_value(fps: str) -> float:
    """Frames per second of a rate text as a float, for the page's script."""
    return float(Fraction(fps))

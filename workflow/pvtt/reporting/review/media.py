"""Files behind a question: videos, the masks' outlines, and photos. The page names them by kind, never by path."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pvtt.io import images
from pvtt.io import video as media
from pvtt.records.layout import Layout, PairFiles
from pvtt.records.media import CutOut
from pvtt.reporting.review.queue import Candidate, Question

_PHOTO_SIDE = 800  # px: long side of a photo on the page
_MOST_PHOTOS = 4  # photos of the product, the inserted one first


@dataclass(frozen=True)
class QuestionFiles:
    """Files of a question by the names that the page uses."""

    videos: dict[str, Path]
    masks: dict[str, Path] = field(default_factory=dict)
    photos: tuple[Path, ...] = ()


def files_of(question: Question, runs: dict[str, Path], photos: dict[str, list[Path]]) -> QuestionFiles:
    """Find the files of a question.

    Parameters
    ----------
    question
        A question of the queue.
    runs
        View of a result -> results folder: `result` alone, or `left` and `right`. The clip is the first one's.
    photos
        Product -> photos of the catalogue.
    """
    first = Layout(next(iter(runs.values())))
    clip = first.clip(question.clip_id)
    if question.pair is None:
        return QuestionFiles({"source": clip.video, "background": clip.background}, {"source": clip.masks})
    made = {view: _pair(Layout(results), question.pair) for view, results in runs.items()}
    videos = {"source": clip.video} | {view: pair.video for view, pair in made.items()}
    if "result" in runs and _is_there(clip.background):
        videos["background"] = clip.background
    masks = {"source": clip.masks} | {view: pair.mask for view, pair in made.items()}
    shown = photos_of(first, question.pair, photos.get(question.pair.target_id, []))
    return QuestionFiles(videos, {view: path for view, path in masks.items() if _is_there(path)}, shown)


def photos_of(files: Layout, pair: Candidate, photos: list[Path]) -> tuple[Path, ...]:
    """Photos of the pair's product, the inserted one first; an accepted cut-out where the photo is gone."""
    others = [index for index in range(1, len(photos) + 1) if index != pair.image_index]
    found = []
    for index in [pair.image_index, *others]:
        photo, cutout = photos[index - 1] if index <= len(photos) else None, files.cutout(pair.target_id, index)
        if photo is not None and photo.is_file():
            found.append(photo)
        elif (record := CutOut.read_if_there(cutout.record)) and record.status == "accepted":
            found.append(cutout.image)
    return tuple(found[:_MOST_PHOTOS])


@lru_cache(maxsize=64)
def photo_jpeg(path: Path, _written: int) -> bytes:
    """A photo on white as JPEG, its long side at most 800 px; `_written` is its time, so that a new one is read."""
    image = Image.fromarray(images.read_rgb(path))
    image.thumbnail((_PHOTO_SIDE, _PHOTO_SIDE))
    stream = BytesIO()
    image.save(stream, "JPEG", quality=90)
    return stream.getvalue()


@lru_cache(maxsize=16)
def outlines(path: Path, _written: int) -> list[list[list[int]]]:
    """Outlines of the masks of all objects together.

    Returns
    -------
    list
        Per frame the polygons, holes among them (fill by the even-odd rule); a polygon is [x0, y0, x1, y1, ...] in
        pixels.
    """
    frames = []
    masks = media.read_masks(path)
    for index in range(masks.shape[1]):
        mask = masks[:, index].any(0).astype(np.uint8)
        found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        frames.append([[int(value) for value in polygon.ravel()] for polygon in found])
    return frames


def _pair(files: Layout, pair: Candidate) -> PairFiles:
    return files.pair(pair.clip_id, pair.target_id, pair.image_index)


def _is_there(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0

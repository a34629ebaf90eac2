"""Reading a pair: first whether its files belong together, then the frames that the measures need.

Videos are decoded once, frame by frame; kept are a few whole frames for identity, and neighbouring frames at reduced
size for flow. Fidelity of the background is taken from every frame on the way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from pvtt.config.stages.scoring import ScoringSettings
from pvtt.io.video import rate_text, read_frames, read_masks, video_fps
from pvtt.metrics import PSNR_CAP_DB, psnr
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.stages.scoring.source_flow import first_frames, read_flow, reduced_size, spread
from pvtt.stages.scoring.temporal import Motion, Step, jitter

VERSION = "2"  # raise it when other frames are read, or the background is measured otherwise
_REFERENCE_SIDE = 480  # px: short side to which `grow_px` refers


class InvalidPairError(ValueError):
    """The files of a pair do not belong together; the message says which and how they differ."""


@dataclass
class PairFrames:
    """What is measured on.

    `source_masks`, `insert_masks`: bool (n, h, w), all objects together; `samples`: for identity, see
    `identity_measures`; `steps`: for flow; `source_boxes`: [x0, y0, x1, y1] or None per frame; `jitter`: see
    `temporal.jitter`; `background_psnr`: dB over all pixels outside both grown masks, None when they cover everything.
    """

    source_masks: np.ndarray
    insert_masks: np.ndarray
    samples: list[dict[str, np.ndarray]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    source_boxes: list[list[float] | None] = field(default_factory=list)
    background_psnr: float | None = None
    jitter: float | None = None


def load_pair(clip_dir: Path, pair_dir: Path, settings: ScoringSettings) -> PairFrames:
    """Read and check a pair; InvalidPairError or MediaError when it cannot be scored."""
    clip, made = ClipFiles(clip_dir), PairFiles(pair_dir)
    _check_rates(clip.video, clip.masks, made.video, made.mask)
    source_mask = np.logical_or.reduce(read_masks(clip.masks))
    insert_mask = np.logical_or.reduce(read_masks(made.mask))
    _check_masks(source_mask, insert_mask)
    pair = PairFrames(source_mask, insert_mask, jitter=jitter(source_mask, insert_mask))
    pair.source_boxes = [_box(mask) for mask in source_mask]
    n_frames = len(source_mask)
    wanted = spread(np.flatnonzero(insert_mask.any((1, 2))), settings.identity_frames)
    firsts = set(first_frames(n_frames, settings))
    motions = _motions(clip.flow, firsts)
    errors, previous = [], None
    shape = source_mask.shape[1:]
    size, grow = reduced_size(shape, settings), round(settings.grow_px * min(shape) / _REFERENCE_SIDE)
    for index, (source, result) in enumerate(_same_frames(clip, made, source_mask)):
        masks = source_mask[index], insert_mask[index]
        if index in wanted:
            sample = {"source": source, "result": result, "source_mask": masks[0], "insert_mask": masks[1]}
            pair.samples.append(sample)
        outside = cv2.dilate((masks[0] | masks[1]).astype(np.uint8), np.ones((2 * grow + 1,) * 2, np.uint8)) == 0
        if outside.any():
            errors.append((int(outside.sum()), _squared_error(psnr(source, result, outside))))
        if index in firsts or index - 1 in firsts:
            small = _reduced(source, result, masks, size)
            if index - 1 in firsts and previous is not None:
                pair.steps.append(_step(previous, small, motions.get(index - 1)))
            previous = small
        else:
            previous = None
    pair.background_psnr = _pooled_psnr(errors)
    return pair


def _check_rates(source: Path, *others: Path) -> None:
    for path in (source, *others):
        if not path.is_file() or path.stat().st_size == 0:
            raise InvalidPairError(f"{path.name}: missing or empty")
    source_rate = video_fps(source)
    for path in others:
        rate = video_fps(path)
        if rate != source_rate:
            raise InvalidPairError(
                f"{path.name} has {rate_text(rate)} frames per second, the source {rate_text(source_rate)}"
            )


def _check_masks(source_mask: np.ndarray, insert_mask: np.ndarray) -> None:
    if insert_mask.shape != source_mask.shape:
        raise InvalidPairError(f"insert_mask.mkv is {_shape(insert_mask)}, masks.mkv {_shape(source_mask)}")
    if not insert_mask.any():
        raise InvalidPairError("insert_mask.mkv: the inserted product is visible in no frame")


def _shape(masks: np.ndarray) -> str:
    return f"{masks.shape[0]} frames of {masks.shape[2]}x{masks.shape[1]}"


def _same_frames(clip: ClipFiles, made: PairFiles, masks: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Frames of source and result side by side, while source, result and masks agree in size and number."""
    videos, shown = (clip.video, made.video), clip.masks.name
    counts = {path.name: 0 for path in videos}
    for frames in zip_longest(*map(read_frames, videos)):
        for path, frame in zip(videos, frames, strict=True):
            if frame is not None:
                counts[path.name] += 1
                if frame.shape[:2] != masks.shape[1:]:
                    found = f"{frame.shape[1]}x{frame.shape[0]}"
                    raise InvalidPairError(f"{path.name} is {found}, {shown} {masks.shape[2]}x{masks.shape[1]}")
        if all(frame is not None for frame in frames) and counts[clip.video.name] <= len(masks):
            yield frames[0], frames[1]
    counts[shown] = len(masks)
    if len(set(counts.values())) != 1:
        raise InvalidPairError("numbers of frames differ: " + ", ".join(f"{name} {n}" for name, n in counts.items()))


def _reduced(
    source: np.ndarray, result: np.ndarray, masks: Sequence[np.ndarray], size: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    images = [cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in (source, result)]
    small = [cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST).astype(bool) for mask in masks]
    return (*images, *small)


def _motions(path: Path, firsts: set[int]) -> dict[int, Motion]:
    """Motion of the source per first frame, as `measure_flow` left it; without its file it is computed for the pair."""
    if not path.is_file():
        return {}
    motions = read_flow(path)
    if motions.keys() != firsts:
        raise InvalidPairError(f"{path.name} is of other frames than the clip's; make it again")
    return motions


def _step(first: tuple[np.ndarray, ...], second: tuple[np.ndarray, ...], motion: Motion | None) -> Step:
    return Step((first[0], second[0]), (first[1], second[1]), first[2], (first[3], second[3]), motion)


def _box(mask: np.ndarray) -> list[float] | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return [float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)]


def _squared_error(decibels: float) -> float:
    return 0.0 if decibels >= PSNR_CAP_DB else 255.0**2 / 10 ** (decibels / 10)


def _pooled_psnr(errors: list[tuple[int, float]]) -> float | None:
    if not errors:
        return None
    pixels, values = np.array(errors, float).T
    error = float((pixels * values).sum() / pixels.sum())
    return PSNR_CAP_DB if error <= 0 else min(PSNR_CAP_DB, 10 * float(np.log10(255.0**2 / error)))

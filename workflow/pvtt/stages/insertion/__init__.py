"""Insertion stage: a clip with another product in the place of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends import registry, subprocess_runner
from pvtt.backends.lifecycle import WorkError, load_model
from pvtt.config.stages.insertion import InsertionSettings
from pvtt.io import files
from pvtt.io.images import read_rgba
from pvtt.io.video import MediaError, read_masks, video_fps, write_masks, write_video
from pvtt.io.video_reader import VideoReader
from pvtt.models import devices
from pvtt.records import results
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.records.media import CutOut
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.insertion.base import Box, Insertion, InsertionError, Request
from pvtt.stages.insertion.clip_model import measure_model, read_model, write_model

__all__ = ["insert_product", "measure_clip"]

Array = np.ndarray


def insert_product(
    clip_dir: Path,
    cutouts: Sequence[Path],
    cutout_record: CutOut,
    out_dir: Path,
    pair: Mapping[str, Any],
    settings: Mapping[str, Any],
    device: str | None = None,
    prompt: str = "",
) -> None:
    """Write insert.mp4, insert_mask.mkv and then insert.json of one pair into `out_dir`.

    `clip_dir` holds video.mp4, background.mp4, region.mkv, masks.mkv and track.json. `cutouts` are RGBA PNGs: the one
    to insert, then others of the same product, empty files where a photo was rejected; `cutout_record` is the record
    of the first. `pair` has pair_id, clip_id, source_id, target_id, image_index and seed; `prompt` says what the
    product is. A pair that cannot be made gives empty media and `status: failed` with the reason.
    """
    clip, made, watch = ClipFiles(Path(clip_dir)), PairFiles(Path(out_dir)), Stopwatch()
    chosen = InsertionSettings.of(settings)
    backend = registry.backend_class("insertion", chosen.backend)(settings)
    track = results.Track.read(clip.track)
    keys = ("pair_id", "clip_id", "source_id", "target_id", "image_index", "seed")
    record: dict[str, Any] = {key: pair[key] for key in keys}
    record |= {"status": "done", "reason": "", "control": chosen.control, "measures": {}}
    record |= {"n_frames": track.n_frames, "fps": track.fps, "width": track.width, "height": track.height}
    reads_model = getattr(backend, "reads_clip_model", False) and clip.model.is_file()
    cutout, others = Path(cutouts[0]), [Path(path) for path in cutouts[1:] if Path(path).stat().st_size]
    try:
        _check_inputs(clip, cutout_record, track.n_frames, backend.limits.max_frames)
        with load_model(backend, device or devices.selected_device()) as ready:
            request = _request(clip, track, [cutout, *others], int(pair["seed"]), prompt)
            if reads_model:
                request = replace(request, clip_model=read_model(clip.model))
            insertion = ready.insert(request)
            _write_media(insertion, made, video_fps(clip.video))
        record |= {"boxes": _plain(insertion.boxes), "measures": insertion.measures}
    except (InsertionError, MediaError, WorkError) as error:
        files.write_empty(made.video)
        files.write_empty(made.mask)
        record |= {"status": "failed", "reason": str(error), "boxes": [None] * track.n_frames}
        record |= subprocess_runner.uncacheable(error)
    inputs = {path.name: path for path in _clip_inputs(clip)} | ({clip.model.name: clip.model} if reads_model else {})
    inputs |= {"cutout": cutout} | {f"other_cutout_{k}": path for k, path in enumerate(others, 1)}
    record["provenance"] = provenance(backend, settings, inputs, watch, record["seed"])
    results.Insertion.of(record).write(made.record)


def _clip_inputs(clip: ClipFiles) -> tuple[Path, ...]:
    """Files of a clip that every insertion reads."""
    return clip.video, clip.background, clip.region, clip.masks, clip.track


def _check_inputs(clip: ClipFiles, cutout: CutOut, n_frames: int, max_frames: int | None) -> None:
    if cutout.status != "accepted":
        raise InsertionError(f"the cut-out was rejected: {cutout.reason}")
    if clip.background.stat().st_size == 0:
        reason = results.Background.read(clip.background_record).reason
        raise InsertionError(f"the clip has no background: {reason}")
    if max_frames is not None and n_frames > max_frames:
        raise InsertionError(f"the clip has {n_frames} frames, more than the backend's limit of {max_frames}")


def measure_clip(clip_dir: Path, settings: Mapping[str, Any]) -> None:
    """Write clip_model.npz of the clip in `clip_dir`; empty when the clip cannot be measured.

    Reads the files of the clip that `insert_product` reads. `settings` are those named in `clip_model.SETTINGS`.
    """
    clip = ClipFiles(Path(clip_dir))
    track = results.Track.read(clip.track)
    try:
        if clip.background.stat().st_size == 0:
            raise InsertionError("the clip has no background")
        write_model(clip.model, measure_model(_request(clip, track), InsertionSettings.of(settings)))
    except (InsertionError, MediaError) as error:
        logging.getLogger(__name__).warning("%s: not measured: %s", clip.folder.name, error)
        files.write_empty(clip.model)


def _request(
    clip: ClipFiles, track: results.Track, cutouts: Sequence[Path] = (), seed: int = 0, prompt: str = ""
) -> Request:
    source, background = VideoReader(clip.video), VideoReader(clip.background)
    masks: Array = np.any(read_masks(clip.masks), axis=0)
    region = read_masks(clip.region)[0]
    n_frames = track.n_frames
    counts = {clip.video: source.n_frames, clip.background: background.n_frames}
    counts |= {clip.masks: len(masks), clip.region: len(region)}
    for path, found in counts.items():
        if found != n_frames:
            raise InsertionError(
                f"{path.name} has {found} frames but {clip.track.name} {n_frames}; make the clip again"
            )
    boxes = [_box(frame.box) if frame.visible else None for frame in track.frames]
    points = np.full((len(track.points), n_frames, 2), np.nan)
    for index, point in enumerate(track.points):
        for frame, place in enumerate(point.xy):
            if place is not None:
                points[index, frame] = place
    return Request(
        source=source,
        background=background,
        masks=masks,
        region=region,
        boxes=boxes,
        points=points,
        cutout=read_rgba(cutouts[0]) if cutouts else np.zeros((1, 1, 4), np.uint8),
        fps=float(video_fps(clip.video)),
        seed=seed,
        prompt=prompt,
        other_cutouts=tuple(read_rgba(path) for path in cutouts[1:]),
    )


def _box(sides: list[int] | None) -> Box | None:
    return None if sides is None else (float(sides[0]), float(sides[1]), float(sides[2]), float(sides[3]))


def _write_media(insertion: Insertion, made: PairFiles, rate: Fraction) -> None:
    seen: list[Array] = []

    def frames() -> Iterator[Array]:
        for frame, mask in insertion.frames:
            seen.append(mask)
            yield frame

    write_video(made.video, frames(), rate)
    write_masks(made.mask, np.stack(seen), rate)


def _plain(boxes: list[Box | None]) -> list[list[float] | None]:
    return [None if box is None else [round(float(side), 2) for side in box] for box in boxes]

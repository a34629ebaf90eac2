"""Shots stage: the transitions of a video, its shots as future clips, and the cutting of one clip.

A backend finds the transitions on frames without baked-in bars. The later steps (trimming, splitting, content
rectangle, size) are the same for all backends. Every shot is listed; unusable ones have a reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pvtt.backends.lifecycle import WorkError, load_model
from pvtt.config.stages.shots import ShotsSettings
from pvtt.imaging import letterbox
from pvtt.io import video as media
from pvtt.io.progress import progress
from pvtt.models import devices
from pvtt.records.ids import clip_id
from pvtt.records.layout import ClipFiles
from pvtt.records.media import Clip, ClipSource, Shot, Shots
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.records.tables import ClipRow, columns
from pvtt.stages.shots.base import ShotDetector, Transitions
from pvtt.stages.shots.second_opinion import disputed_cuts, used_backends, version, with_reviews
from pvtt.stages.shots.spans import Span, length_problem, shot_spans, split_span

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray

__all__ = ["CLIP_COLUMNS", "Cutter", "clips_table", "cut_clip", "detect_shots", "used_backends", "version"]
CLIP_COLUMNS = columns(ClipRow)
_SAMPLE_FRAMES = 9  # frames per video and per shot in which bars are looked for


def detect_shots(video: str | Path, product_id: str, settings: Mapping[str, Any], device: str | None = None) -> Shots:
    """Find the shots of a video.

    Frames are counted on the constant grid of `pvtt.io.video`. A video that cannot be read, or that has no usable shot,
    gives a record with status `rejected` and a reason. A second detector, if the settings choose one, decodes the
    video again.
    """
    video, watch, chosen = Path(video), Stopwatch(), ShotsSettings.of(settings)
    backend, *others = detectors = used_backends(settings)
    names = [detector.name for detector in detectors]
    try:
        info = media.probe(video)
        bars = _bars(video, info)
        found = [_transitions(video, info, bars, one, device or devices.selected_device()) for one in detectors]
        shots = _shot_records(video, product_id, info, _plan_spans(info, found[0], chosen), bars, chosen)
        disputed = disputed_cuts(names, found) if others else []
        fields: dict[str, Any] = {
            "fps": media.rate_text(info.fps),
            "n_frames": info.n_frames,
            "width": info.width,
            "height": info.height,
            "cuts": list(found[0].cuts),
            "gradual": [list(pair) for pair in found[0].gradual],
            "shots": with_reviews(shots, disputed),
        }
        fields |= {"disputed": disputed} if others else {}
        reason = _no_shot_reason(shots)
    except (media.MediaError, WorkError) as error:
        fields = {"fps": None, "n_frames": 0, "width": 0, "height": 0, "cuts": [], "gradual": [], "shots": []}
        reason = str(error)
    head = {"product_id": product_id, "status": "rejected" if reason else "accepted", "reason": reason}
    head["detector"] = backend.method
    further = [model for other in others for model in other.needs]
    measured_by = version(settings) if others else ""
    origin = provenance(backend, settings, {"video": video}, watch, further=further, measured_by=measured_by)
    return Shots.of(head | fields | {"provenance": origin})


def cut_clip(
    video: str | Path,
    shot: Shot,
    product_id: str,
    size: tuple[int, int],
    out_dir: str | Path,
    empty: bool = False,
) -> Clip:
    """Write one accepted shot as `out_dir`/video.mp4 (exact frames, cropped, scaled, near-lossless) and clip.json.

    Parameters
    ----------
    video : path
    shot : Shot
    product_id : str
    size : tuple of int
        Width and height of the video, px.
    out_dir : path
    empty : bool
        The clip has no product and is itself a background.

    Raises
    ------
    MediaError
        The video no longer has these frames.
    """
    video, files, watch = Path(video), ClipFiles(Path(out_dir)), Stopwatch()
    start, end = shot.start_frame, shot.end_frame
    scaled = _scaled_frames(video, (start, end), shot.content_rect, (shot.width, shot.height))
    frames = progress(scaled, f"cut {shot.clip_id}", end - start)
    written = media.write_video(files.video, frames, Fraction(shot.fps))
    if written != end - start:
        files.video.unlink()
        raise media.MediaError(
            f"{video.name}: {written} frames from {start}, not {end - start}; it changed since its shots were found: "
            "remove its shots record and run again"
        )
    clip = Clip(
        clip_id=shot.clip_id,
        product_id=product_id,
        source=ClipSource(video=video.name, start_frame=start, end_frame=end, width=size[0], height=size[1]),
        content_rect=shot.content_rect,
        width=shot.width,
        height=shot.height,
        fps=shot.fps,
        n_frames=written,
        empty=empty,
        provenance=provenance(Cutter, {}, {"video": video}, watch),
    )
    clip.write(files.record)
    return clip


def clips_table(records: Iterable[Shots], catalogue: pd.DataFrame) -> pd.DataFrame:
    """All shots of all videos with the columns of `clips.tsv`, in the order of the catalogue.

    Shots of a product that the catalogue rejected, or whose video is not a source (a duplicate), are rejected with the
    catalogue's reason.
    """
    import pandas as pd

    products = {row["product_id"]: (place, row) for place, row in enumerate(catalogue.to_dict("records"))}
    order = sorted(records, key=lambda record: products.get(record.product_id, (len(products), None))[0])
    rows = []
    for record in order:
        barred = _catalogue_problem(products.get(record.product_id, (0, None))[1])
        for shot in record.shots:
            row = {key: getattr(shot, key, None) for key in CLIP_COLUMNS} | {"product_id": record.product_id}
            if barred:
                row |= {"status": "rejected", "reason": barred}
            rows.append(row)
    return pd.DataFrame(rows, columns=list(CLIP_COLUMNS))


class Cutter:
    """Name and version of the cutting, for provenance. Raise the version when the output of `cut_clip` changes."""

    name = "cut_clip"
    version = "1"


def _bars(video: Path, info: media.VideoInfo) -> letterbox.Rect:
    """The rectangle inside the bars of the whole video."""
    samples = [frame for _, frame in media.read_some(video, _sample_indices(0, info.n_frames))]
    if not samples:
        raise media.MediaError(f"{video.name}: no frame can be decoded")
    return letterbox.detect_letterbox(samples)


def _transitions(
    video: Path, info: media.VideoInfo, bars: letterbox.Rect, backend: ShotDetector, device: str
) -> Transitions:
    x, y, w, h = bars
    frames = (frame[y : y + h, x : x + w] for frame in media.read_frames(video))
    with load_model(backend, device) as ready:
        found: Transitions = ready.detect(progress(frames, f"shots {video.stem}", info.n_frames), info.fps)
    return found


def _plan_spans(info: media.VideoInfo, transitions: Transitions, settings: ShotsSettings) -> list[tuple[Span, str]]:
    """Spans of the clips to be, long shots split, each with the reason that its length rejects it, or none."""
    planned = []
    for span in shot_spans(info.n_frames, transitions):
        problem = length_problem(span, info.fps, settings)
        pieces = [span] if problem else split_span(span, info.fps, settings)
        planned += [(piece, problem) for piece in pieces]
    return planned


def _shot_records(
    video: Path,
    product_id: str,
    info: media.VideoInfo,
    plan: list[tuple[Span, str]],
    bars: letterbox.Rect,
    settings: ShotsSettings,
) -> list[Shot]:
    """The shots of the record, numbered in order, with content rectangle and size."""
    shots = []
    for number, ((span, problem), frames) in enumerate(zip(plan, _sample_frames(video, plan), strict=True), start=1):
        rect = letterbox.detect_letterbox(frames)
        if letterbox.has_bars(frames, bars):
            rect = letterbox.intersect(rect, bars)
        cut, width, height, small = _target_size(rect, settings)
        blank = "nothing in it: every frame is one colour" if letterbox.is_blank(frames, rect) else ""
        reason = blank or problem or small
        shots.append(
            Shot(
                clip_id=clip_id(product_id, number),
                start_frame=span.start,
                end_frame=span.end,
                fps=media.rate_text(info.fps),
                n_frames=span.n_frames,
                width=width,
                height=height,
                content_rect=[int(value) for value in cut],
                status="rejected" if reason else "accepted",
                reason=reason,
                split="part" if span.part else "",
            )
        )
    return shots


def _target_size(rect: letterbox.Rect, settings: ShotsSettings) -> tuple[letterbox.Rect, int, int, str]:
    """Rectangle to cut, width, height and the reason that the picture is too small, or none."""
    least = settings.min_side_px
    if min(rect[2:]) < max(least, settings.multiple_of):
        return rect, rect[2], rect[3], f"too small: {rect[2]}x{rect[3]} pixels inside the bars, under {least} pixels"
    return *letterbox.working_size(rect, settings.short_side_px, settings.multiple_of), ""


def _sample_frames(video: Path, plan: list[tuple[Span, str]]) -> Iterator[list[Array]]:
    """Some frames of each span, span by span, in one pass over the video."""
    wanted = [_sample_indices(span.start, span.end) for span, _ in plan]
    frames = media.read_some(video, (index for indices in wanted for index in indices))
    for indices in wanted:
        yield [next(frames)[1] for _ in indices]


def _sample_indices(start: int, end: int) -> list[int]:
    """Up to `_SAMPLE_FRAMES` different frames, evenly spread and away from the ends."""
    count = min(_SAMPLE_FRAMES, end - start)
    return [start + (2 * k + 1) * (end - start) // (2 * count) for k in range(count)]


def _scaled_frames(video: Path, span: tuple[int, int], rect: list[int], size: tuple[int, int]) -> Iterator[Array]:
    x, y, w, h = rect
    for frame in media.read_frames(video, *span):
        part = frame[y : y + h, x : x + w]
        yield part if (w, h) == size else cv2.resize(part, size, interpolation=cv2.INTER_AREA)


def _no_shot_reason(shots: list[Shot]) -> str:
    """Why a video gives no clip; empty if it gives one."""
    if any(shot.status == "accepted" for shot in shots):
        return ""
    reasons = list(dict.fromkeys(shot.reason for shot in shots))
    return f"no usable shot of {len(shots)}: {'; '.join(reasons[:3])}"


def _catalogue_problem(product: Mapping[str, Any] | None) -> str:
    """Why a product's video is not a source; empty if it is one."""
    if product is None:
        return "its product is not in the catalogue"
    if product["status"] == "accepted" and "source" in str(product["roles"]).split(";"):
        return ""
    return str(product["reason"]) or "its product is not a source"

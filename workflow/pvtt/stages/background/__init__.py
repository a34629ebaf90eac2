"""Background stage: the clip without its product."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends import registry, subprocess_runner
from pvtt.backends.lifecycle import WorkError, load_model
from pvtt.config.stages.background import BackgroundSettings
from pvtt.io import files
from pvtt.io.video import MediaError, read_masks, video_fps, write_masks, write_video
from pvtt.io.video_reader import VideoReader
from pvtt.models import devices
from pvtt.records import results
from pvtt.records.layout import ClipFiles
from pvtt.records.media import Clip
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.background.base import RemovalError

__all__ = ["remove_product"]


def remove_product(clip_dir: Path, settings: Mapping[str, Any], device: str | None = None) -> None:
    """Write background.mp4, region.mkv and then background.json of the clip in `clip_dir`.

    Reads video.mp4, masks.mkv and clip.json. region.mkv is lossless; it covers every pixel that the removal changed,
    before encoding. A clip marked `empty` is its own background. A product that cannot be removed gives empty media
    files and `status: failed` with the reason.
    """
    clip_dir, watch = Path(clip_dir), Stopwatch()
    clip_files = ClipFiles(clip_dir)
    clip = Clip.read(clip_files.record)
    video, masks_path = clip_files.video, clip_files.masks
    output, region = clip_files.background, clip_files.region
    backend = registry.backend_class("background", BackgroundSettings.of(settings).backend)(settings)
    record: dict[str, Any] = {"clip_id": clip.clip_id, "status": "done", "reason": "", "measures": {}}
    if clip.empty:
        # A copy, not a link: a link would keep the video's time and look older than what it was made from.
        with files.atomic_path(output) as aside:
            shutil.copyfile(video, aside)
        write_masks(region, np.zeros_like(read_masks(masks_path)[0]), video_fps(video))
    else:
        try:
            masks = read_masks(masks_path).any(0)
            frames = VideoReader(video)
            _check_lengths(frames.n_frames, masks.shape[0], backend.limits.max_frames)
            with load_model(backend, device or devices.selected_device()) as ready:
                removal = ready.remove(frames, masks)
                write_video(output, removal.frames, video_fps(video))
            write_masks(region, removal.region, video_fps(video))
            record["measures"] = removal.measures
        except (RemovalError, MediaError, WorkError) as error:
            files.write_empty(output)
            files.write_empty(region)
            record |= {"status": "failed", "reason": str(error)} | subprocess_runner.uncacheable(error)
    inputs = {"video": video, "masks": masks_path}
    record["provenance"] = provenance(backend, settings, inputs, watch)
    results.Background.of(record).write(clip_files.background_record)


def _check_lengths(n_frames: int, n_masks: int, max_frames: int | None) -> None:
    if n_frames != n_masks:
        raise RemovalError(f"the clip has {n_frames} frames but {n_masks} masks; make its masks again")
    if max_frames is not None and n_frames > max_frames:
        raise RemovalError(f"the clip has {n_frames} frames, more than the backend's limit of {max_frames}")

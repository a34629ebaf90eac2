"""What the stages' measurements share: options, the result of one measurement, and the folders of a clip."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.backends.registry import backend_class
from pvtt.config.settings import stage_defaults
from pvtt.imaging.geometry import dilated
from pvtt.io import video as media
from pvtt.io.files import link_or_copy
from pvtt.records.base import Provenance
from pvtt.records.layout import ClipFiles
from pvtt.records.media import Clip as ClipRecord
from pvtt.records.media import Shot
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.records.results import MaskVerdict, MeasuredMasks, Track
from pvtt.stages.segmentation.track import build_track
from pvtt.stages.shots import cut_clip
from pvtt.stages.verdicts import chosen_calibration, judge_mask, read_calibration
from truth import Clip, World

Array = np.ndarray

SHADOW = 0.05  # share of the light, from which a pixel counts as shadow
FAINT_SHADOW = 0.01  # below it a pixel is outside every shadow
MARGIN_PX = 8  # around what may change
_EDGE_PX = 2  # px: the soft edge of a true mask
LEAST_PIXELS = 64  # of a region in a frame, for a picture measure to say something


@dataclass(frozen=True)
class Options:
    """What is run.

    `backends` holds the names per stage (the first serves the chain), `swaps` the pairs per clip, `config` a run's
    configuration.
    """

    world: World
    out: Path
    stages: frozenset[str]
    backends: Mapping[str, list[str]] = field(default_factory=dict)
    swaps: int = 2
    config: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, stage: str) -> list[dict[str, Any]]:
        """Settings of a stage, one set per backend."""
        defaults = stage_defaults(stage, self.config)
        return [defaults | {"backend": name} for name in self.backends.get(stage) or [defaults["backend"]]]


@dataclass(frozen=True)
class Outcome:
    """One measurement: `figures` are averaged over items, `facts` are kept beside them."""

    stage: str
    backend: str
    mode: str
    item: str
    figures: dict[str, float | None]
    facts: dict[str, Any] = field(default_factory=dict)


def backend_name(stage: str, settings: Mapping[str, Any]) -> str:
    """The name of the backend that the settings choose."""
    return str(backend_class(stage, settings["backend"]).name)


def guarded(stage: str, item: str, measure: Callable[[], Iterable[Outcome]]) -> list[Outcome]:
    """Run a measurement and add an outcome of the mode `timing` with its processor time.

    What goes wrong becomes an outcome of the mode `error`, with the trace; what was measured before is kept.
    """
    started, outcomes = time.process_time(), []
    try:
        for outcome in measure():
            outcomes.append(outcome)
    except Exception as error:  # one broken item must not cost the others' hours
        facts = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc(limit=-6)}
        outcomes.append(Outcome(stage, "", "error", item, {}, facts))
    seconds = round(time.process_time() - started, 3)
    return [*outcomes, Outcome(stage, "", "timing", item, {}, {"cpu_s": seconds})]


def clip_folder(options: Options, clip: Clip, name: str) -> Path:
    """Folder `name` of a clip's working files."""
    return options.out / "work" / "clips" / clip.clip_id / name


def mask_verdict(options: Options, folder: Path) -> MaskVerdict:
    """The verdict on the masks in a clip's folder, by the calibration of their backend or the limits."""
    measured = MeasuredMasks.read(ClipFiles(folder).mask_measures)
    settings = stage_defaults("verdicts", options.config)["masks"]
    backend = measured.provenance.backend
    return judge_mask(
        measured, settings, read_calibration(chosen_calibration(settings["calibration"], f"masks-{backend}"))
    )


def verdict_facts(options: Options, folder: Path) -> dict[str, Any]:
    """Status, reason and score of the masks in a clip's folder."""
    return mask_verdict(options, folder).model_dump(include={"status", "reason", "score"})


class Truth:
    """Name and version of what was laid out from the truth instead of being made by a stage, for provenance."""

    name = "truth"
    version = "1"


def truth_provenance() -> Provenance:
    """Provenance of a record that a benchmark writes itself."""
    return provenance(Truth, {}, {}, Stopwatch())


def pair_folder(options: Options, clip: Clip, target: str, name: str) -> Path:
    """Folder of a pair's result."""
    return options.out / "work" / "pairs" / clip.clip_id / target / name


def cutout_paths(options: Options, product: str) -> list[Path]:
    """Cut-outs of a product as the products stage made them, in the order of the photos; some may be empty."""
    name = backend_name("products", options.settings("products")[0])
    folder = options.out / "work" / "products" / name / product
    return [path for index, _ in options.world.photos(product) if (path := folder / f"{index}.png").is_file()]


def make_true_clip(options: Options, clip: Clip) -> Path:
    """Cut the clip at its true frames and lay its true masks, track and background beside it; return the folder."""
    folder, record = clip_folder(options, clip, "true"), clip.record
    start, end = record["start_frame"], record["end_frame"]
    video = options.world.root / record["video"]
    height, width = next(media.read_frames(video)).shape[:2]
    known = {key: record[key] for key in ("clip_id", "start_frame", "end_frame", "fps", "width", "height")}
    known |= {"n_frames": end - start, "content_rect": record["content_rect"]}
    shot = Shot.model_validate(known | {"status": "accepted", "reason": "", "split": ""})
    cut_clip(video, shot, clip.product_id, (width, height), folder)
    files = ClipFiles(folder)
    masks, frames = clip.masks(), media.read_video(files.video)
    if not len(masks) == len(frames) == end - start:
        raise ValueError(f"{clip.clip_id}: {len(frames)} frames, {len(masks)} true masks, {end - start} listed")
    link_or_copy(clip.folder / "masks.mkv", files.masks)
    link_or_copy(clip.folder / "background.mp4", files.background)
    changed = np.stack([dilated(mask, _EDGE_PX) for mask in masks]) | (clip.grey("shadow") > 0)
    media.write_masks(files.region, changed, media.video_fps(files.video))
    write_track(folder, frames, masks)
    return folder


def write_track(folder: Path, frames: Array, masks: Array) -> None:
    """Write track.json of the clip in `folder`, from frames uint8 (n, h, w, 3) RGB and masks bool (n, h, w)."""
    files = ClipFiles(folder)
    clip = ClipRecord.read(files.record)
    common = {key: getattr(clip, key) for key in ("clip_id", "fps", "n_frames", "width", "height")}
    Track.of(common | build_track(frames, masks[None])).write(files.track)


def take(source: Path, target: Path, *names: str) -> Path:
    """Lay files of one folder into another; return that one."""
    for name in names:
        link_or_copy(source / name, target / name)
    return target


def frame_mean(measure: Callable[[Array, Array, Array], float], a: Array, b: Array, region: Array) -> float | None:
    """Mean over the frames of a picture measure inside a region, bool (n, h, w); None where no frame has enough."""
    chosen = [index for index in range(len(a)) if np.count_nonzero(region[index]) >= LEAST_PIXELS]
    return float(np.mean([measure(a[i], b[i], region[i]) for i in chosen])) if chosen else None

"""A rendered feed with its truth: products.csv, videos, photos, and under truth/ everything that is known of them.

truth/cuts.json            per video: frames, hard cuts (first frame of each new shot), gradual transitions
truth/world.json           seed, size, products, and per clip what it shows and where its pure frames are
truth/photos/<ID>/<k>.png  alpha of each photo
truth/clips/<clip_id>/     masks.mkv, occluder.mkv, shadow.mkv (255 x share of light taken), background.mp4, depth.mkv,
                           track.json, swaps/<ID>.mp4 with .mkv and _shadow.mkv: the same clip with product ID in it
"""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.io import images
from pvtt.io import video as media
from pvtt.io.files import write_json
from pvtt.io.progress import progress
from pvtt.records.ids import clip_id
from world.editing import Video, assemble
from world.photos import draw_photo
from world.plans import SIZES, Size, montage, product_videos, scenery
from world.products import PRODUCTS, product
from world.render import Renderer
from world.scene import Frame, Stage

Array = np.ndarray
VERSION = "1"
COLUMNS = ("id", "category", "subcategory", "title", "platform", "video", "images", "empty")
_SHORTEST = 50
_VIDEO_CRF = 20
_LOST = "videos/LOST001.mp4"


def make_world(out_dir: str | Path, seed: int = 0, size: str = "demo", jobs: int = 2, depth: bool = True) -> Path:
    """Render a world into `out_dir` and return the path of its products.csv; the same seed gives the same files.

    ValueError for an unknown size. `depth` leaves depth.mkv out when False (it is most of the bytes).
    """
    if size not in SIZES:
        raise ValueError(f"size {size!r}: there are {', '.join(SIZES)}")
    out_dir, plan = Path(out_dir), SIZES[size]
    filmed, known = plan.choose(list(PRODUCTS), seed)
    videos = product_videos(plan, filmed, seed)
    videos += [montage(plan, known[(5 * n + 2) % len(known)], n, seed) for n in range(plan.montages)]
    videos += scenery(plan, seed) if size != "tiny" else ()
    # The longest first, so that the last ones are short.
    order = sorted(videos, key=lambda video: -sum(shot.n_frames for shot in video.shots))
    clips: dict[str, Any] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        photos = [pool.submit(_photos, out_dir, name, plan.photos, plan.photo_px, seed) for name in known]
        waiting = [pool.submit(_video, out_dir, video, known, plan, seed, depth) for video in order]
        for done in progress(iter([*photos, *waiting]), "world", len(photos) + len(waiting)):
            clips |= done.result()
    write_json(out_dir / "truth/cuts.json", {video.product_id: video.truth() for video in videos})
    about = {name: _about(name) for name in known}
    record = {"seed": seed, "size": size, "version": VERSION, "products": about, "clips": dict(sorted(clips.items()))}
    write_json(out_dir / "truth/world.json", record)
    _write_catalogue(out_dir, videos, known, plan.photos)
    return out_dir / "products.csv"


def _about(name: str) -> dict[str, Any]:
    shown = product(name)
    return {"category": shown.category, "subcategory": shown.subcategory, "tags": list(shown.tags)}


def _write_catalogue(out_dir: Path, videos: Sequence[Video], products: Sequence[str], photos: int) -> None:
    filmed = {video.product_id for video in videos}
    rows = []
    for name in products:
        shown = product(name)
        images = ";".join(f"images/{name}/{k}.jpg" for k in range(1, photos + 1))
        video = f"videos/{name}.mp4" if name in filmed else ""
        rows.append((name, shown.category, shown.subcategory, shown.title, "rendered", video, images, ""))
    others = {"EDIT": ("home", "vase", "Fast edit"), "VIEW": ("bags", "backpack", "Advertisement without a product")}
    others |= {"DESK": ("home", "background", "Empty table")}
    for video in videos:
        if video.product_id not in products:
            row = others[video.product_id[:4]]
            empty = "true" if video.product_id.startswith("DESK") else ""
            rows.append((video.product_id, *row, "rendered", f"videos/{video.product_id}.mp4", "", empty))
    rows.append(("LOST001", "home", "teapot", "The video did not survive the export", "rendered", _LOST, "", ""))
    (out_dir / _LOST).write_text("This is a text file: a row that must be rejected with a reason.\n", encoding="utf-8")
    with open(out_dir / "products.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])


def _photos(out_dir: Path, name: str, count: int, side: int, seed: int) -> dict[str, Any]:
    for index in range(1, count + 1):
        image, alpha = draw_photo(product(name), index, side, seed)
        images.write_jpeg(out_dir / f"images/{name}/{index}.jpg", image, 90)
        images.write_png(out_dir / f"truth/photos/{name}/{index}.png", alpha)
    return {}


def _video(out_dir: Path, video: Video, known: Sequence[str], plan: Size, seed: int, depth: bool) -> dict[str, Any]:
    """Render a video and its truth; the records of its clips by id."""
    renderer = Renderer(video.width, video.height)
    parts = {name: list(product(name).parts) for name in known}
    takes, records = [], {}
    for number, (shot, span) in enumerate(zip(video.shots, video.spans(), strict=True), 1):
        stage = Stage(shot, renderer, parts)
        clip = clip_id(video.product_id, number)
        begin, start, end = span
        others = _others(shot.product, known, plan.swaps, clip) if end - start >= _SHORTEST else []
        take, truth = [], _Truth(out_dir / "truth/clips" / clip, video, others, plan.crf, depth)
        for index in range(shot.n_frames):
            base = stage.base(index)
            drawn = stage.frame(index, base, shot.product)
            take.append(drawn.image)
            if end - start >= _SHORTEST and start <= begin + index < end:
                bare = stage.frame(index, base, None)
                swapped = {other: stage.frame(index, base, other) for other in others}
                truth.add(begin + index, drawn, bare, stage.hand_mask(base), swapped)
        takes.append(np.stack(take))
        if end - start >= _SHORTEST:
            records[clip] = _record(video, number, (start, end), others) | truth.write()
    media.write_video(out_dir / f"videos/{video.product_id}.mp4", assemble(video, takes, seed), video.fps, _VIDEO_CRF)
    return records


def _others(own: str | None, known: Sequence[str], swaps: int, clip: str) -> list[str]:
    """Products that take the place of `own`: all, or `swaps` of them by the clip's name."""
    rest = [name for name in known if name != own]
    if own is None or swaps == 0:
        return rest if own else []
    rng = np.random.default_rng(list(clip.encode()))
    return sorted(rest[k] for k in rng.choice(len(rest), min(swaps, len(rest)), replace=False))


def _record(video: Video, number: int, span: tuple[int, int], others: list[str]) -> dict[str, Any]:
    shot = video.shots[number - 1]
    moving = [kind for kind in (shot.path.kind, shot.light.kind) if kind not in ("still", "steady")]
    return {
        "clip_id": clip_id(video.product_id, number),
        "product_id": video.product_id,
        "video": f"videos/{video.product_id}.mp4",
        "start_frame": span[0],
        "end_frame": span[1],
        "fps": media.rate_text(video.fps),
        "width": video.width,
        "height": video.height,
        "content_rect": [*video.bars, video.width, video.height],
        "ground": shot.ground,
        "camera": shot.camera.kind,
        "motion": shot.path.kind,
        "tags": moving + (["clutter"] if shot.clutter else []),
        "hand": shot.hand.kind != "none",
        "empty": video.product_id.startswith("DESK"),
        "swaps": others,
    }


class _Truth:
    """Collects the truth of one clip and writes its files."""

    def __init__(self, folder: Path, video: Video, others: Sequence[str], crf: int, depth: bool) -> None:
        self._folder, self._video, self._crf, self._depth = folder, video, crf, depth
        self._own: list[Frame] = []
        self._bare: list[Array] = []
        self._hands: list[Array] = []
        self._swaps: dict[str, list[Frame]] = {other: [] for other in others}

    def add(self, index: int, own: Frame, bare: Frame, hand: Array, swapped: dict[str, Frame]) -> None:
        """Take frame `index` of the video, in order."""
        self._own.append(self._titled(own, index))
        self._bare.append(self._titled(bare, index).image)
        self._hands.append(hand)
        for other, frame in swapped.items():
            self._swaps[other].append(self._titled(frame, index))

    def _titled(self, frame: Frame, index: int) -> Frame:
        image, mask, shadow, visible = frame.image, frame.mask, frame.shadow, frame.visible
        for title in self._video.titles:
            covered = title.covers(image.shape, index)
            image, mask, shadow = title.draw(image, index), mask & ~covered, np.where(covered, 0, shadow)
            at = np.clip(frame.points, 0, np.array(image.shape[1::-1]) - 1).astype(int)
            visible = visible & ~covered[at[:, 1], at[:, 0]] if len(at) else visible
        return Frame(image, mask, shadow, frame.depth, frame.points, visible)

    def write(self) -> dict[str, Any]:
        """Write all files; the fields of the clip's record that follow from them."""
        folder, fps = self._folder, self._video.fps
        masks = np.stack([frame.mask for frame in self._own])
        media.write_masks(folder / "masks.mkv", masks, fps)
        media.write_masks(folder / "occluder.mkv", np.stack(self._hands), fps)
        media.write_grey(folder / "shadow.mkv", _graded(self._own), fps)
        media.write_video(folder / "background.mp4", self._bare, fps, self._crf)
        if self._depth:
            depth = np.stack([np.clip(np.nan_to_num(f.depth, posinf=0) * 1000, 0, 65535) for f in self._own])
            media.write_grey(folder / "depth.mkv", depth.astype(np.uint16), fps)
        for other, frames in self._swaps.items():
            media.write_video(folder / f"swaps/{other}.mp4", [frame.image for frame in frames], fps, self._crf)
            media.write_masks(folder / f"swaps/{other}.mkv", np.stack([frame.mask for frame in frames]), fps)
            media.write_grey(folder / f"swaps/{other}_shadow.mkv", _graded(frames), fps)
        write_json(folder / "track.json", _track(self._own, masks))
        seen = masks.any((1, 2))
        return {"mean_area": round(float(masks[seen].mean()), 5) if seen.any() else 0.0}


def _graded(frames: Sequence[Frame]) -> Array:
    return np.stack([_coarse(frame.shadow) for frame in frames])


def _coarse(share: Array) -> Array:
    """Share 0-1 as uint8 in 32 steps: a soft shadow in 256 steps takes ten times the bytes."""
    return np.clip(np.rint(share * 31.875) * 8, 0, 255).astype(np.uint8)


def _track(frames: Sequence[Frame], masks: Array) -> dict[str, Any]:
    boxes = []
    for mask in masks:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1] if len(rows) else None
        boxes.append(None if box is None else [int(side) for side in box])
    points = np.stack([frame.points for frame in frames], axis=1)
    visible = np.stack([frame.visible for frame in frames], axis=1)
    return {"boxes": boxes, "points": points.round(1).tolist(), "visible": visible.tolist()}


def default_jobs() -> int:
    """Processes to render with: the cores there are."""
    return max(1, len(os.sched_getaffinity(0)))

"""The real feed: shots, masks against trusted still masks, and the background of semi-synthetic clips.

FEED holds products.csv, truth/cuts.json, truth/masks.json with truth/masks/, and pairs_semisynthetic/. A mask whose
`trust` says that it covers a part only is left out. The stages are run here, or read from a finished run.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pvtt.io import images
from pvtt.io import video as media
from pvtt.io.files import read_json
from pvtt.metrics import mask_iou, psnr
from pvtt.records import ids
from pvtt.records.layout import ClipFiles, Layout
from pvtt.records.media import Clip, ClipSource, Shot, Shots
from pvtt.records.results import Background, MeasuredMasks
from pvtt.stages.background import remove_product
from pvtt.stages.cutouts import cut_out_product
from pvtt.stages.segmentation import segment_clip
from pvtt.stages.shots import cut_clip
from stages import shots
from stages.common import Options, Outcome, backend_name, guarded, truth_provenance, verdict_facts, write_track

Array = np.ndarray
Still = tuple[int, Array]
Job = tuple[Callable[..., list[Outcome]], tuple[Any, ...]]

UNTRUSTED = ("PARTIAL", "ONE of two")
_FAR_PX = 32  # from the mask, where the source must not have changed


def jobs(options: Options, feed: Path, results: Path | None, only: Sequence[str] = ()) -> list[Job]:
    """Jobs of the whole feed, or of some products: one per product, and one per semi-synthetic clip."""
    with open(feed / "products.csv", encoding="utf-8") as stream:
        rows = {row["id"]: row for row in csv.DictReader(stream)}
    cuts, stills = read_json(feed / "truth/cuts.json"), trusted_stills(feed)
    chosen = [row for name, row in rows.items() if row.get("video") and (name in cuts or name in stills)]
    folders = sorted(feed.glob("pairs_semisynthetic/*"))
    if only:
        chosen = [row for row in chosen if row["id"] in only]
        folders = [folder for folder in folders if folder.name in only]
    # The longest videos first, so that none is left for the end.
    chosen.sort(key=lambda row: -cuts.get(row["id"], {}).get("n_frames", 0))
    found: list[Job] = []
    if options.stages & {"shots", "segmentation"}:
        found += [(measure_product, (options, feed, row, cuts.get(row["id"]), results)) for row in chosen]
    if "background" in options.stages:
        found += [(measure_semisynthetic, (options, folder)) for folder in folders]
    return found


def trusted_stills(feed: Path) -> dict[str, list[tuple[int, str]]]:
    """Product -> (frame, file name) of the masks that can be trusted."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name, about in read_json(feed / "truth/masks.json").items():
        if not any(word in about["trust"] for word in UNTRUSTED):
            found.setdefault(Path(about["video"]).stem, []).append((int(about["frame"]), name))
    return found


def measure_product(
    options: Options, feed: Path, row: Mapping[str, str], cuts: Mapping[str, Any] | None, results: Path | None
) -> list[Outcome]:
    """Shots of one video, and the masks of its clips that have trusted stills."""
    product = row["id"]
    outcomes = []
    if "shots" in options.stages and cuts and cuts["hard"] is not None:
        outcomes += guarded("shots", product, lambda: _shots(options, feed, row, cuts, results))
    stills = [(n, _still(feed / "truth/masks" / name)) for n, name in trusted_stills(feed).get(product, [])]
    if "segmentation" in options.stages and stills:
        outcomes += guarded("segmentation", product, lambda: _masks(options, feed, row, stills, results))
    return outcomes


def _shots(
    options: Options, feed: Path, row: Mapping[str, str], cuts: Mapping[str, Any], results: Path | None
) -> Iterator[Outcome]:
    product = row["id"]
    if results is None:
        folder = options.out / "work" / "feed" / "shots"
        for settings in options.settings("shots"):
            yield shots.measure_file(feed / row["video"], product, cuts, settings, "feed", folder)
        return
    counts = shots.compare(Shots.read(Layout(results).shots(product)), cuts)
    facts = {kind: [c.hits, c.false, c.missed] for kind, c in counts.items()}
    figures = {f"{kind}_video_f1": c.f1 for kind, c in counts.items()}
    backend = backend_name("shots", options.settings("shots")[0])
    yield Outcome("shots", backend, "feed", product, figures, facts)


def _masks(
    options: Options, feed: Path, row: Mapping[str, str], stills: list[Still], results: Path | None
) -> Iterator[Outcome]:
    for folder in _clips(options, feed, row, stills, results):
        files = ClipFiles(folder)
        clip, record = Clip.read(files.record), MeasuredMasks.read(files.mask_measures)
        inside = _inside(clip.source, stills)
        if not inside:
            continue
        masks = media.read_masks(files.masks).any(0)
        start = clip.source.start_frame
        ious = [mask_iou(masks[frame - start], _in_clip(still, clip)) for frame, still in inside]
        facts = verdict_facts(options, folder) | {"empty": False, "folder": str(folder)}
        facts |= {"mean_area": float(np.mean([still.mean() for _, still in inside])), "frames": len(inside)}
        figures = {"j": float(np.mean(ious)), "s_per_frame": record.provenance.seconds / len(masks)}
        yield Outcome("segmentation", record.provenance.backend, "feed", clip.clip_id, figures, facts)


def _clips(
    options: Options, feed: Path, row: Mapping[str, str], stills: list[Still], results: Path | None
) -> Iterator[Path]:
    """Folders of the product's clips with masks: of a finished run, or made here where a still lies in them."""
    product, settings = row["id"], options.settings("segmentation")[0]
    if results is not None:
        listed = sorted(Layout(results).clip_folders.glob(f"{product}_s*"))
        yield from (folder for folder in listed if ClipFiles(folder).mask_measures.is_file())
        return
    work = options.out / "work" / "feed"
    path = work / "shots" / backend_name("shots", options.settings("shots")[0]) / f"{product}.json"
    if not path.is_file():
        shots.detect_shots(feed / row["video"], product, options.settings("shots")[0]).write(path)
    record = Shots.read(path)
    references = _cutouts(options, feed, row, settings["references"])
    for shot in record.shots:
        if shot.status == "accepted" and _inside(shot, stills):
            folder = work / "clips" / shot.clip_id
            cut_clip(feed / row["video"], shot, product, (record.width, record.height), folder)
            segment_clip(folder, references, row["title"], settings)
            yield folder


def _cutouts(options: Options, feed: Path, row: Mapping[str, str], count: int) -> list[Path]:
    settings, folder = options.settings("products")[0], options.out / "work" / "feed" / "products" / row["id"]
    names = [name for name in (row["images"] or "").split(";") if name][:count]
    for index, name in enumerate(names, 1):
        path = folder / f"{index}.png"
        cut_out_product(feed / name, row["id"], index, path, path.with_suffix(".json"), settings)
    return [folder / f"{index}.png" for index in range(1, len(names) + 1)]


def _inside(span: Shot | ClipSource, stills: list[Still]) -> list[Still]:
    return [(frame, still) for frame, still in stills if span.start_frame <= frame < span.end_frame]


def _still(path: Path) -> Array:
    return images.read_rgb(path)[..., 0] > 127


def _in_clip(mask: Array, clip: Clip) -> Array:
    """A mask of the source video, bool (h, w), as it appears in a clip."""
    x, y, w, h = clip.content_rect
    size = (clip.width, clip.height)
    return cv2.resize(mask[y : y + h, x : x + w].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def measure_semisynthetic(options: Options, folder: Path) -> list[Outcome]:
    """Background of a clip into which a product was put, so that the scene without it is known."""
    return guarded("background", folder.name, lambda: _semisynthetic(options, folder))


def _semisynthetic(options: Options, folder: Path) -> Iterator[Outcome]:
    settings = options.settings("background")[0]
    work = options.out / "work" / "feed" / "clips" / folder.name
    absent, masks = _lay_out(folder, work)
    remove_product(work, settings)
    files = ClipFiles(work)
    record = Background.read(files.background_record)
    figures: dict[str, float | None] = {"failed": float(record.status == "failed")}
    if record.status == "done":
        result, source = media.read_video(files.background), media.read_video(files.video)
        kernel = np.ones((2 * _FAR_PX + 1,) * 2, np.uint8)
        outside = ~np.stack([cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in masks])
        figures |= {"psnr_inside": psnr(result, absent, masks), "psnr_outside": psnr(result, source, outside)}
    figures["s_per_frame"] = record.provenance.seconds / len(masks)
    facts = {"reason": record.reason}
    yield Outcome("background", backend_name("background", settings), "feed", folder.name, figures, facts)


def _lay_out(folder: Path, work: Path) -> tuple[Array, Array]:
    """Write a semi-synthetic clip as the stages expect one; return the scene without product and the masks."""
    absent, present = media.read_video(folder / "absent.mp4"), media.read_video(folder / "present.mp4")
    masks = np.stack([_still(path) for path in sorted((folder / "masks").glob("*.png"))])
    height, width = (side // 16 * 16 for side in masks.shape[1:])
    absent, present, masks = (video[:, :height, :width] for video in (absent, present, masks))
    fps = media.video_fps(folder / "present.mp4")
    files, product = ClipFiles(work), folder.name
    media.write_video(files.video, present, fps, crf=4)
    media.write_masks(files.masks, masks, fps)
    size, n_frames = {"width": width, "height": height}, len(masks)
    Clip(
        clip_id=ids.clip_id(product, 1),
        product_id=product,
        source=ClipSource(video="present.mp4", start_frame=0, end_frame=n_frames, **size),
        content_rect=[0, 0, width, height],
        fps=media.rate_text(fps),
        n_frames=n_frames,
        empty=False,
        provenance=truth_provenance(),
        **size,
    ).write(files.record)
    write_track(work, present, masks)
    return absent, masks

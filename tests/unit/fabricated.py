"""Results of a run, made from a generated feed's truth instead of by the stages: true masks and backgrounds, and the
target pasted on as it is. Scores are set by a formula; they only have to differ."""

from __future__ import annotations

import atexit
import csv
import shutil
import tempfile
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd

from pvtt.io import images, video
from pvtt.io.files import read_json, write_empty, write_json
from pvtt.records import ids
from pvtt.records.canaries import CanaryVerdicts
from pvtt.records.mask_verdicts import write_mask_verdicts
from pvtt.records.media import Clip
from pvtt.records.results import Insertion, MaskVerdict
from pvtt.records.results_format import mark_results
from synthetic import make_feed
from synthetic.feed import products
from synthetic.records import PROVENANCE
from synthetic.sprites import draw_sprite


@cache
def tiny_run() -> SimpleNamespace:
    """Results of the tiny feed in a temporary folder, made once; tests must not change them."""
    folder = Path(tempfile.mkdtemp(prefix="pvtt-fabricated-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_feed(folder / "feed")
    return fabricate(folder / "feed", folder / "results")


def fabricate(feed: Path, results: Path) -> SimpleNamespace:
    """Write results below `results`; return results, catalogue, clips, pairs and filtered, as the stages take them."""
    mark_results(results)
    with open(feed / "products.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    shots = read_json(feed / "truth" / "shots.json")
    sprites = {product.product_id: product.sprite for product in products()}
    catalogue = pd.DataFrame([_catalogue_row(feed, row) for row in rows])
    clips = pd.DataFrame([_clip_row(shot) for shot in shots])
    for shot in shots:
        if shot["end_frame"] - shot["start_frame"] >= 50:
            _write_clip(feed, results / "clips" / shot["clip_id"], shot)
    write_mask_verdicts(
        results, [_mask_verdict(shot) for shot in shots if shot["end_frame"] - shot["start_frame"] >= 50]
    )
    for row in rows:
        for index, photo in enumerate(filter(None, row["images"].split(";")), 1):
            _write_cutout(results, row["id"], index, Path(photo).name, sprites[row["id"]])
    usable = [s["clip_id"] for s in shots if s["masks"] and s["end_frame"] - s["start_frame"] >= 50]
    _write_canaries(results)
    pairs, filtered = _write_pairs(results, usable, [row for row in rows if row["images"]], catalogue)
    return SimpleNamespace(results=results, catalogue=catalogue, clips=clips, pairs=pairs, filtered=filtered)


def _catalogue_row(feed: Path, row: dict[str, str]) -> dict[str, object]:
    lost = row["id"] == "LOST001"
    images = [str(feed / image) for image in row["images"].split(";") if image]
    return {
        "product_id": row["id"],
        **{key: row[key] for key in ("category", "subcategory", "title", "platform")},
        "video": str(feed / row["video"]) if row["video"] else "",
        "images": ";".join(images),
        "empty": row["empty"] == "true",
        "status": "rejected" if lost else "accepted",
        "reason": "LOST001.mp4: cannot be opened as video" if lost else "",
        "roles": "" if lost else "source;target",
        "duplicate_of": "",
    }


def _clip_row(shot: dict) -> dict[str, object]:
    n_frames = shot["end_frame"] - shot["start_frame"]
    short = n_frames < 50
    return {key: shot[key] for key in ("clip_id", "product_id", "start_frame", "end_frame", "fps")} | {
        "n_frames": n_frames,
        "width": shot["content_rect"][2],
        "height": shot["content_rect"][3],
        "status": "rejected" if short else "accepted",
        "reason": f"too short: {n_frames} frames, 50 are the least" if short else "",
        "split": "",
    }


def _write_clip(feed: Path, folder: Path, shot: dict) -> None:
    x, y, width, height = shot["content_rect"]
    inside = np.s_[y : y + height, x : x + width]
    fps, n_frames = Fraction(shot["fps"]), shot["end_frame"] - shot["start_frame"]
    frames = (f[inside] for f in video.read_frames(feed / shot["video"], shot["start_frame"], shot["end_frame"]))
    video.write_video(folder / "video.mp4", frames, fps)
    masks = np.zeros((n_frames, height, width), bool)
    if shot["masks"]:
        masks = video.read_masks(feed / shot["masks"]).any(0)[:, *inside]
        video.write_video(
            folder / "background.mp4", (f[inside] for f in video.read_frames(feed / shot["background"])), fps
        )
        video.write_masks(folder / "region.mkv", masks, fps)
        record = {"clip_id": shot["clip_id"], "status": "done", "reason": "", "measures": {}, "provenance": PROVENANCE}
        write_json(folder / "background.json", record)
    video.write_masks(folder / "masks.mkv", masks, fps)
    boxes = [box and [box[0] - x, box[1] - y, box[2] - x, box[3] - y] for box in shot["boxes"]]
    size = {"fps": shot["fps"], "n_frames": n_frames, "width": width, "height": height}
    source = {key: shot[key] for key in ("start_frame", "end_frame")} | {
        "video": shot["video"],
        "width": 640,
        "height": 480,
    }
    name = {"clip_id": shot["clip_id"]}
    clip = name | {"product_id": shot["product_id"], "source": source, "content_rect": shot["content_rect"], **size}
    Clip.of(clip | {"empty": not shot["product"], "provenance": PROVENANCE}).write(folder / "clip.json")
    areas = masks.mean((1, 2)).tolist()
    entries = [{"visible": box is not None, "box": box, "area": area} for box, area in zip(boxes, areas, strict=True)]
    objects = [{"id": 1, "visible_frames": n_frames, "mean_area": float(np.mean(areas))}]
    write_json(folder / "track.json", name | size | {"frames": entries, "objects": objects, "points": []})
    found = bool(shot["masks"])
    measured = {"status": "measured" if found else "failed", "reason": "" if found else "no product was found"}
    record = name | measured | {"measures": {"empty": False}, "provenance": PROVENANCE}
    write_json(folder / "mask_measures.json", record)


def _mask_verdict(shot: dict) -> MaskVerdict:
    found = bool(shot["masks"])
    verdict = {"status": "accepted" if found else "rejected", "reason": "" if found else "no product was found"}
    return MaskVerdict.of({"clip_id": shot["clip_id"], **verdict, "score": 0.93 if found else 0.11})


def _write_cutout(results: Path, product: str, index: int, image: str, sprite: str) -> None:
    drawn = draw_sprite(sprite, 320)
    alpha = drawn[..., 3:]
    rgba = np.rint(np.concatenate([drawn[..., :3] / np.maximum(alpha, 1e-3), alpha], 2).clip(0, 1) * 255)
    rows, columns = np.flatnonzero(alpha[..., 0].max(1) > 0.1), np.flatnonzero(alpha[..., 0].max(0) > 0.1)
    box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
    images.write_png(
        results / "products" / product / f"{index}.png", rgba.astype(np.uint8)[box[1] : box[3], box[0] : box[2]]
    )
    record = {"product_id": product, "image_index": index, "status": "accepted", "reason": "", "image": image}
    size = {"width": 320, "height": 320, "box": box, "main": index == 1, "measures": {}, "provenance": PROVENANCE}
    write_json(results / "products" / product / f"{index}.json", record | size)


def _write_canaries(results: Path) -> None:
    """One verdict that is right, one that is wrong, one that is only reported, and one that could not be made."""
    names = {"clip_id": "MUGS001_s01", "pair_id": "MUGS001_s01__RING001_i1", "quality_score": 0.8}
    verdicts = [
        names | {"kind": "black", "expected": "rejected", "kept": False, "reasons": ["swap < 0.05"], "right": True},
        names | {"kind": "shifted_mask", "expected": "rejected", "kept": True, "reasons": [], "right": False},
        names | {"kind": "no_shadow", "expected": "none", "kept": True, "reasons": [], "right": None},
        names | {"kind": "true_swap", "expected": "kept", "kept": None, "reasons": ["none is known"], "right": None},
    ]
    CanaryVerdicts.of({"canaries": verdicts}).write(results / "canary_verdicts.json")


def _write_pairs(
    results: Path, clips: list[str], targets: list[dict], catalogue: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    category = dict(zip(catalogue.product_id, catalogue.category, strict=True))
    pairs, filtered = [], []
    for clip in clips:
        source = ids.clip_product(clip)
        for target in targets:
            if target["id"] == source:
                continue
            pair_id = ids.pair_id(clip, target["id"], 1)
            level = "easy" if category[source] == category[target["id"]] else "hard" if len(pairs) % 2 else "expert"
            names = {"pair_id": pair_id, "clip_id": clip, "source_id": source, "target_id": target["id"]}
            pair = names | {"image_index": 1, "difficulty": level, "seed": ids.seed_of(pair_id)}
            quality = _write_pair(results, pair, len(pairs))
            pairs.append(pair | {"status": "planned", "reason": ""})
            reason = "" if quality and quality >= 0.7 else f"quality {quality} is under 0.7" if quality else "failed"
            basis = "identity;temporal" if quality else ""
            filtered.append(
                {"pair_id": pair_id, "kept": not reason, "reasons": reason, "quality_score": quality, "basis": basis}
            )
    return pd.DataFrame(pairs), pd.DataFrame(filtered)


def _write_pair(results: Path, pair: dict, number: int) -> float | None:
    """Paste the target into the clip's boxes; every seventh pair fails. Return its quality score."""
    clip = results / "clips" / pair["clip_id"]
    folder = results / "pairs" / pair["clip_id"] / f"{pair['target_id']}_i1"
    track = read_json(clip / "track.json")
    failed = number % 7 == 6
    verdict = {"status": "failed" if failed else "done", "reason": "the target does not fit the box" if failed else ""}
    size = {key: track[key] for key in ("n_frames", "fps", "width", "height")}
    boxes = [frame["box"] for frame in track["frames"]]
    known = {key: value for key, value in pair.items() if key != "difficulty"}
    record = known | verdict | size | {"control": "boxes", "measures": {}, "boxes": boxes, "provenance": PROVENANCE}
    Insertion.of(record).write(folder / "insert.json")
    quality = None if failed else round(0.55 + 0.4 * ((number * 37 + 95) % 100) / 100, 3)
    scores = {"identity": quality and quality - 0.05, "temporal": quality and 0.5 + quality / 2}
    scored = {"status": "failed" if failed else "scored", "reason": verdict["reason"]}
    rest = {"scores": scores | {"lighting": None, "overall": None}, "measures": {}}
    write_json(folder / "score.json", {"pair_id": pair["pair_id"], **scored, **rest, "provenance": PROVENANCE})
    if failed:
        write_empty(folder / "insert.mp4")
        write_empty(folder / "insert_mask.mkv")
        return None
    cutout = images.read_rgba(results / "products" / pair["target_id"] / "1.png")
    frames = [_paste(f, cutout, b) for f, b in zip(video.read_frames(clip / "background.mp4"), boxes, strict=True)]
    video.write_video(folder / "insert.mp4", frames, Fraction(track["fps"]))
    video.write_masks(folder / "insert_mask.mkv", video.read_masks(clip / "masks.mkv"), Fraction(track["fps"]))
    return quality


def _paste(frame: np.ndarray, cutout: np.ndarray, box: list[int] | None) -> np.ndarray:
    if box is None:
        return frame
    aspect = cutout.shape[1] / cutout.shape[0]
    height = np.sqrt((box[2] - box[0]) * (box[3] - box[1]) / aspect)
    small = cv2.resize(cutout, (round(height * aspect), round(height)), interpolation=cv2.INTER_AREA)
    x, y = round((box[0] + box[2] - small.shape[1]) / 2), round((box[1] + box[3] - small.shape[0]) / 2)
    shift = np.array(((1, 0, x), (0, 1, y)), np.float32)
    layer = cv2.warpAffine(small, shift, (frame.shape[1], frame.shape[0])).astype(np.float32)
    alpha = layer[..., 3:] / 255
    return np.rint(layer[..., :3] * alpha + frame * (1 - alpha)).astype(np.uint8)

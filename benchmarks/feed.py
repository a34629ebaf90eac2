"""Measure a finished run against a feed's truth: `python benchmarks/feed.py RESULTS FEED [--plots FOLDER]`.

FEED holds truth/cuts.json, truth/masks.json with truth/masks/, and pairs_semisynthetic/. Prints Markdown tables:
shot boundaries per video (hard cuts within one frame; a cut inside a labelled gradual transition counts neither way),
masks per clip against the trusted still masks, and the background against the semi-synthetic clips.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np

from pvtt import media
from pvtt.background import remove_product
from pvtt.files import read_json, write_json
from pvtt.metrics import mask_iou, psnr
from pvtt.segmentation.track import build_track
from pvtt.settings import stage_defaults
from pvtt.tables import read_table

TOLERANCE_FRAMES = 1
UNTRUSTED = ("PARTIAL", "ONE of two")


def match_cuts(found: list[int], truth: list[int], gradual: list[tuple[int, int]]) -> tuple[int, int, int]:
    """True positives, false positives and misses of hard cuts; each true cut matches one found cut at most."""
    rest = [cut for cut in found if not any(a <= cut <= b + TOLERANCE_FRAMES for a, b in gradual)]
    hits = 0
    for cut in truth:
        near = [candidate for candidate in rest if abs(candidate - cut) <= TOLERANCE_FRAMES]
        if near:
            rest.remove(min(near, key=lambda candidate: abs(candidate - cut)))
            hits += 1
    return hits, len(rest), len(truth) - hits


def shots_table(results: Path, feed: Path) -> list[str]:
    """Precision, recall and F1 of hard cuts over the labelled videos."""
    lines = ["| video | true | found | hit | false | missed |", "|---|---|---|---|---|---|"]
    total = np.zeros(3, int)
    for product, truth in sorted(read_json(feed / "truth/cuts.json").items()):
        path = results / "shots" / f"{product}.json"
        if truth["hard"] is None or not path.exists():
            lines.append(f"| {product} | not labelled | | | | |")
            continue
        found = read_json(path)["cuts"]
        counts = match_cuts(found, truth["hard"], [(g["first_frame"], g["last_frame"]) for g in truth["gradual"]])
        total += counts
        lines.append(f"| {product} | {truth['hard']} | {found} | {counts[0]} | {counts[1]} | {counts[2]} |")
    hits, wrong, missed = map(int, total)
    f1 = 2 * hits / max(1, 2 * hits + wrong + missed)
    return [*lines, "", f"Hard cuts: {hits} hit, {wrong} false, {missed} missed; F1 {f1:.3f}"]


def truth_masks(feed: Path) -> dict[str, list[tuple[int, np.ndarray]]]:
    """Product -> (frame, bool mask) of the trusted masks."""
    found: dict[str, list[tuple[int, np.ndarray]]] = {}
    for name, about in read_json(feed / "truth/masks.json").items():
        if not any(word in about["trust"] for word in UNTRUSTED):
            mask = media.read_rgb(feed / "truth/masks" / name)[..., 0] > 127
            found.setdefault(Path(about["video"]).stem, []).append((about["frame"], mask))
    return found


def in_clip(mask: np.ndarray, clip: dict) -> np.ndarray:
    """A mask of the source video, bool (h, w), as it appears in a clip."""
    x, y, w, h = clip["content_rect"]
    size = (clip["width"], clip["height"])
    return cv2.resize(mask[y : y + h, x : x + w].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def masks_table(results: Path, feed: Path) -> list[str]:
    """IoU of the clips that have trusted masks, and what QA says of every clip."""
    truth = truth_masks(feed)
    lines = ["| clip | verdict | QA score | IoU (frame) | reason |", "|---|---|---|---|---|"]
    accepted_ious, clips, accepted = [], 0, 0
    for clip_dir in sorted((results / "clips").iterdir()):
        clip, qa = read_json(clip_dir / "clip.json"), read_json(clip_dir / "qa.json")
        clips += 1
        accepted += qa["status"] == "accepted"
        start, end = clip["source"]["start_frame"], clip["source"]["end_frame"]
        inside = [(frame, mask) for frame, mask in truth.get(clip["product_id"], []) if start <= frame < end]
        ious = []
        if inside:
            masks = media.read_masks(clip_dir / "masks.mkv").any(0)
            ious = [(frame, mask_iou(masks[frame - start], in_clip(mask, clip))) for frame, mask in inside]
        if qa["status"] == "accepted" and ious:
            accepted_ious.append(float(np.mean([iou for _, iou in ious])))
        text = ", ".join(f"{iou:.3f} ({frame})" for frame, iou in ious)
        lines.append(f"| {clip['clip_id']} | {qa['status']} | {qa['score']:.2f} | {text} | {qa['reason']} |")
    mean = f"{np.mean(accepted_ious):.3f}" if accepted_ious else "not measured"
    return [
        *lines,
        "",
        f"{accepted} of {clips} clips accepted; mean IoU of {len(accepted_ious)} accepted clips: {mean}",
    ]


def background_table(feed: Path) -> list[str]:
    """PSNR of the default background backend on clips whose scene without the product is known."""
    lines = [
        "| clip | inside the mask vs absent | outside the removed region vs source | seconds |",
        "|---|---|---|---|",
    ]
    for folder in sorted((feed / "pairs_semisynthetic").iterdir()):
        absent, present = media.read_video(folder / "absent.mp4"), media.read_video(folder / "present.mp4")
        masks = np.stack([media.read_rgb(path)[..., 0] > 127 for path in sorted((folder / "masks").glob("*.png"))])
        height, width = (side // 16 * 16 for side in masks.shape[1:])
        absent, present, masks = (video[:, :height, :width] for video in (absent, present, masks))
        with tempfile.TemporaryDirectory() as scratch:
            clip_dir = Path(scratch)
            fps = media.video_fps(folder / "present.mp4")
            media.write_video(clip_dir / "video.mp4", present, fps, crf=4)
            media.write_masks(clip_dir / "masks.mkv", masks, fps)
            common = {"clip_id": folder.name, "fps": media.rate_text(fps), "n_frames": len(masks)}
            common |= {"width": width, "height": height, "empty": False}
            write_json(clip_dir / "clip.json", common)
            write_json(clip_dir / "track.json", common | build_track(present, masks[None]))
            remove_product(clip_dir, stage_defaults("background"))
            record = read_json(clip_dir / "background.json")
            result = media.read_video(clip_dir / "background.mp4")
            source = media.read_video(clip_dir / "video.mp4")
        kernel = np.ones((65, 65), np.uint8)
        outside = ~np.stack([cv2.dilate(mask.astype(np.uint8), kernel) > 0 for mask in masks])
        inside_db, outside_db = psnr(result, absent, masks), psnr(result, source, outside)
        seconds = record["provenance"]["seconds"]
        lines.append(f"| {folder.name} | {inside_db:.2f} dB | {outside_db:.2f} dB | {seconds:.1f} |")
    return lines


def overlays(results: Path, out: Path) -> None:
    """One picture per clip: eight frames with the mask tinted and outlined, named by the verdict."""
    shutil.rmtree(out, ignore_errors=True)
    for clip_dir in sorted((results / "clips").iterdir()):
        frames, masks = media.read_video(clip_dir / "video.mp4"), media.read_masks(clip_dir / "masks.mkv").any(0)
        tiles = []
        for index in np.linspace(0, len(frames) - 1, 8).astype(int):
            image, mask = frames[index].copy(), masks[index]
            image[mask] = image[mask] // 2 + np.array([127, 0, 60], np.uint8)
            contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, contours, -1, (0, 255, 0), 2)
            tiles.append(cv2.resize(image, (round(image.shape[1] * 270 / image.shape[0]), 270)))
        rows = [np.concatenate(tiles[:4], 1), np.concatenate(tiles[4:], 1)]
        status = read_json(clip_dir / "qa.json")["status"]
        media.write_png(out / f"{status}_{clip_dir.name}.png", np.concatenate(rows, 0))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("feed", type=Path)
    parser.add_argument("--plots", type=Path, help="folder for pictures of every clip's masks")
    arguments = parser.parse_args()
    clips = read_table(arguments.results / "clips.tsv")
    print(f"{len(clips)} shots listed, {(clips.status == 'accepted').sum()} accepted\n")
    for title, lines in (
        ("Shots", shots_table(arguments.results, arguments.feed)),
        ("Masks", masks_table(arguments.results, arguments.feed)),
        ("Background", background_table(arguments.feed)),
    ):
        print(f"## {title}\n", *lines, "", sep="\n")
    if arguments.plots:
        overlays(arguments.results, arguments.plots)


if __name__ == "__main__":
    main()

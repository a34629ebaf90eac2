"""A feed as shops export it, drawn by code: products.csv, videos, photos, and the truth of all of it.

products.csv                    id, category, subcategory, title, platform, video, images, empty
videos/<ID>.mp4, images/<ID>/<k>.jpg
truth/cuts.json                 n_frames, hard: first frame of each new shot, gradual: []
truth/shots.json                per shot: clip_id, frames, content_rect, product, box per frame, hand frames, files
truth/masks/<clip_id>.mkv       the visible product, at the source video's size
truth/backgrounds/<clip_id>.mp4 the same shot without product and shadow, hands kept
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.io import images
from pvtt.io import video as media
from pvtt.io.files import write_json
from pvtt.records.ids import clip_id
from synthetic.scene import Pose, Shot, draw_photo, draw_shot, mask_box

Array = np.ndarray
COLUMNS = ("id", "category", "subcategory", "title", "platform", "video", "images", "empty")


@dataclass(frozen=True)
class Video:
    """A video of the feed: its shots, rate, size, and black bars of `bar` pixels left and right."""

    shots: tuple[Shot, ...]
    fps: Fraction = Fraction(24)
    width: int = 640
    height: int = 384
    bar: int = 0


@dataclass(frozen=True)
class Product:
    """A row of the feed; `video` None has none, "unreadable" is a file that no decoder takes."""

    product_id: str
    category: str
    subcategory: str
    title: str
    sprite: str | None = None
    photos: int = 0
    video: Video | str | None = None
    empty: bool = False


def products() -> tuple[Product, ...]:
    """The rows of the feed: two product videos and a product with a photo only."""
    size: dict[str, Any] = {"width": 320, "height": 192}
    mug = Video((Shot(52, "studio", "mug_teal", 0.62, Pose(0.36, 0.52), Pose(0.62, 0.54)),), Fraction(24), **size)
    watch = Video(
        (
            Shot(52, "cloth", "watch", 0.80, Pose(0.42, 0.5, 1, -20), Pose(0.58, 0.5, 1, -10), pan=(-70, 8)),
            Shot(20, "slate", "watch", 1.4),
        ),
        Fraction(25),
        **size,
    )
    return (
        Product("MUGS001", "home", "mug", "Teal stoneware mug", "mug_teal", 1, mug),
        Product("WATC001", "watches", "watch", "Steel watch", "watch", 1, watch),
        Product("RING001", "jewelry", "ring", "Gold ring", "ring", 1),
    )


_PHOTO_SIZE = 256


def make_feed(out_dir: str | Path, seed: int = 0) -> Path:
    """Draw 3 rows and 2 videos into `out_dir`, the same for a seed; return the path of products.csv."""
    out_dir = Path(out_dir)
    cuts: dict[str, Any] = {}
    shots: list[dict[str, Any]] = []
    rows = []
    for product in products():
        video = _write_video(out_dir, product, seed, cuts, shots)
        photos = [f"images/{product.product_id}/{index}.jpg" for index in range(1, product.photos + 1)]
        for index, photo in enumerate(photos, 1):
            images.write_jpeg(out_dir / photo, draw_photo(str(product.sprite), index, _PHOTO_SIZE, seed), 88)
        rows.append(
            (
                *(product.product_id, product.category, product.subcategory, product.title, "generated", video),
                *(";".join(photos), "true" if product.empty else ""),
            )
        )
    write_json(out_dir / "truth" / "cuts.json", cuts)
    write_json(out_dir / "truth" / "shots.json", shots)
    with open(out_dir / "products.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    return out_dir / "products.csv"


def _write_video(out_dir: Path, product: Product, seed: int, cuts: dict[str, Any], shots: list[dict[str, Any]]) -> str:
    """Draw a product's video and its truth; return its path in the feed, '' where it has none."""
    if product.video is None:
        return ""
    name = f"videos/{product.product_id}.mp4"
    if isinstance(product.video, str):
        (out_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (out_dir / name).write_text("This is a text file: a row that must be rejected with a reason.\n")
        return name
    video = product.video
    media.write_video(out_dir / name, _frames(out_dir, product, video, seed, shots), video.fps, crf=23)
    ends = np.cumsum([shot.n_frames for shot in video.shots])
    cuts[product.product_id] = {"n_frames": int(ends[-1]), "hard": [int(end) for end in ends[:-1]], "gradual": []}
    return name


def _frames(out_dir: Path, product: Product, video: Video, seed: int, records: list[dict[str, Any]]) -> Iterator[Array]:
    """Yield a video's frames and write each shot's truth after its last frame."""
    start = 0
    content = video.width - 2 * video.bar
    for number, shot in enumerate(video.shots, 1):
        clip = clip_id(product.product_id, number)
        masks, backgrounds, hands = [], [], []
        for index, drawn in enumerate(draw_shot(shot, content, video.height, clip, seed)):
            masks.append(np.pad(drawn.mask, ((0, 0), (video.bar, video.bar))))
            backgrounds.append(_barred(drawn.background, video.bar))
            if drawn.hand:
                hands.append(index)
            yield _barred(drawn.frame, video.bar)
        records.append(
            {
                "clip_id": clip,
                "product_id": product.product_id,
                "video": f"videos/{product.product_id}.mp4",
                "start_frame": start,
                "end_frame": start + shot.n_frames,
                "fps": media.rate_text(video.fps),
                "content_rect": [video.bar, 0, content, video.height],
                "product": shot.product,
                "boxes": [mask_box(mask) for mask in masks],
                "hand_frames": hands,
            }
            | _write_truth(out_dir, clip, np.stack(masks), backgrounds, video.fps)
        )
        start += shot.n_frames


def _write_truth(out_dir: Path, clip: str, masks: Array, backgrounds: list[Array], fps: Fraction) -> dict[str, Any]:
    """Write the masks and the background of a shot that shows a product; name them, None where there are none."""
    if not masks.any():
        return {"mean_area": 0.0, "masks": None, "background": None}
    files = {"masks": f"truth/masks/{clip}.mkv", "background": f"truth/backgrounds/{clip}.mp4"}
    media.write_masks(out_dir / files["masks"], masks, fps)
    media.write_video(out_dir / files["background"], backgrounds, fps, crf=24)
    return {"mean_area": round(float(masks.mean()), 5), **files}


def _barred(image: Array, bar: int) -> Array:
    return np.pad(image, ((0, 0), (bar, bar), (0, 0)))

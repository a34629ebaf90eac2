"""A rendered world and its truth, as `benchmarks/world` writes it, read for measuring."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.io import video as media
from pvtt.io.files import read_json

Array = np.ndarray


@dataclass(frozen=True)
class Clip:
    """One clip of a world: `record` is its entry in world.json, `root` the world's folder."""

    root: Path
    record: dict[str, Any]

    @property
    def clip_id(self) -> str:
        """Id of the clip, `<product_id>_s<NN>`."""
        return str(self.record["clip_id"])

    @property
    def product_id(self) -> str:
        """Id of the product that the video shows."""
        return str(self.record["product_id"])

    @property
    def folder(self) -> Path:
        """Folder of the clip's truth."""
        return self.root / "truth" / "clips" / self.clip_id

    @property
    def has_product(self) -> bool:
        """Whether any frame shows the product."""
        return bool(self.record["mean_area"])

    @property
    def swaps(self) -> list[str]:
        """Products for which there is a true swap."""
        return list(self.record.get("swaps") or [])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return int(self.record["width"]), int(self.record["height"])

    def masks(self) -> Array:
        """The visible product, bool (n, h, w)."""
        return media.read_masks(self.folder / "masks.mkv").any(0)

    def grey(self, name: str) -> Array:
        """A graded plane ('shadow', 'occluder', 'swaps/<target>_shadow') as float32 (n, h, w), 0 to 1; 0 if absent."""
        path = self.folder / f"{name}.mkv"
        if not path.is_file():
            width, height = self.size
            return np.zeros((self.record["end_frame"] - self.record["start_frame"], height, width), np.float32)
        return media.read_grey(path).astype(np.float32) / 255

    def background(self) -> Array:
        """The scene without product and shadow, uint8 (n, h, w, 3) RGB."""
        return media.read_video(self.folder / "background.mp4")

    def swap(self, target: str) -> tuple[Array, Array]:
        """The same clip with `target` in it: frames uint8 (n, h, w, 3) RGB, visible mask bool (n, h, w)."""
        masks = media.read_masks(self.folder / "swaps" / f"{target}.mkv").any(0)
        return media.read_video(self.folder / "swaps" / f"{target}.mp4"), masks

    def track(self) -> dict[str, Any]:
        """Boxes, points and their visibility per frame."""
        return read_json(self.folder / "track.json")


@dataclass(frozen=True)
class World:
    """A rendered world in the folder `root`."""

    root: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        """The whole of world.json."""
        return read_json(self.root / "truth" / "world.json")

    @cached_property
    def rows(self) -> dict[str, dict[str, str]]:
        """Rows of products.csv by product id."""
        with open(self.root / "products.csv", encoding="utf-8") as stream:
            return {row["id"]: row for row in csv.DictReader(stream)}

    @cached_property
    def cuts(self) -> dict[str, dict[str, Any]]:
        """True cuts by product id."""
        return read_json(self.root / "truth" / "cuts.json")

    def clips(self) -> list[Clip]:
        """All clips, by id."""
        return [Clip(self.root, record) for _, record in sorted(self.info["clips"].items())]

    def video(self, product: str) -> Path:
        """A product's video."""
        return self.root / self.rows[product]["video"]

    def photos(self, product: str) -> list[tuple[int, Path]]:
        """Index (from 1) and file of a product's photos; none for a product that products.csv does not list."""
        names = [name for name in (self.rows.get(product, {}).get("images") or "").split(";") if name]
        return [(index, self.root / name) for index, name in enumerate(names, 1)]

    def alpha(self, product: str, index: int) -> Path:
        """True alpha of a photo, 8-bit grey."""
        return self.root / "truth" / "photos" / product / f"{index}.png"


def select(clips: list[Clip], only: list[str], count: int | None) -> list[Clip]:
    """The clips named by `only` (all without), at most `count`, evenly spread; ValueError for an unknown name."""
    known = {clip.clip_id: clip for clip in clips}
    if unknown := sorted(set(only) - set(known)):
        raise ValueError(f"no clip {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = [known[name] for name in only] if only else clips
    if count is None or count >= len(chosen):
        return chosen
    return [chosen[round(place)] for place in np.linspace(0, len(chosen) - 1, count)]

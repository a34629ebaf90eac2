"""The accepted rows of a catalogue as the rules ask for them: files that exist, names and words of products."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pvtt.io.files import read_json
from pvtt.records.ids import stable_hash
from pvtt.stages.catalogue.rows import Row


class Feed:
    """Accepted rows of a catalogue by product id, as `rows`; `catalogue` is its file or folder."""

    def __init__(self, rows: Iterable[Row], catalogue: str | Path) -> None:
        self.rows = {row.product_id: row for row in rows if row.status == "accepted"}
        self._folder = Path(catalogue) if Path(catalogue).is_dir() else Path(catalogue).parent

    def name_of(self, path: Path) -> str:
        """Name of a file as the catalogue has it: relative to the catalogue's folder, or the path of a file outside."""
        return path.relative_to(self._folder).as_posix() if path.is_relative_to(self._folder) else str(path)

    def videos(self, product: str) -> list[Path]:
        """Video file of a product; an empty list when it is missing, which the catalogue reports."""
        video = self.rows[product].video
        return [video] if video is not None and video.is_file() else []

    def with_video(self) -> list[str]:
        """Products whose video file is there, in the catalogue's order."""
        return [product for product in self.rows if self.videos(product)]

    def photos(self, product: str) -> dict[int, Path]:
        """Photos of a product whose files are there, by their place in the catalogue, from 1."""
        return {index: image for index, image in enumerate(self.rows[product].images, 1) if image.is_file()}

    def names(self, product: str) -> dict[str, Any]:
        """Plain values for a job: names of a product's files without folders, which do not change when a feed moves."""
        row = self.rows[product]
        return {
            "product_id": product,
            "video": row.video.name if row.video else "",
            "images": [image.name for image in row.images],
            "present": list(self.photos(product)),
        }

    def words(self, product: str) -> dict[str, str]:
        """Title, category and subcategory of a product."""
        row = self.rows[product]
        return {"title": row.title, "category": row.category, "subcategory": row.subcategory}

    def unlike(self, products: Iterable[str], first: Iterable[str] = ()) -> str:
        """A product with photos whose category is none of theirs, by hash, those in `first` before all others.

        Empty where there is none, or where a category is not known.
        """
        given, preferred = list(products), set(first)
        theirs = {self.rows[product].category for product in given}
        others = [name for name, row in self.rows.items() if row.category not in theirs and self.photos(name)]
        others = [name for name in others if self.rows[name].category != "unknown"]
        if "unknown" in theirs or not others:
            return ""
        return min(others, key=lambda name: (name not in preferred, stable_hash("unlike", *given, name)))

    def true_swaps(self, clip: str) -> dict[str, tuple[Path, Path]]:
        """Products with photos whose true swap into a clip is known, with its video and masks, in a rendered world."""
        if clip not in self._true_clips:
            return {}
        swaps = self._folder / "truth" / "clips" / clip / "swaps"
        found = {name: (swaps / f"{name}.mp4", swaps / f"{name}.mkv") for name in self.rows if self.photos(name)}
        return {name: files for name, files in found.items() if all(path.is_file() for path in files)}

    def true_start(self, clip: str) -> int:
        """First frame, in the video, of the true swaps of a clip; a detected shot may begin elsewhere."""
        return int(self._true_clips[clip]["start_frame"])

    @cached_property
    def _true_clips(self) -> Mapping[str, Any]:
        world = self._folder / "truth" / "world.json"
        clips: Mapping[str, Any] = read_json(world)["clips"] if world.is_file() else {}
        return clips

    def prompt(self, product: str) -> str:
        """What a product is called, in one line: title, subcategory, category, as far as they are known."""
        row = self.rows[product]
        said = [word.strip() for word in (row.title, row.subcategory, row.category)]
        return ", ".join(dict.fromkeys(word for word in said if word not in ("", "unknown")))


def with_paths(names: Mapping[str, Any], videos: Sequence[str], images: Sequence[str]) -> dict[str, Any]:
    """Put the paths of a product's files in the place of their names.

    Parameters
    ----------
    names
        What `Feed.names` gives.
    videos, images
        Paths of the files that are there. A file that is missing keeps its name, and so cannot be read.
    """
    paths = dict(zip(names["present"], images, strict=True))
    return {
        "product_id": names["product_id"],
        "video": videos[0] if videos else names["video"],
        "images": [paths.get(index, name) for index, name in enumerate(names["images"], 1)],
    }

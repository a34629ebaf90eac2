"""A feed whose pairs are planned and whose clips are tiny and real, so that only the packs are left to run."""

from __future__ import annotations

import json
import os
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np

from fabricate import Run
from pvtt.io import images, video
from pvtt.records.ids import stable_hash

SIDE, FRAMES, FPS = 64, 8, Fraction(8)
BOX = (16, 16, 48, 48)


class SmallFeed(Run):
    """`sources` products with eight clips each, which meet all products, `targets` more among them.

    `settings` are those of the plan, such as pack_pairs.
    """

    def __init__(self, folder: Path, sources: int = 1, targets: int = 12, **settings: object) -> None:
        super().__init__(folder)
        for number in range(sources):
            self.add_product(f"S{number}", 8, 1)
        for number in range(targets):
            self.add_product(f"T{number:02d}", 0, 1)
        self.finish_shots(*self.clips)
        self.pairs = self.finish_plan(*self.clips, **settings)
        self._fill()

    def _fill(self) -> None:
        """Real media in the place of the empty files, with the times that those had."""
        media_of_clip = self.folder / "clip"
        light = np.arange(40, 40 + FRAMES, dtype=np.uint8)
        frames = np.broadcast_to(light[:, None, None, None], (FRAMES, SIDE, SIDE, 3)).copy()
        video.write_video(media_of_clip / "background.mp4", frames, FPS)
        x0, y0, x1, y1 = BOX
        frames[:, y0:y1, x0:x1] = (200, 60, 60)
        video.write_video(media_of_clip / "video.mp4", frames, FPS)
        masks = np.zeros((FRAMES, SIDE, SIDE), bool)
        masks[:, y0:y1, x0:x1] = True
        for name in ("masks.mkv", "region.mkv"):
            video.write_masks(media_of_clip / name, masks, FPS)
        clips = self.pairs.clip_id.unique()
        for clip in clips:
            self.write(*(f"results/clips/{clip}/background.{kind}" for kind in ("mp4", "json")))
            self.write(f"results/clips/{clip}/region.mkv")
            for name in ("video.mp4", "masks.mkv", "background.mp4", "region.mkv"):
                self._replace(f"clips/{clip}/{name}", (media_of_clip / name).read_bytes())
            self._replace(f"clips/{clip}/track.json", json.dumps(_track(clip)).encode())
        shutil.rmtree(media_of_clip)
        cutout = np.full((24, 24, 4), 255, np.uint8)
        for product in self.clips:
            cutout[..., :3] = (stable_hash(product) % 256, 120, 200)
            images.write_png(self.folder / "cutout.png", cutout)
            self._replace(f"products/{product}/1.png", (self.folder / "cutout.png").read_bytes())
            self._replace(f"products/{product}/1.json", json.dumps(_cutout(product)).encode())
        (self.folder / "cutout.png").unlink()

    def _replace(self, name: str, content: bytes) -> None:
        path = self.results / name
        then = path.stat().st_mtime
        path.write_bytes(content)
        os.utime(path, (then, then))


def _cutout(product: str) -> dict:
    made = {"pvtt": "0", "backend": "small", "version": "1", "models": [], "licence": None, "settings": {}}
    size = {"width": 24, "height": 24, "box": [0, 0, 24, 24]}
    return {
        **{"product_id": product, "image_index": 1, "status": "accepted", "reason": "", "image": "1.jpg"},
        **size,
        **{"main": True, "measures": {}, "provenance": {**made, "seed": None, "inputs": {}, "seconds": 0.0}},
    }


def _track(clip: str) -> dict:
    frames = [{"visible": True, "box": list(BOX), "area": 0.25}] * FRAMES
    size = {"fps": "8/1", "n_frames": FRAMES, "width": SIDE, "height": SIDE}
    return {"clip_id": clip, **size, "frames": frames, "objects": [], "points": []}

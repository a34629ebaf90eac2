"""A stand-in for a program that keeps docs/videoanydoor.md: it draws the reference into the boxes."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image


def main(folder: Path) -> None:
    job, mode = json.loads((folder / "job.json").read_text()), os.environ.get("STANDIN", "")
    assert Path.cwd() == folder.resolve() and job["contract"] == 1
    names = [f"{index:05d}.png" for index in range(job["n_frames"])]
    for part in ("background", "masks"):
        assert sorted(path.name for path in (folder / job[part]).iterdir()) == names
    reference = read(folder / job["reference"])
    assert reference.shape[2] == 4 and len(job["boxes"]) == job["n_frames"] and len(job["points"]) == 8
    assert all(len(one) == job["n_frames"] for one in job["points"])
    if mode == "crash":
        sys.exit("the weights do not fit")
    output, masks = folder / job["output"], folder / job["output_masks"]
    if mode == "masks":
        masks.mkdir()
    random = np.random.default_rng(job["seed"])
    for index, name in enumerate(names[:-1] if mode == "few" else names):
        frame, hole, box = read(folder / "background" / name), read(folder / "masks" / name), job["boxes"][index]
        assert frame.shape == (job["height"], job["width"], 3) and hole.shape == frame.shape[:2]
        # A generator changes a little everywhere.
        frame = np.clip(frame + random.normal(0, 1.5, frame.shape), 0, 255).astype(np.uint8)
        seen = np.zeros(hole.shape, np.uint8)
        if box is not None:
            x0, y0, x1, y1 = (round(side) for side in box)
            assert hole[(y0 + y1) // 2, (x0 + x1) // 2] == 255
            points = np.array([one[index] for one in job["points"]])
            assert (points >= [x0, y0]).all() and (points <= [x1, y1]).all()
            drawn = cv2.resize(reference, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
            solid = drawn[..., 3] > 127
            frame[y0:y1, x0:x1][solid] = drawn[..., :3][solid]
            seen[y0:y1, x0:x1][solid] = 255
        else:
            assert not hole.any() and all(one[index] is None for one in job["points"])
        cv2.imwrite(str(output / name), frame[:-2] if mode == "size" else frame)
        if mode == "masks":
            cv2.imwrite(str(masks / name), seen)


if __name__ == "__main__":
    main(Path(sys.argv[sys.argv.index("--job") + 1]))

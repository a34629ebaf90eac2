"""VideoAnyDoor's contract against a program that keeps it, and one that does not; what is seen of a product."""

import json
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from backends.clips import scene
from pvtt.backends import subprocess_runner
from pvtt.config.settings import load_schema, resolve, stage_defaults
from pvtt.imaging.colour import to_linear, to_srgb
from pvtt.imaging.geometry import box_mask, box_of
from pvtt.io.images import write_png
from pvtt.io.video import count_frames, read_masks, read_video, write_masks, write_video
from pvtt.models.registry import ModelError
from pvtt.stages.insertion import insert_product
from pvtt.stages.insertion.base import InsertionError, Request
from pvtt.stages.insertion.change_detection import detect_inserted_mask
from pvtt.stages.insertion.compositing import put_back
from pvtt.stages.insertion.videoanydoor import Backend, expanded_box_mask
from synthetic.records import cutout_record, track_frame, track_record

PROGRAM = Path(__file__).parent / "tiny" / "videoanydoor.py"
COMMAND = f"{sys.executable} {PROGRAM} --job {{job}}"
N, SIZE = 7, (120, 80)


def settings(**own) -> dict:
    defaults = stage_defaults("insertion")
    changes = {"command": COMMAND, "licence": "tests only"} | own
    return defaults | {"backend": "videoanydoor", "videoanydoor": defaults["videoanydoor"] | changes}


def cutout() -> np.ndarray:
    image = np.zeros((60, 60, 4), np.uint8)
    cv2.circle(image, (30, 30), 28, (30, 60, 210, 255), -1)
    return image


def request(lost: tuple[int, ...] = (), **changes) -> Request:
    frames, masks, plain = scene(N, SIZE, step=8, side=30)
    boxes = []
    for index in range(N):
        if index in lost:
            frames[index], masks[index] = plain, False
        box = box_of(masks[index])
        boxes.append(None if box is None else tuple(map(float, box)))
    common = {"points": np.zeros((0, N, 2)), "cutout": cutout(), "fps": 25.0, "seed": 3}
    ground = np.broadcast_to(plain, frames.shape)
    region = masks | (frames != ground).any(-1)
    sources = {"source": lambda: iter(frames), "background": lambda: iter(ground)}
    return Request(**(sources | {"masks": masks, "region": region, "boxes": boxes} | common | changes))


def inserted(asked: Request, **own):
    backend = Backend(settings(**own))
    backend.load("cpu")
    insertion = backend.insert(asked)
    frames, masks = zip(*insertion.frames, strict=True)
    backend.close()
    return np.stack(frames), np.stack(masks), insertion


@pytest.mark.parametrize("mode", ["", "masks"])
def test_the_product_comes_and_the_rest_stays(monkeypatch, mode):
    monkeypatch.setenv("STANDIN", mode)
    asked = request(lost=(5,))
    frames, masks, insertion = inserted(asked)
    sources, ground = np.stack(list(asked.source())), next(asked.background())
    assert frames.dtype == np.uint8 and frames.shape == sources.shape and masks.shape == asked.masks.shape
    assert insertion.boxes[5] is None and not masks[5].any() and np.array_equal(frames[5], sources[5])
    assert insertion.measures["masks_given"] == (mode == "masks")
    for index in set(range(N)) - {5}:
        blue = np.abs(frames[index].astype(int) - [30, 60, 210]).max(2) < 30
        assert (blue & masks[index]).sum() / (blue | masks[index]).sum() > 0.9
        far = ~expanded_box_mask(insertion.boxes[index], 0.3, masks.shape[1:]) & ~asked.masks[index]
        near = np.abs(frames[index].astype(int) - ground)[far]
        assert near.max() <= 1
    again, *_ = inserted(asked)
    assert np.array_equal(frames, again) or mode == "masks"


@pytest.mark.parametrize("control", ["boxes", "ends"])
def test_the_stage_writes_video_masks_and_record(tmp_path, control):
    asked = request()
    clip, rate = tmp_path / "clip", Fraction(25)
    clip.mkdir()
    write_video(clip / "video.mp4", asked.source(), rate)
    write_video(clip / "background.mp4", asked.background(), rate)
    write_masks(clip / "masks.mkv", asked.masks, rate)
    write_masks(clip / "region.mkv", asked.region, rate)
    seen = [track_frame([int(side) for side in box]) for box in asked.boxes]
    size = {"n_frames": N, "fps": "25/1", "width": SIZE[0], "height": SIZE[1]}
    track_record("toy_s01", **size, frames=seen).write(clip / "track.json")
    write_png(tmp_path / "cutout.png", cutout())
    pair = {"pair_id": "toy_s01__disc_i1", "clip_id": "toy_s01", "source_id": "toy", "target_id": "disc"}
    pair |= {"image_index": 1, "seed": 5}
    out = tmp_path / "pair"
    changed = settings() | {"control": control}
    insert_product(clip, [tmp_path / "cutout.png"], cutout_record(), out, pair, changed, "cpu")
    record = json.loads((out / "insert.json").read_text())
    jsonschema.validate(record, load_schema("insert"))
    assert record["status"] == "done", record["reason"]
    assert record["provenance"]["licence"] == "tests only"
    assert count_frames(out / "insert.mp4") == N and read_masks(out / "insert_mask.mkv").shape == (1, N, 80, 120)
    blue = read_video(out / "insert.mp4")[read_masks(out / "insert_mask.mkv")[0]].astype(int)
    assert np.abs(np.median(blue, 0) - [30, 60, 210]).max() < 12


@pytest.mark.parametrize(
    ("misdeed", "says"),
    [
        ("crash", "(?s)ended with status 1.*the weights do not fit"),
        ("few", "6 frames were written to output/, not 7"),
        ("size", "output/00000.png has 120x78 pixels, not 120x80"),
    ],
)
def test_a_misdeed_fails_the_pair_with_the_reason(monkeypatch, misdeed, says):
    monkeypatch.setenv("STANDIN", misdeed)
    with pytest.raises(InsertionError, match=says) as caught:
        inserted(request())
    assert subprocess_runner.uncacheable(caught.value) == {"keep": False}
    assert subprocess_runner.uncacheable(InsertionError("the cut-out has no opaque pixel")) == {}


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("", "insertion.videoanydoor.command is not set.*docs/videoanydoor.md"),
        ("   ", "is not set"),
        ("/nowhere/program {job}", "there is no program '/nowhere/program'"),
        (f"{sys.executable} run.py", "does not hold {job}"),
        ("python 'run.py --job {job}", "No closing quotation"),
    ],
)
def test_a_command_that_cannot_work_is_named_before_anything_runs(command, says):
    backend = Backend(settings(command=command))
    (problem,) = backend.problems()
    with pytest.raises(ModelError, match=says):
        backend.load("cpu")
    assert problem.startswith("insertion.videoanydoor.command")


def test_the_settings_are_checked_and_bound_the_clips_length():
    assert Backend(settings(max_frames=50)).limits.max_frames == 50
    resolved = resolve({"catalogue": "x.csv", "insertion": {"videoanydoor": {"command": "a {job}"}}})
    assert resolved["insertion"]["backend"] == "composite"


# ---------------------------------------------------------------- what is seen, what is laid in


def textured(height: int = 120, width: int = 160) -> np.ndarray:
    noise = cv2.GaussianBlur(np.random.default_rng(1).normal(0, 1, (height, width)), (0, 0), 1.5)
    return np.clip(160 + 14 * noise[..., None] / noise.std() + [6, 0, -8], 0, 255).astype(np.uint8)


def test_what_is_seen_is_the_product_without_its_shadow():
    plain = textured()
    truth = np.zeros(plain.shape[:2], bool)
    truth[40:80, 60:100] = True
    shade = 1 - 0.5 * cv2.GaussianBlur(np.roll(truth, (10, 14), (0, 1)).astype(np.float32), (0, 0), 5)
    frame = to_srgb(to_linear(plain) * shade[..., None])
    frame[truth] = [40, 120, 60]
    frame[55:60, 63:97] = plain[55:60, 63:97]  # a window of the ground's own colour belongs to it
    noise = np.random.default_rng(2).normal(0, 2, frame.shape)
    frame = np.clip(np.rint(frame + noise), 0, 255).astype(np.uint8)
    region = box_mask((40, 20, 130, 105), truth.shape)
    seen = detect_inserted_mask(frame, plain, region)
    assert (seen & truth).sum() / (seen | truth).sum() > 0.9


def test_nothing_is_seen_where_nothing_was_put():
    plain = textured()
    frame = np.clip(plain + np.random.default_rng(0).normal(0, 6, plain.shape), 0, 255).astype(np.uint8)
    region = box_mask((50, 30, 110, 90), plain.shape[:2])
    assert detect_inserted_mask(plain, plain, region).sum() == 0
    assert detect_inserted_mask(frame, plain, region).sum() == 0
    assert not detect_inserted_mask(frame, plain, np.zeros_like(region)).any()


def test_what_lies_outside_the_region_is_not_seen():
    plain = textured()
    frame = plain.copy()
    frame[30:90, 20:60] = [200, 20, 20]
    region = box_mask((40, 0, 160, 120), plain.shape[:2])
    seen = detect_inserted_mask(frame, plain, region)
    assert not seen[:, :40].any() and seen[32:88, 42:58].all()


def test_frames_are_laid_in_without_touching_the_rest():
    canvas, painted = np.zeros((20, 30, 3), np.uint8), np.full((20, 30, 3), 200, np.uint8)
    within = box_mask((5, 4, 25, 16), (20, 30))
    result = put_back(canvas, painted, within, 2.0)
    assert not result[~within].any() and (result[8:12, 9:21] == 200).all() and 0 < result[4, 15, 0] < 200


def test_a_box_beyond_the_frame_is_cut():
    assert box_mask((-5, -5, 3.2, 2), (10, 10)).sum() == 8
    assert not box_mask((-9, -9, -2, -1), (10, 10)).any() and not box_mask(None, (4, 4)).any()

"""The generated feed: its truth is exact, it is the same every time, and it holds what it says."""

from __future__ import annotations

import csv
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from fabricated import tiny_run

from pvtt.io import video as media
from pvtt.io.files import file_digest, read_json
from synthetic import make_feed
from synthetic.feed import COLUMNS
from synthetic.scene import Pose, Shot, draw_photo, draw_shot, mask_box
from synthetic.sprites import PRODUCTS, draw_sprite
from world.textures import GROUNDS, ground

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def feed() -> Path:
    return tiny_run().results.parent / "feed"


def test_the_table_names_files_that_are_there(feed: Path) -> None:
    with open(feed / "products.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == ["MUGS001", "WATC001", "RING001"]
    for row in rows:
        for path in filter(None, [row["video"], *row["images"].split(";")]):
            assert (feed / path).is_file()


def test_cuts_are_where_the_truth_says(feed: Path) -> None:
    truth = read_json(feed / "truth" / "cuts.json")["WATC001"]
    assert truth == {"n_frames": 72, "hard": [52], "gradual": []}
    frames = media.read_video(feed / "videos" / "WATC001.mp4").astype(np.int16)
    steps = np.abs(np.diff(frames, axis=0)).mean((1, 2, 3))
    assert len(frames) == 72
    assert int(np.argmax(steps)) + 1 == 52
    assert media.probe(feed / "videos" / "WATC001.mp4").fps == Fraction(25)


def test_outside_product_and_shadow_video_and_true_background_agree(feed: Path) -> None:
    shot = read_json(feed / "truth" / "shots.json")[0]
    masks = media.read_masks(feed / shot["masks"]).any(0)
    video = media.read_video(feed / shot["video"], shot["start_frame"], shot["end_frame"]).astype(np.int16)
    background = media.read_video(feed / shot["background"]).astype(np.int16)
    assert masks.shape == video.shape[:3] == background.shape[:3]
    difference = np.abs(video - background).mean(3)
    x0, y0, x1, y1 = shot["boxes"][0]
    far = np.ones_like(masks[0])
    far[max(0, y0 - 20) : y1 + 20, max(0, x0 - 20) : x1 + 60] = False
    assert difference[0][far].mean() < 2
    assert difference[0][masks[0]].mean() > 25
    assert shot["boxes"] == [mask_box(mask) for mask in masks]
    assert shot["mean_area"] == pytest.approx(masks.mean(), abs=1e-5)


def test_the_same_seed_draws_the_same_feed_and_another_does_not(feed: Path, tmp_path: Path) -> None:
    again = make_feed(tmp_path / "again").parent
    files = sorted(path.relative_to(feed) for path in feed.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    for file in files:
        assert file_digest(feed / file) == file_digest(again / file), file
    first = next(iter(draw_shot(Shot(1, "cloth"), 64, 48, "x", 0))).frame
    assert not np.array_equal(first, next(iter(draw_shot(Shot(1, "cloth"), 64, 48, "x", 1))).frame)


def test_a_translation_moves_the_mask_by_as_much() -> None:
    shot = Shot(2, "studio", "ring", 0.5, Pose(0.3, 0.5), Pose(0.5, 0.5), grain=0, light_change=0)
    first, last = (drawn.mask for drawn in draw_shot(shot, 200, 100, "x", 0))
    assert np.array_equal(np.roll(first, 40, axis=1), last)


def test_a_hand_hides_the_product_and_stays_in_the_background() -> None:
    pose = Pose(0.5, 0.5)
    shot = Shot(9, "marble", "watch", 0.8, pose, pose, hand=(1, 8), grain=0, light_change=0)
    drawn = list(draw_shot(shot, 160, 100, "x", 0))
    assert [d.hand for d in drawn] == [d.mask.sum() < drawn[0].mask.sum() or d.hand for d in drawn]
    middle = drawn[4]
    assert middle.hand and middle.mask.sum() < 0.9 * drawn[0].mask.sum()
    hidden = drawn[0].mask & ~middle.mask
    same = (middle.frame == middle.background).all(2)[hidden]
    assert same.mean() > 0.7
    assert not (drawn[0].frame == drawn[0].background).all(2)[hidden].any()


@pytest.mark.parametrize("name", ["ring", "beads"])
def test_rings_are_open(name: str) -> None:
    alpha = draw_sprite(name, 96)[..., 3]
    assert alpha[52, 48] == 0
    assert alpha.max() == 1


@pytest.mark.parametrize("name", sorted(PRODUCTS))
def test_sprites_are_premultiplied(name: str) -> None:
    sprite = draw_sprite(name, 64)
    assert sprite.shape == (64, 64, 4) and sprite.dtype == np.float32
    assert (sprite[..., :3] <= sprite[..., 3:] + 1e-5).all() and sprite.min() >= 0


@pytest.mark.parametrize("name", sorted(GROUNDS))
def test_grounds_are_colours(name: str) -> None:
    image = ground(name, np.random.default_rng(0), 48, 80)
    assert image.shape == (48, 80, 3) and np.isfinite(image).all()
    assert image.min() >= 0 and image.max() <= 1.1


def test_photos_differ_and_stand_on_white() -> None:
    first, second = draw_photo("bag", 1, 96, 0), draw_photo("bag", 2, 96, 0)
    assert not np.array_equal(first, second)
    assert first[0].min() > 245

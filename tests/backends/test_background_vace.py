"""Removal by VACE with tiny weights."""

import json

import numpy as np
import pytest

from backends.vace_clips import clip, models_folder, settings_of, skip_without_packages, use
from pvtt.io.video import count_frames, write_masks, write_video
from pvtt.stages.background import remove_product
from pvtt.stages.background.vace import Backend
from synthetic.records import clip_record

skip_without_packages()

MODEL = "wan2.1-vace-1.3b"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return models_folder(tmp_path_factory.mktemp("models"), MODEL)


@pytest.fixture
def settings(home, monkeypatch):
    use(monkeypatch, home)
    return settings_of("background", "vace")


def removed(settings, parts):
    backend = Backend(settings)
    backend.load()
    removal = backend.remove(lambda: iter(parts[0]), parts[2])
    return np.stack(list(removal.frames)), removal


def test_a_long_clip_goes_in_windows(settings):
    parts = clip(14, (64, 96), side=16)
    frames, removal = removed(settings, parts)
    assert frames.shape == parts[0].shape and frames.dtype == np.uint8 and removal.region.shape == parts[2].shape
    assert np.array_equal(frames[~removal.region], parts[0][~removal.region])
    assert (removal.region & parts[2]).sum() == parts[2].sum() and removal.region.mean() < 0.9
    assert np.abs(frames[parts[2]].astype(int) - (200, 40, 40)).mean() > 10, "the product is gone"
    assert removal.measures["windows"] == 3 and "seam" in removal.measures


def test_another_seed_paints_another_scene(settings):
    first, _ = removed(settings, clip(5))
    settings["vace"]["seed"] = 1
    assert not np.array_equal(first, removed(settings, clip(5))[0])


def test_the_stage_writes_the_background(settings, tmp_path):
    from fractions import Fraction

    source, _, masks, _ = clip(7, side=16)
    write_video(tmp_path / "video.mp4", source, Fraction(25))
    write_masks(tmp_path / "masks.mkv", masks, Fraction(25))
    clip_record().write(tmp_path / "clip.json")
    remove_product(tmp_path, settings)
    record = json.loads((tmp_path / "background.json").read_text())
    assert record["status"] == "done" and record["provenance"]["backend"] == "vace"
    assert record["measures"]["windows"] == 1 and count_frames(tmp_path / "background.mp4") == 7

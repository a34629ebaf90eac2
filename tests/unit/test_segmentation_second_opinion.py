"""The second opinion on masks: overlaps with known values, and its place in the stage."""

from fractions import Fraction

import numpy as np
import pytest

from pvtt.backends.registry import stage_version
from pvtt.config.settings import SettingsError, resolve, stage_defaults
from pvtt.io import video
from pvtt.records.results import MeasuredMasks
from pvtt.stages.segmentation import second_opinion, segment_clip, used_backends
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.second_opinion import SecondOpinion, overlap, window
from synthetic.records import clip_record

HEIGHT, WIDTH = 96, 128


class Reddish:
    """Stands for the network: sees what is red, and records the sizes that it was shown."""

    def __init__(self):
        self.shown = []

    def saliency(self, image):
        self.shown.append(image.shape)
        return (image[..., 0] > 150).astype(np.float32)


@pytest.fixture
def network(monkeypatch):
    network = Reddish()
    monkeypatch.setattr(second_opinion, "U2Net", lambda: network)
    return network


def scene(n_frames=5):
    frames, mask = np.full((n_frames, HEIGHT, WIDTH, 3), 90, np.uint8), np.zeros((n_frames, HEIGHT, WIDTH), bool)
    frames[:, 30:60, 40:80, 0] = 200
    mask[:, 30:60, 40:80] = True
    return frames, mask


def opinion(frames, mask, **settings):
    found = SecondOpinion(stage_defaults("segmentation") | {"second_opinion": "u2net"} | settings)
    found.load("cpu")
    return found.measure(frames, mask[None])


def test_overlap_counts_only_parts_that_the_mask_touches():
    mask, seen = np.zeros((2, 20, 40), bool)
    mask[5:15, 5:15] = True
    seen[5:15, 10:20] = True
    assert overlap(mask, seen) == pytest.approx(50 / 150)
    seen[:, 30:] = True  # another object
    assert overlap(mask, seen) == pytest.approx(50 / 150)
    assert overlap(mask, np.zeros_like(mask)) == 0


def test_a_part_of_which_the_mask_covers_a_sliver_is_not_touched():
    mask, seen = np.zeros((2, 20, 40), bool)
    mask[5:15, 5:15] = True
    seen[:, 14:] = True  # 10 of 520 px
    assert overlap(mask, seen) == 0


def test_the_window_has_a_margin_and_stays_in_the_frame():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:60, 40:80] = True
    assert window(mask) == (10, 0, 110, 90)
    mask[:] = False
    mask[0, 0] = True
    assert window(mask) == (0, 0, 9, 9)


def test_agreement_and_disagreement(network):
    frames, mask = scene()
    assert opinion(frames, mask) == {"second_opinion": 1.0}
    half = mask.copy()
    half[:, :, 60:] = False
    assert opinion(frames, half) == {"second_opinion": 0.5}
    assert opinion(frames, np.roll(mask, 60, 2))["second_opinion"] == 0.0


def test_only_some_frames_with_a_mask_are_looked_at(network):
    frames, mask = scene(20)
    mask[:10] = False
    opinion(frames, mask, second_opinion_frames=4)
    assert len(network.shown) == 4
    assert opinion(frames, np.zeros_like(mask)) == {}


def test_the_stage_adds_the_measure_and_names_who_measured(network, tmp_path, monkeypatch):
    frames, mask = scene()
    video.write_video(tmp_path / "video.mp4", frames, Fraction(25))
    clip_record("A1_s01", fps="25/1", width=WIDTH, height=HEIGHT, n_frames=5).write(tmp_path / "clip.json")
    found = Segmentation(mask[None], np.ones(5))
    monkeypatch.setattr("pvtt.stages.segmentation.classical.Backend.segment", lambda *arguments: found)
    segment_clip(tmp_path, [], "", stage_defaults("segmentation") | {"second_opinion": "u2net"})
    record = MeasuredMasks.read(tmp_path / "mask_measures.json")
    assert record.measures["second_opinion"] > 0.9
    assert record.provenance.measured_by.endswith("second opinion u2net 1")
    segment_clip(tmp_path, [], "", stage_defaults("segmentation"))
    record = MeasuredMasks.read(tmp_path / "mask_measures.json")
    assert "second_opinion" not in record.measures and "opinion" not in record.provenance.measured_by


def test_its_network_is_checked_before_a_run_and_counts_in_the_version():
    settings = resolve({"segmentation": {"second_opinion": "u2net"}})["segmentation"]
    assert [part.needs for part in used_backends(settings)][1] == ("u2net",)
    assert "u2net@" in stage_version("segmentation", settings)
    assert "u2net@" not in stage_version("segmentation", resolve({})["segmentation"])
    with pytest.raises(SettingsError, match="second_opinion"):
        resolve({"segmentation": {"second_opinion": "vgg"}})

"""The second opinion on masks: overlaps with known values, masks that it replaces, and its place in the stage."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.backends.registry import stage_version
from pvtt.config.settings import SettingsError, resolve, stage_defaults
from pvtt.io import images, video
from pvtt.metrics import mask_iou
from pvtt.records.results import MeasuredMasks
from pvtt.stages.segmentation import second_opinion, segment_clip, used_backends
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.refinement import compare
from pvtt.stages.segmentation.second_opinion import SecondOpinion, touched_parts, window
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


def ask(frames, mask, references=(), **settings):
    """The segmentation after the second opinion, and its measures; `mask` is bool (n, h, w) or (k, n, h, w)."""
    asked = SecondOpinion(stage_defaults("segmentation") | {"second_opinion": "u2net"} | settings)
    asked.load("cpu")
    found = Segmentation(mask if mask.ndim == 4 else mask[None], np.ones(len(frames)), {"agreement": 0.9})
    return compare(frames, found, list(references), "", asked)


def photo(width=80, height=60):
    """Cut-out of the red product, four thirds as wide as high."""
    cutout = np.zeros((height + 20, width + 20, 4), np.uint8)
    cutout[10 : 10 + height, 10 : 10 + width] = (200, 90, 90, 255)
    return cutout


def cut_corner(mask):
    """The mask without a quarter, so that it is no longer convex."""
    poor = mask.copy()
    poor[:, 30:45, 60:] = False
    return poor


def test_parts_that_the_mask_does_not_touch_do_not_count():
    mask, seen = np.zeros((2, 20, 40), bool)
    mask[5:15, 5:15] = True
    seen[5:15, 10:20] = True
    seen[:, 30:] = True  # another object
    assert np.array_equal(touched_parts(mask, seen), seen & (np.arange(40) < 30))
    assert not touched_parts(mask, np.zeros_like(mask)).any()
    seen[:] = False
    seen[:, 14:] = True  # the mask covers 10 of its 520 px
    assert not touched_parts(mask, seen).any()


def test_the_window_has_a_margin_and_stays_in_the_frame():
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[30:60, 40:80] = True
    assert window(mask) == (10, 0, 110, 90)
    mask[:] = False
    mask[0, 0] = True
    assert window(mask) == (0, 0, 9, 9)


def test_overlap_is_measured_on_a_few_frames_with_a_mask(network):
    frames, mask = scene(20)
    mask[:10] = False
    assert ask(frames, mask, second_opinion_frames=4)[1] == {"second_opinion": 1.0}
    assert len(network.shown) == 4
    half = mask.copy()
    half[:, :, 60:] = False
    assert ask(frames, half)[1] == {"second_opinion": 0.5}
    assert ask(frames, np.roll(mask, 60, 2))[1]["second_opinion"] == 0.0


def test_masks_are_replaced_where_the_network_matches_the_photos_better(network):
    frames, mask = scene(9)
    mask[6:] = False
    found, measures = ask(frames, cut_corner(mask), [photo()])
    assert measures["refined"] == 1 and measures["second_opinion"] == pytest.approx(0.75, abs=0.01)
    assert measures["photo_match"] > 0.8
    assert np.array_equal(found.masks[0], mask)  # whole in every frame that had a mask, nothing in the others
    assert found.evidence["agreement"] == 0.9 and found.evidence["shape_gap"] < 0.02


@pytest.mark.parametrize("change", ["photos", "one photo", "no photos", "setting", "elsewhere"])
def test_masks_stay(network, change):
    frames, mask = scene()
    own = cut_corner(mask)
    references, settings = [photo()], {}
    if change == "photos":  # they show a form with a corner cut off, as the masks have it
        references[0][10:40, 50:] = 0
    elif change == "one photo":  # two of three cut-outs and the network take the pale pouch for a part of the product
        own = mask
        frames[:, 60:75, 40:80] = (200, 200, 190)
        pouch = photo(height=90)
        pouch[70:100, 10:90, :3] = (200, 200, 190)
        references += [pouch, pouch]
    elif change == "no photos":
        references = []
    elif change == "setting":
        settings = {"refine": False}
    else:
        own = np.zeros_like(mask)
        own[:, 55:80, 60:100] = True  # covers a corner of what the network sees
    found, measures = ask(frames, own, references, **settings)
    assert np.array_equal(found.masks[0], own)
    assert measures.get("refined", 0) == 0 and "second_opinion" in measures


def test_every_object_keeps_the_pixels_next_to_it(network):
    frames, mask = scene()
    frames[:, 30:60, 97:127, 0] = 200
    first, second = cut_corner(mask), np.zeros_like(mask)
    second[:, 30:60, 97:127] = True
    second[:, 30:45, 112:] = False
    pair = np.zeros((50, 100, 4), np.uint8)
    pair[10:40, 10:50] = pair[10:40, 67:97] = (200, 90, 90, 255)
    found, _ = ask(frames, np.stack([first, second]), [pair])
    assert found.masks.shape == (2, *mask.shape)
    assert np.array_equal(found.masks[0], mask)
    assert np.array_equal(found.masks[1], np.broadcast_to(frames[0, ..., 0] == 200, mask.shape) & ~mask)


def test_between_the_networks_frames_masks_follow_the_motion(network):
    texture = np.random.default_rng(0).integers(60, 120, (HEIGHT, WIDTH + 40, 1)).astype(np.uint8)
    texture = cv2.GaussianBlur(texture, (0, 0), 2)[..., None].repeat(3, axis=2)
    frames, mask = np.empty((13, HEIGHT, WIDTH, 3), np.uint8), np.zeros((13, HEIGHT, WIDTH), bool)
    for k in range(13):
        frames[k] = texture[:, :WIDTH]
        mask[k, 30:60, 20 + 2 * k : 60 + 2 * k] = True
        frames[k, 30:60, 20 + 2 * k : 60 + 2 * k] = texture[30:60, :40] + (110, 0, 0)
    poor = mask.copy()
    for k in range(13):
        poor[k, 30:45, 40 + 2 * k :] = False
    found, measures = ask(frames, poor, [photo()], second_opinion_frames=2)
    assert measures["refined"] == 1
    assert len(network.shown) <= 6
    overlap = [mask_iou(found.masks[0, k], mask[k]) for k in range(13)]
    assert min(overlap) > 0.9


def test_the_stage_adds_the_measures_and_names_who_measured(network, tmp_path, monkeypatch):
    frames, mask = scene()
    video.write_video(tmp_path / "video.mp4", frames, Fraction(25))
    clip_record("A1_s01", fps="25/1", width=WIDTH, height=HEIGHT, n_frames=5).write(tmp_path / "clip.json")
    images.write_png(tmp_path / "1.png", photo())
    found = Segmentation(cut_corner(mask)[None], np.ones(5))
    monkeypatch.setattr("pvtt.stages.segmentation.classical.Backend.segment", lambda *arguments: found)
    settings = stage_defaults("segmentation") | {"second_opinion": "u2net"}
    segment_clip(tmp_path, [tmp_path / "1.png"], "", settings)
    record = MeasuredMasks.read(tmp_path / "mask_measures.json")
    assert record.measures["refined"] == 1 and record.measures["second_opinion"] < 0.8
    assert record.provenance.measured_by.endswith("second opinion u2net 1")
    assert mask_iou(video.read_masks(tmp_path / "masks.mkv")[0], mask) > 0.95
    segment_clip(tmp_path, [tmp_path / "1.png"], "", stage_defaults("segmentation"))
    record = MeasuredMasks.read(tmp_path / "mask_measures.json")
    assert "second_opinion" not in record.measures and "opinion" not in record.provenance.measured_by
    assert np.array_equal(video.read_masks(tmp_path / "masks.mkv")[0], cut_corner(mask))


def test_its_network_is_checked_before_a_run_and_counts_in_the_version():
    settings = resolve({"segmentation": {"second_opinion": "u2net"}})["segmentation"]
    assert [part.needs for part in used_backends(settings)][1] == ("u2net",)
    assert "u2net@" in stage_version("segmentation", settings)
    assert "u2net@" not in stage_version("segmentation", resolve({})["segmentation"])
    with pytest.raises(SettingsError, match="second_opinion"):
        resolve({"segmentation": {"second_opinion": "vgg"}})

"""Backend `sam2`: with a model that sees perfectly, and with SAM 2 and Grounding DINO of random weights.

Random weights make masks of noise: what is tested of them is that the real code runs, is repeatable, equals upstream's
own predictors and stays within its memory. What the backend makes of good masks is tested with a stand-in for the
model that masks by colour.
"""

import json
import os
import sys
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import yaml

from pvtt.config.settings import stage_defaults
from pvtt.io import images, video
from pvtt.models import registry
from pvtt.records.results import MeasuredMasks
from pvtt.stages.segmentation import segment_clip
from pvtt.stages.segmentation.sam2 import Backend, load_predictor
from pvtt.stages.segmentation.sam2.box_selection import Candidate
from pvtt.stages.segmentation.sam2.cropped_video import CroppedVideo
from pvtt.stages.verdicts import judge_mask
from synthetic.records import clip_record

torch = pytest.importorskip("torch", reason="torch is not installed (make models)")
pytest.importorskip("transformers", reason="transformers is not installed (make models)")
pytest.importorskip("sam2", reason="package sam2 is not installed (make models)")

from backends.tiny import grounding_dino as tiny_detector
from backends.tiny import sam2 as tiny_sam

DEMO = Path(__file__).parents[2] / "resources" / "demo"
HEIGHT, WIDTH = 120, 160
LIMITS = stage_defaults("verdicts")["masks"]
RED = (200, 40, 30)
SAM, DETECTOR = "sam2.1-hiera-tiny", "grounding-dino-tiny"


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny_sam.build(folder / SAM)
    tiny_detector.build(folder / DETECTOR)
    entries = {SAM: tiny_sam.ENTRY, DETECTOR: tiny_detector.ENTRY}
    (folder / "models.yaml").write_text(yaml.safe_dump(entries))
    return folder


@pytest.fixture(autouse=True)
def environment(tiny_models, monkeypatch):
    monkeypatch.setenv("PVTT_MODELS", str(tiny_models))
    monkeypatch.setenv("PVTT_DEVICE", "cpu")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def predictor(tiny_models):
    os.environ["PVTT_MODELS"] = str(tiny_models)
    return load_predictor(SAM, "cpu")


def settings(**own):
    stage = stage_defaults("segmentation") | {"backend": "sam2", "sampled_frames": 4}
    stage["sam2"] |= {"model": SAM, "detector": DETECTOR} | own
    return stage


def disc(x, y, radius, size=(HEIGHT, WIDTH)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def paint(shapes, size=(HEIGHT, WIDTH)):
    """Frames of a mottled grey ground with red shapes, one list of masks a frame, and their masks (n, h, w)."""
    grain = np.random.default_rng(0).integers(0, 12, (*size, 1))
    frames = np.repeat((np.array([140, 150, 160]) + grain).astype(np.uint8)[None], len(shapes), axis=0)
    union = np.stack([np.any(planes, axis=0) for planes in shapes])
    frames[union] = RED
    return frames, union


# ---------------------------------------------------------------- a model that sees perfectly


class Colour:
    """Stand-in for `sam2_predictor.Predictor`: masks are the red pixels, in a box or near where they were prompted.

    Like a segmenter it fills rings at first, and leaves out what holds a point outside when it is asked again.
    """

    def __init__(self):
        self.calls = []

    def start(self, clip, offload_video, offload_state):
        return {"clip": clip, "prompts": {}}

    def masks_of_box(self, state, place, box, outside=(), logits=None):
        self.calls.append(("box", place, tuple(map(round, box)), len(outside)))
        image = state["clip"].image(place)
        inside = np.zeros(image.shape[:2], bool)
        inside[max(0, round(box[1])) : round(box[3]), max(0, round(box[0])) : round(box[2])] = True
        red = (image == RED).all(2) & inside
        if outside:
            return red[None], np.array([0.95]), red[None]
        import cv2

        contours, _ = cv2.findContours(red.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = cv2.drawContours(np.zeros(red.shape, np.uint8), contours, -1, 1, -1) > 0
        part = red & (np.arange(red.shape[1]) < (box[0] + box[2]) / 2)
        return np.stack([part, filled]), np.array([0.95, 0.9]), np.stack([part, filled])

    def add_mask(self, state, place, number, mask):
        self.calls.append(("mask", place, number))
        state["prompts"][number] = (place, mask)

    def propagate(self, state, start, reverse):
        self.calls.append(("follow", start, reverse, len(state["clip"])))
        import cv2

        clip = state["clip"]
        last = [mask for _, mask in state["prompts"].values()]
        for place in range(start, -1, -1) if reverse else range(start, len(clip)):
            labels = cv2.connectedComponents((clip.image(place) == RED).all(2).astype(np.uint8))[1]
            planes = []
            for before in last:
                wide = cv2.dilate(before.astype(np.uint8), np.ones((31, 31), np.uint8)) > 0
                touched = [one for one in np.unique(labels[wide]) if one and (labels[before] == one).any()]
                touched = touched or [one for one in np.unique(labels[wide]) if one][:1]
                planes.append(np.isin(labels, touched) if touched else np.zeros(labels.shape, bool))
            last = [now if now.any() else before for now, before in zip(planes, last, strict=True)]
            yield place, np.stack(planes), np.array([0.9 if plane.any() else 0.0 for plane in planes])


class Boxes:
    """Stand-in for the detector: the boxes of the red parts of each frame, with one score."""

    def __init__(self, score=0.6, spare=()):
        self.score, self.spare, self.texts = score, spare, []

    def detect(self, frames, text, threshold):
        import cv2

        self.texts.append(text)
        found = []
        for number, frame in frames:
            stats = cv2.connectedComponentsWithStats((frame == RED).all(2).astype(np.uint8))[2][1:]
            if number not in self.spare and self.score >= threshold:
                found += [Candidate(number, (x, y, x + w, y + h), self.score) for x, y, w, h, _ in stats.tolist()]
        return found


def perfect(score=0.6, spare=(), **own):
    backend = Backend(settings(**own))
    backend._detector, backend._model = Boxes(score, spare), Colour()
    return backend


def test_a_good_model_gives_exact_masks_and_evidence():
    frames, truth = paint([[disc(40 + 6 * t, 60, 20)] for t in range(10)])
    backend = perfect()
    result = backend.segment(frames, [], "ring. gold ring for women.")
    assert np.array_equal(result.masks, truth[None])
    assert backend._detector.texts == ["ring. gold ring."]
    evidence = result.evidence
    assert (evidence["agreement"], evidence["round_trip"], evidence["box_score"]) == (1, 1, 0.6)
    assert (evidence["weak_box"], evidence["detected_share"], evidence["objects"]) == (0, 1, 1)
    assert result.confidence == pytest.approx(0.9)


def test_masks_are_carried_both_ways_from_the_best_frame():
    shapes = [[disc(12 * t, 60, 20)] for t in range(12)]
    frames, truth = paint(shapes)
    backend = perfect(checked_frames=0, round_trip_frames=0)
    result = backend.segment(frames, [], "")
    best = int(result.evidence["best_frame"])
    assert 1 < best < 11  # in the first frames the border cuts the product
    assert ("mask", best, 1) in backend._model.calls
    follows = [call for call in backend._model.calls if call[0] == "follow"]
    assert follows == [("follow", best, False, 12), ("follow", best, True, 12)]
    assert np.array_equal(result.masks[0], truth)
    assert "round_trip" not in result.evidence and "agreement" not in result.evidence


def test_the_mask_that_fills_its_box_is_taken_rather_than_a_part_of_higher_score():
    frames, truth = paint([[disc(80, 60, 25)]])
    assert np.array_equal(perfect().segment(frames, [], "mug.").masks[0], truth)


def test_the_inside_of_a_ring_is_ground():
    frames, truth = paint([[disc(80 + t, 60, 40) & ~disc(80 + t, 60, 26)] for t in range(4)])
    backend = perfect()
    result = backend.segment(frames, [], "ring. gold ring.")
    assert np.array_equal(result.masks[0], truth)
    assert result.evidence["opening_points"] == 1
    filled = perfect().segment(frames, [], "watch.")
    assert filled.evidence["opening_points"] == 0


def test_two_earrings_are_two_objects():
    shapes = [[disc(45 + 2 * t, 60, 16), disc(110 + 2 * t, 60, 15)] for t in range(6)]
    frames, _ = paint(shapes)
    masks = perfect().segment(frames, [], "earrings.").masks
    assert len(masks) == 2
    for t, planes in enumerate(shapes):
        assert [np.array_equal(masks[k, t], planes[k]) for k in range(2)] == [True, True]
    assert len(perfect(max_objects=1).segment(frames, [], "").masks) == 1


def test_a_small_product_is_segmented_through_a_window_and_pasted_back():
    frames, truth = paint([[disc(30 + 5 * t, 50, 5)] for t in range(16)])
    assert truth.mean() < 0.01
    backend = perfect()
    result = backend.segment(frames, [], "ring.")
    assert result.evidence["window_px"] == 64
    assert np.array_equal(result.masks[0], truth)
    assert result.evidence["agreement"] == 1 and result.evidence["round_trip"] == 1
    whole = perfect(small_product_share=0).segment(frames, [], "ring.")
    assert whole.evidence["window_px"] == 0


def test_a_product_that_leaves_has_empty_masks_and_no_confidence():
    frames, truth = paint([[disc(80 + 14 * t, 60, 20)] for t in range(10)])
    result = perfect().segment(frames, [], "")
    assert not truth[-1].any()
    assert np.array_equal(result.masks[0], truth)
    assert (result.confidence > 0).tolist() == truth.any((1, 2)).tolist()


def test_a_clip_without_a_box_is_rejected_with_the_reason(tmp_path):
    frames, _ = paint([[disc(80, 60, 20)]] * 3)
    result = perfect(score=0.1).segment(frames, [], "ring. gold ring.")
    assert result.masks.shape == (0, 3, HEIGHT, WIDTH)
    assert result.note == "no box for 'ring. gold ring.' scores 0.2 or more in 4 sampled frames"


def test_a_weak_box_is_taken_and_said_so():
    frames, truth = paint([[disc(80, 60, 20)]] * 3)
    result = perfect(score=0.25).segment(frames, [], "")
    assert np.array_equal(result.masks[0], truth)
    assert result.evidence["weak_box"] == 1 and "agreement" not in result.evidence


def test_frames_without_a_detection_do_not_count_against_it():
    frames, _ = paint([[disc(80, 60, 20)]] * 8)
    result = perfect(spare=(1, 3)).segment(frames, [], "")
    assert result.evidence["detected_share"] == 0.5
    assert result.evidence["best_frame"] == 5


def test_the_stage_accepts_good_masks(tmp_path, monkeypatch):
    frames, _ = paint([[disc(150 + 4 * t, 150, 50, (288, 384))] for t in range(8)], (288, 384))
    clip(tmp_path, frames)
    monkeypatch.setattr(Backend, "load", lambda self, device: self.__dict__.update(_detector=Near(), _model=Reddish()))
    segment_clip(tmp_path, [], "Red Disc", settings(), category="toys", subcategory="disc")
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    assert judge_mask(MeasuredMasks.of(record), LIMITS).status == "accepted"
    assert record["measures"]["agreement"] > 0.95
    assert (record["provenance"]["backend"], record["provenance"]["settings"]["sam2"]["model"]) == ("sam2", SAM)


class Reddish(Colour):
    """As `Colour`, of frames that were encoded."""

    def start(self, seen, *flags):
        exact = np.where(is_red(seen.frames)[..., None], np.array(RED, np.uint8), np.uint8(128))
        return super().start(CroppedVideo(exact, seen.numbers, seen.corners, seen.side), *flags)


class Near(Boxes):
    """As `Boxes`, of frames that were encoded."""

    def detect(self, frames, text, threshold):
        exact = [(n, np.where(is_red(f)[..., None], np.array(RED, np.uint8), np.uint8(128))) for n, f in frames]
        return super().detect(exact, text, threshold)


def is_red(frames):
    return (frames[..., 0] > 150) & (frames[..., 1] < 100)


# ---------------------------------------------------------------- real architectures, random weights


def loaded(**own):
    backend = Backend(settings(**own))
    assert backend.problems() == []
    backend.load("cpu")
    return backend


def test_no_detection_of_the_real_detector_is_no_product():
    frames, _ = paint([[disc(40, 50, 20)]] * 2)
    result = loaded(fallback_threshold=1, box_threshold=1).segment(frames, [], "")
    assert len(result.masks) == 0 and "no box for 'product.'" in result.note


def test_detected_boxes_lie_inside_the_frame():
    frames, _ = paint([[disc(40, 50, 20)]])
    found = loaded()._detector.detect([(3, frames[0])], "gold ring.", 0.0)
    assert found and all(one.number == 3 and 0 < one.score <= 1 for one in found)
    assert all(0 <= one.box[0] < one.box[2] <= WIDTH and 0 <= one.box[1] < one.box[3] <= HEIGHT for one in found)


def test_masks_equal_upstreams_video_predictor_and_memory_is_bounded(predictor, tmp_path):
    frames, _ = paint([[disc(20 + 3 * t, 60, 18)] for t in range(44)])
    for number, frame in enumerate(frames):
        images.write_png(tmp_path / f"{number}.png", frame)
        (tmp_path / f"{number}.png").rename(tmp_path / f"{number:03}.jpg")  # Pillow looks at what is in a file
    start, masks = 20, np.stack([disc(80, 60, 18), disc(120, 90, 12)])

    state = predictor.model.init_state(str(tmp_path))
    for number, mask in enumerate(masks, 1):
        predictor.add_mask(state, start, number, mask)
    expected = np.zeros((2, 44, HEIGHT, WIDTH), bool)
    for reverse in (False, True):
        for place, _, logits in predictor.model.propagate_in_video(state, start_frame_idx=start, reverse=reverse):
            expected[:, place] = (logits[:, 0] > 0).numpy()
    whole = len(state["output_dict_per_obj"][0]["non_cond_frame_outputs"])

    state = predictor.start(CroppedVideo(frames))
    for number, mask in enumerate(masks, 1):
        predictor.add_mask(state, start, number, mask)
    found, held, order = np.zeros_like(expected), [], []
    for reverse in (False, True):
        for place, planes, quality in predictor.propagate(state, start, reverse):
            found[:, place] = planes
            assert quality.shape == (2,)
            order.append(place)
            held.append(len(state["output_dict_per_obj"][1]["non_cond_frame_outputs"]))
    assert order == [*range(20, 44), *range(20, -1, -1)]
    assert np.array_equal(found, expected)
    assert whole == 43 and max(held) <= 36 and len(state["cached_features"]) == 1
    assert not state["images"]._cached
    assert 0 < expected.mean() < 1


def test_long_clips_hold_no_more_than_short_ones(predictor):
    frames, _ = paint([[disc(20 + t, 60, 18)] for t in range(70)])
    state = predictor.start(CroppedVideo(frames), offload_state=True)
    predictor.add_mask(state, 0, 1, disc(20, 60, 18))
    for _ in predictor.propagate(state, 0, False):
        pass
    kept = state["output_dict_per_obj"][0]["non_cond_frame_outputs"]
    assert len(kept) <= 33
    assert state["storage_device"].type == "cpu"


def test_frames_kept_on_the_device_are_the_same(predictor):
    frames, _ = paint([[disc(40, 60, 18)]] * 2)
    kept = predictor.start(CroppedVideo(frames), offload_video=False)["images"]
    lazy = predictor.start(CroppedVideo(frames))["images"]
    assert torch.equal(kept[1], lazy[1]) and torch.equal(kept[1], lazy[1])
    assert list(kept._cached) == [1] and kept._cached[1].dtype == torch.uint8
    assert lazy[0].shape == (3, 128, 128) and lazy[0].dtype == torch.float32


def stand_in_torchvision():
    """The two image transforms that upstream's image predictor takes of torchvision, which CPU torch lacks."""

    class Resize(torch.nn.Module):
        def __init__(self, size):
            super().__init__()
            self.size = size

        def forward(self, x):
            return torch.nn.functional.interpolate(x[None], self.size, mode="bilinear", antialias=True)[0]

    class Normalize(torch.nn.Module):
        def __init__(self, mean, std):
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean)[:, None, None])
            self.register_buffer("std", torch.tensor(std)[:, None, None])

        def forward(self, x):
            return (x - self.mean) / self.std

    transforms = types.ModuleType("torchvision.transforms")
    transforms.Resize, transforms.Normalize = Resize, Normalize
    transforms.ToTensor = lambda: lambda image: torch.from_numpy(image).permute(2, 0, 1) / 255
    package = types.ModuleType("torchvision")
    package.transforms = transforms
    return {"torchvision": package, "torchvision.transforms": transforms}


def test_the_masks_of_a_box_equal_upstreams_image_predictor(predictor, monkeypatch):
    if "torchvision" not in sys.modules:
        for name, module in stand_in_torchvision().items():
            monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(torch.jit, "script", lambda module: module)
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    # At the model's own size no resizing blurs the comparison.
    frame = paint([[disc(60, 50, 30, (128, 128))]], (128, 128))[0][0]
    upstream = SAM2ImagePredictor(predictor.model)
    upstream._bb_feat_sizes = [(32, 32), (16, 16), (8, 8)]
    upstream.set_image(frame)
    box = np.array([30, 20, 90, 80])
    masks, ious, low = upstream.predict(box=box, multimask_output=True)
    state = predictor.start(CroppedVideo(frame[None]))
    ours, our_ious, our_low = predictor.masks_of_box(state, 0, tuple(box))
    assert ours.shape == (3, 128, 128) and ious == pytest.approx(our_ious, abs=1e-5)
    assert np.allclose(low, our_low.numpy(), atol=1e-4)
    assert (masks.astype(bool) == ours).mean() > 0.9999

    points = np.array([[60, 50]])
    masks, ious, low = upstream.predict(points, np.array([0]), box=box, mask_input=low[:1], multimask_output=False)
    ours, our_ious, again = predictor.masks_of_box(state, 0, tuple(box), [(60, 50)], our_low[0])
    assert ours.shape == (1, 128, 128) and ious == pytest.approx(our_ious, abs=1e-5)
    assert np.allclose(low, again.numpy(), atol=1e-4)


def test_a_missing_checkpoint_is_named_before_anything_is_loaded(tmp_path, tiny_models, monkeypatch):
    entries = {SAM: tiny_sam.ENTRY, DETECTOR: tiny_detector.ENTRY}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump(entries))
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    problems = Backend(settings()).problems()
    assert any("sam2.1_hiera_tiny.pt is missing; run: pvtt models fetch" in problem for problem in problems)
    assert any("model.safetensors" in problem for problem in problems)
    with pytest.raises(registry.ModelError, match=r"config\.json is missing"):
        Backend(settings()).load("cpu")


def test_an_entry_without_a_configuration_is_refused(tmp_path, tiny_models, monkeypatch):
    (tmp_path / "own").symlink_to(tiny_models / SAM)
    entry = {key: value for key, value in tiny_sam.ENTRY.items() if key != "config"}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"own": entry}))
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    with pytest.raises(registry.ModelError, match="needs one"):
        load_predictor("own", "cpu")


# ---------------------------------------------------------------- through the stage


def clip(folder, frames):
    video.write_video(folder / "video.mp4", frames, Fraction(25))
    size = {"width": frames.shape[2], "height": frames.shape[1], "fps": "25/1", "n_frames": len(frames)}
    clip_record("A1_s01", **size).write(folder / "clip.json")


def test_the_stage_follows_the_mug_of_the_demo_with_a_model_that_was_taught_it(tmp_path, tiny_models, monkeypatch):
    truth = video.read_masks(DEMO / "truth" / "clips" / "mug_blue_s01" / "masks.mkv").any(0)
    frames = video.read_video(DEMO / "videos" / "mug_blue.mp4", 0, len(truth))
    assert frames.shape[:3] == truth.shape
    tiny_sam.build(tmp_path / SAM, lessons=[(frames, truth)])
    (tmp_path / DETECTOR).symlink_to(tiny_models / DETECTOR)
    (tmp_path / "models.yaml").write_text((tiny_models / "models.yaml").read_text())
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    clip(tmp_path, frames[:20])
    segment_clip(tmp_path, [], "Stoneware Mug", settings(max_objects=1), category="kitchen", subcategory="mug")
    record = json.loads((tmp_path / "mask_measures.json").read_text())
    track = json.loads((tmp_path / "track.json").read_text())
    masks = video.read_masks(tmp_path / "masks.mkv")
    assert judge_mask(MeasuredMasks.of(record), LIMITS).status == "accepted"
    assert masks.shape == (1, *frames[:20].shape[:3])
    shared = [(a & b).sum() / (a | b).sum() for a, b in zip(masks[0], truth, strict=False)]
    assert min(shared) > 0.8
    assert track["n_frames"] == 20 and all(frame["visible"] for frame in track["frames"])
    assert {"box_score", "predicted_iou", "confidence", "agreement", "round_trip"} <= set(record["measures"])
    assert record["provenance"]["backend"] == "sam2"

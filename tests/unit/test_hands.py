"""Hands: anchors, boxes and squares by formula, the evidence about masks, and the real networks where they are."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.backends.registry import stage_version
from pvtt.backends.requirements import check_requirements
from pvtt.config.settings import SettingsError, resolve, stage_defaults
from pvtt.io import video
from pvtt.models import hands as networks
from pvtt.models import registry
from pvtt.models.hands import Hand, decode_palms, palm_anchors, square_of_hand, suppress_overlaps
from pvtt.records.results import MeasuredMasks
from pvtt.stages.segmentation import hands, segment_clip, used_backends
from pvtt.stages.segmentation.base import Segmentation
from pvtt.stages.segmentation.hands import HandEvidence
from synthetic.records import clip_record

WITH = {"hands": "mediapipe"}


def test_anchors_are_the_cells_centres_row_by_row():
    anchors = palm_anchors()
    assert anchors.shape == (2016, 2)  # 24 x 24 x 2 + 12 x 12 x 6, as the network's output
    assert anchors[:4].tolist() == [[4, 4], [4, 4], [12, 4], [12, 4]]
    assert anchors[48].tolist() == [4, 12]  # the second row of the fine grid
    assert anchors[1152:1159].tolist() == [[8, 8]] * 6 + [[24, 8]] and anchors[-1].tolist() == [184, 184]


def test_offsets_are_decoded_from_the_anchors():
    raw = np.zeros((3, 18), np.float32)
    raw[1] = [3, -2, 20, 40, *range(14)]
    points, scores = decode_palms(raw, np.array([-5, 2, -200], np.float32), np.full((3, 2), 100, np.float32))
    assert scores == pytest.approx([1 / (1 + np.exp(-2))])
    assert points[0, :2].tolist() == [[93, 78], [113, 118]]
    assert points[0, 2:].tolist() == [[100 + k, 101 + k] for k in range(0, 14, 2)]


def test_the_better_of_two_overlapping_boxes_stays():
    boxes = [(0, 0, 10, 10), (1, 0, 11, 10), (50, 50, 60, 60)]
    assert suppress_overlaps(boxes, [0.6, 0.9, 0.7]) == [1, 2]
    assert suppress_overlaps([], []) == []


@pytest.mark.parametrize(("wrist", "finger"), [((50, 80), (50, 40)), ((30, 60), (70, 60)), ((70, 40), (40, 70))])
def test_the_square_is_turned_so_that_fingers_point_up(wrist, finger):
    palm = np.zeros((9, 2), np.float32)
    palm[0], palm[1], palm[2], palm[4] = (30, 40), (70, 80), wrist, finger
    to_square = square_of_hand(palm)
    (x0, y0), (x1, y1) = cv2.transform(np.array([[wrist, finger]], np.float64), to_square)[0]
    size = 224 / (2.6 * 40)  # px of the square to one of the picture
    assert x0 == pytest.approx(x1) and y0 - y1 == pytest.approx(size * np.hypot(*np.subtract(finger, wrist)))
    middle = cv2.transform(np.array([[[50, 60]]], np.float64), to_square)[0, 0]
    assert middle == pytest.approx([112, 112 + size * 20])  # half the palm's height below the square's centre


class Everywhere:
    """Stands for the networks: a hand in the upper left corner of frames with a red pixel there."""

    def __init__(self):
        self.looked = 0

    def find(self, image):
        self.looked += 1
        landmarks = np.zeros((21, 2), np.float32)
        return [Hand((0.0, 0.0, 40.0, 30.0), 0.9, landmarks)] if image[0, 0, 0] > 150 else []


@pytest.fixture
def stand_in(monkeypatch):
    stand_in = Everywhere()
    monkeypatch.setattr(hands, "Hands", lambda: stand_in)
    return stand_in


def scene(n_frames=12):
    frames, mask = np.full((n_frames, 96, 128, 3), 90, np.uint8), np.zeros((1, n_frames, 96, 128), bool)
    frames[:5, 0, 0, 0] = 200
    mask[:, :, 20:60, 39:80] = True
    return frames, mask


def test_the_share_counts_hands_that_overlap_the_product(stand_in):
    evidence = HandEvidence(stage_defaults("segmentation") | WITH)
    evidence.load("cpu")
    frames, mask = scene()
    assert evidence.share(frames, mask) == 0.5 and stand_in.looked == 6  # frames 0, 2, 4 of 0, 2, 4, 7, 9, 11
    assert evidence.share(frames, np.roll(mask, 1, 3)) == 0.0  # from column 40 on, where the hand's box ends
    mask[:, 5:] = False
    assert evidence.share(frames, mask) == 1.0


def test_the_stage_records_the_measure(stand_in, tmp_path, monkeypatch):
    frames, mask = scene()
    video.write_video(tmp_path / "video.mp4", frames, Fraction(25))
    clip_record("A1_s01", fps="25/1", width=128, height=96, n_frames=12).write(tmp_path / "clip.json")
    monkeypatch.setattr(
        "pvtt.stages.segmentation.classical.Backend.segment", lambda *given: Segmentation(mask, np.ones(12))
    )
    monkeypatch.setattr(stand_in, "find", lambda image: [Hand((0, 0, 50, 50), 0.9, np.zeros((21, 2), np.float32))])
    segment_clip(tmp_path, [], "", stage_defaults("segmentation") | WITH)
    record = MeasuredMasks.read(tmp_path / "mask_measures.json")
    assert record.measures["hands"] == 1.0 and record.provenance.measured_by.endswith("hands mediapipe 1")
    segment_clip(tmp_path, [], "", stage_defaults("segmentation"))
    record = MeasuredMasks.read(tmp_path / "mask_measures.json")
    assert "hands" not in record.measures and "hands" not in record.provenance.measured_by


def test_the_networks_are_checked_before_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    chosen = resolve({"segmentation": WITH})
    assert [part.name for part in used_backends(chosen["segmentation"])] == ["classical", "hands"]
    assert any("pvtt models fetch mediapipe-hands" in text for text in check_requirements(chosen))
    assert "mediapipe-hands@" in stage_version("segmentation", chosen["segmentation"])
    both = resolve({"segmentation": WITH | {"second_opinion": "u2net"}})["segmentation"]
    assert [part.name for part in used_backends(both)] == ["classical", "second_opinion", "hands"]
    with pytest.raises(SettingsError, match="hands"):
        resolve({"segmentation": {"hands": "openpose"}})


def test_a_file_that_is_no_network(tmp_path):
    (tmp_path / "palm_detection_full.tflite").write_bytes(b"no network")
    with pytest.raises(registry.ModelError, match="fetch it again"):
        networks.Hands(tmp_path)


def painted_hand(size=320):
    """A flat hand, fingers up, in one skin colour on blue: crude, but the networks take it for one."""
    image = np.full((size, size, 3), (60, 90, 150), np.uint8)
    skin = (224, 172, 140)
    cv2.ellipse(image, (160, 210), (48, 56), 0, 0, 360, skin, -1)
    cv2.rectangle(image, (128, 240), (192, 319), skin, -1)
    tips = [(118, 70), (146, 48), (174, 52), (200, 82)]
    for (x, y), root in zip(tips, [(124, 180), (148, 170), (172, 170), (194, 182)], strict=True):
        cv2.line(image, root, (x, y), skin, 22)
    cv2.line(image, (196, 230), (248, 168), skin, 26)
    return cv2.GaussianBlur(image, (0, 0), 1.5)


@pytest.fixture(scope="module")
def real():
    if registry.problems(networks.MODEL):
        pytest.skip("the networks are not there: pvtt models fetch mediapipe-hands")
    return networks.Hands()


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_painted_hand_is_found_however_it_is_turned(real, turns):
    image = np.ascontiguousarray(np.rot90(painted_hand(), turns))
    (hand,) = real.find(image)
    assert hand.score > 0.5 and hand.landmarks.shape == (21, 2)
    x0, y0, x1, y1 = hand.box
    true = np.rot90(np.pad(np.ones((220, 150)), ((40, 60), (95, 75))), turns) > 0  # palm and fingers
    rows, columns = np.flatnonzero(true.any(1)), np.flatnonzero(true.any(0))
    inter = max(0, min(x1, columns[-1]) - max(x0, columns[0])) * max(0, min(y1, rows[-1]) - max(y0, rows[0]))
    assert inter / ((x1 - x0) * (y1 - y0) + true.sum() - inter) > 0.5


def test_a_picture_without_a_hand(real):
    assert real.find(np.full((200, 300, 3), 128, np.uint8)) == []

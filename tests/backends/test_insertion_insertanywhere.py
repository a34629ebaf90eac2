"""InsertAnywhere with tiny weights: its LoRA, and masks warped by the scene."""

import cv2
import numpy as np
import pytest

from backends.tiny import vace as tiny
from backends.vace_clips import (
    clip,
    cutout,
    ground,
    inserted,
    models_folder,
    request_of,
    settings_of,
    skip_without_packages,
    use,
)
from pvtt.imaging.geometry import apply, box_of, similarity
from pvtt.models.registry import ModelError
from pvtt.stages.insertion.insertanywhere import LORA, Backend
from pvtt.stages.insertion.mask_warping import estimate_mask_motion, warp_outline
from pvtt.stages.insertion.trajectory import estimate_trajectory
from pvtt.stages.wan.engine import Engine

skip_without_packages()

MODEL = "wan2.1-vace-14b"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = models_folder(tmp_path_factory.mktemp("models"), MODEL)
    tiny.build_lora(folder / LORA)
    tiny.register(folder, {LORA: [tiny.LORA_FILE]})
    return folder


def backend(**changes):
    return Backend(settings_of("insertion", "insertanywhere", **changes))


def test_the_lora_changes_the_result_and_is_counted(home, monkeypatch):
    use(monkeypatch, home)
    parts, plain, led = clip(5), backend(), backend()
    plain.engine = Engine(MODEL, plain.own, "cpu")
    led.load()
    without, _, none = inserted(plain, request_of(parts))
    frames, _, insertion = inserted(led, request_of(parts))
    again, _, _ = inserted(led, request_of(parts))
    assert insertion.measures["merged_layers"] == 16 and none.measures["merged_layers"] == 0
    assert np.array_equal(frames, again) and not np.array_equal(frames, without)
    assert led.needs == (MODEL, LORA) and led.files == () and led.problems() == []


def test_a_lora_by_path(home, monkeypatch, tmp_path):
    use(monkeypatch, home)
    tiny.build_lora(tmp_path)
    by_path = backend(lora=str(tmp_path / tiny.LORA_FILE))
    assert by_path.needs == (MODEL,) and by_path.files == (str(tmp_path / tiny.LORA_FILE),)
    by_path.load()
    assert by_path.engine.merged == 16
    gone = backend(lora=str(tmp_path / "gone.safetensors"))
    assert "there is no file" in gone.problems()[-1]
    with pytest.raises(ModelError, match="there is no file"):
        gone.load()


def test_a_lora_of_another_model_is_refused(home, monkeypatch, tmp_path):
    use(monkeypatch, home)
    tiny.build_lora(tmp_path, heads=4)
    with pytest.raises(ModelError, match="0 of its 16 layers fit the model"):
        backend(lora=str(tmp_path / tiny.LORA_FILE)).load()


def test_an_unreleased_lora_is_said_to_be_so(tmp_path, monkeypatch):
    use(monkeypatch, models_folder(tmp_path, MODEL))
    tiny.register(tmp_path, {LORA: []})
    with pytest.raises(ModelError, match="not released"):
        backend().load()


@pytest.mark.parametrize(("n", "size"), [(1, (64, 96)), (11, (101, 67))])
def test_shapes(home, monkeypatch, n, size):
    use(monkeypatch, home)
    led = backend()
    led.load()
    parts = clip(n, size, leaves=8)
    frames, seen, insertion = inserted(led, request_of(parts, cutout(30, 60)))
    assert frames.shape == parts[0].shape and seen.shape == parts[2].shape
    assert insertion.boxes[8:] == [None] * max(0, n - 8)
    assert np.array_equal(frames[8:], parts[0][8:])


# ---------------------------------------------------------------- geometry

W, H, N = 256, 192, 10


def panned(own_step=0.0):
    """A camera that pans, turns and nears over a table with a product that stands, or slides by itself."""
    table, background, masks, boxes, moves = ground(3 * H, 3 * W), [], [], [], []
    for index in range(N):
        move = similarity(1 + 0.01 * index, 0.004 * index, (3.0 * index, 1.5 * index), (W / 2, H / 2))
        start = np.array([[1, 0, -W], [0, 1, -H], [0, 0, 1.0]])
        background.append(cv2.warpPerspective(table, move @ start, (W, H), flags=cv2.INTER_LINEAR))
        corners = np.array([[90, 70], [130, 70], [130, 110], [90, 110]], float) + np.array([own_step * index, 0])
        there = apply(move, corners)
        mask = np.zeros((H, W), np.uint8)
        cv2.fillPoly(mask, [np.rint(there).astype(np.int32)], 1)
        masks.append(mask > 0)
        boxes.append(tuple(map(float, box_of(masks[-1]))))
        moves.append(move)
    return background, np.stack(masks), boxes, np.stack(moves)


def motion_of(own_step):
    background, masks, boxes, moves = panned(own_step)
    path = estimate_trajectory("boxes", boxes, np.zeros((0, N, 2)), (W, H), 2.0)
    return estimate_mask_motion(lambda: iter(background), masks, boxes, path), masks, moves


def test_a_standing_product_s_mask_moves_with_the_ground():
    motion, masks, moves = motion_of(0.0)
    assert not motion.moves and motion.first == 0
    corners = np.array([[90, 70], [130, 110]], float)
    for index in range(N):
        assert np.abs(apply(motion.transforms[index], corners) - apply(moves[index], corners)).max() < 1.0
    alpha = np.full((40, 40), 255, np.uint8)
    drawn = list(warp_outline(alpha, ((110.5, 90.5), (41.0, 41.0), 0.0), motion, (H, W)))
    for outline, mask in zip(drawn, masks, strict=True):
        assert (outline & mask).sum() / (outline | mask).sum() > 0.9


def test_a_product_that_moves_by_itself_is_followed():
    motion, masks, _ = motion_of(8.0)
    assert motion.moves
    alpha = np.full((40, 40), 255, np.uint8)
    for outline, mask in zip(
        warp_outline(alpha, ((110.5, 90.5), (41.0, 41.0), 0.0), motion, (H, W)), masks, strict=True
    ):
        assert (outline & mask).sum() / (outline | mask).sum() > 0.75


@pytest.mark.parametrize(("own_step", "moves"), [(0.4, False), (1.6, True)])
def test_a_product_moves_from_a_seventh_of_its_size_on(own_step, moves):
    # A product of 41 px that slides by 3.6 px in all stands, one that slides by 14.4 px moves.
    assert motion_of(own_step)[0].moves is moves


def test_the_mask_has_the_new_product_s_outline(home, monkeypatch):
    use(monkeypatch, home)
    led = backend()
    led.load()
    parts = clip(3, (192, 128), side=40, step=0)
    measures = {}
    place = next(iter(led.placement_masks(request_of(parts, cutout(80, 40)), measures)))
    box = box_of(place)
    assert (box[2] - box[0]) / (box[3] - box[1]) == pytest.approx(2, rel=0.1)
    assert measures["moves_in_scene"] is False and measures["merged_layers"] == 16 and measures["lora"]

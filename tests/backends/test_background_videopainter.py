"""VideoPainter's backend: the runner as a real process against a stand-in of its packages, windows, crop and grid."""

import json

import jsonschema
import numpy as np
import pytest
import yaml

from backends.clips import scene, write_clip
from backends.tiny.videopainter import build, build_weights
from pvtt.config.settings import load_schema, stage_defaults
from pvtt.io.images import write_png
from pvtt.io.video import count_frames
from pvtt.metrics import psnr
from pvtt.models.registry import ModelError
from pvtt.stages.background import remove_product
from pvtt.stages.background.base import RemovalError
from pvtt.stages.background.videopainter import Backend, InterpolatedFrames, latent_masks
from pvtt.stages.background.videopainter.crop_window import CropWindow
from pvtt.stages.background.videopainter.grid import GridMeter, grid_excess
from pvtt.stages.background.videopainter.runner import faded_in, window_starts

OVERLAP = 9
BRANCH = "VideoPainter/checkpoints/branch"


@pytest.fixture
def home(tmp_path, monkeypatch):
    models = tmp_path / "models"
    build(tmp_path / "checkout")
    build_weights(models / "videopainter", models / "cogvideox-5b-i2v")
    common = {"repository": "tests/tiny", "commit": "0", "licence": "research only", "commercial": False}
    branch = [f"{BRANCH}/config.json", f"{BRANCH}/diffusion_pytorch_model.safetensors"]
    listed = {"videopainter": common | {"files": branch}, "cogvideox-5b-i2v": common | {"files": ["model_index.json"]}}
    (models / "models.yaml").write_text(yaml.safe_dump(listed))
    monkeypatch.setenv("PVTT_MODELS", str(models))
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "calls"))
    monkeypatch.setattr("pvtt.stages.background.videopainter._MODULES", ("numpy", "PIL"))
    return tmp_path


@pytest.fixture
def small(home, monkeypatch):
    """The same model of 9 frames of 96x64."""
    monkeypatch.setattr(Backend, "size", (96, 64))
    monkeypatch.setattr(Backend, "window", 9)
    monkeypatch.setattr(f"{__name__}.OVERLAP", 5)
    return home


def settings(home, **own) -> dict:
    defaults = stage_defaults("background")
    changes = {"checkout": str(home / "checkout"), "overlap_frames": OVERLAP} | own
    own_settings = {"videopainter": defaults["videopainter"] | changes}
    return defaults | {"backend": "videopainter", "shadow_extent": 0} | own_settings


def removed(home, frames, masks, **own):
    backend = Backend(settings(home, **own))
    backend.load("cpu")
    removal = backend.remove(lambda: iter(frames), masks)
    return np.stack(list(removal.frames)), removal


def calls(home) -> list[dict]:
    return [json.loads(line) for line in (home / "calls").read_text().splitlines()]


def test_the_stage_paints_49_frames_of_720x480_and_writes_clip_and_record(home):
    frames, masks, _ = scene(6, (96, 64), step=6, side=12)
    clip = write_clip(home / "clip", frames, masks)
    remove_product(clip, settings(home, frame_step=1, prompt="an empty table", steps=3), "cpu")
    record = json.loads((clip / "background.json").read_text())
    jsonschema.validate(record, load_schema("background"))
    assert record["status"] == "done", record["reason"]
    assert count_frames(clip / "background.mp4") == 6
    (call,) = calls(home)
    assert call == {"frames": 49, "height": 480, "width": 720, "seed": 0, "steps": 3, "prompt": "an empty table"}
    assert record["measures"]["painted_frames"] == 6 and record["measures"]["attempts"] == 1


@pytest.mark.parametrize(("n_frames", "step", "windows"), [(1, 1, 1), (9, 1, 1), (14, 1, 3), (23, 3, 1), (30, 2, 3)])
def test_clips_of_any_length_are_painted_in_windows(small, n_frames, step, windows):
    frames, masks, plain = scene(n_frames, (110, 80), step=3, side=12)
    result, removal = removed(small, frames, masks, frame_step=step)
    assert len(calls(small)) == windows
    assert result.shape == frames.shape and result.dtype == np.uint8
    assert np.array_equal(result[~removal.region], frames[~removal.region])
    assert (removal.region & masks).sum() == masks.sum()
    # One frame shows nothing of the hidden ground.
    assert psnr(result, np.broadcast_to(plain, result.shape), masks) > (18 if n_frames == 1 else 22)
    assert "flicker" in removal.measures and removal.measures["grid"] < 1.5


def test_a_grid_is_painted_again_with_another_seed(small, monkeypatch):
    monkeypatch.setenv("STANDIN", "grid once")
    monkeypatch.setattr(Backend, "size", (240, 160))
    frames, masks, _ = scene(9, (240, 160), step=2, side=90)
    _, removal = removed(small, frames, masks, frame_step=1)
    assert [call["seed"] for call in calls(small)] == [0, 1]
    assert removal.measures["attempts"] == 2 and removal.measures["grid"] < 1.5


def test_a_grid_that_stays_fails_the_clip(small, monkeypatch):
    monkeypatch.setenv("STANDIN", "grid")
    monkeypatch.setattr(Backend, "size", (240, 160))
    frames, masks, _ = scene(9, (240, 160), step=2, side=90)
    with pytest.raises(RemovalError, match=r"left a grid of 5\.\d+ grey levels.*max_grid 1\.5\), 2 times"):
        removed(small, frames, masks, frame_step=1)


@pytest.mark.parametrize(("misdeed", "says"), [("nan", "values that are no numbers"), ("memory", "CUDA out of memory")])
def test_a_misdeed_fails_the_clip_with_the_programs_own_words(small, monkeypatch, misdeed, says):
    monkeypatch.setenv("STANDIN", misdeed)
    frames, masks, _ = scene(9, (96, 64), step=6, side=12)
    with pytest.raises(RemovalError, match=says):
        removed(small, frames, masks, frame_step=1)


def test_what_is_missing_is_named_before_anything_runs(home):
    assert Backend(settings(home)).problems() == []
    (home / "models" / "videopainter" / BRANCH / "config.json").unlink()
    (problem,) = Backend(settings(home)).problems()
    assert "branch/config.json is missing; run: pvtt models fetch videopainter" in problem
    with pytest.raises(ModelError, match=r"config\.json is missing"):
        Backend(settings(home)).load()
    problems = Backend(settings(home, checkout=str(home / "nowhere"))).problems()
    assert any("background.videopainter.checkout" in problem for problem in problems)


# ---------------------------------------------------------------- grid, crop, masks, motion


@pytest.mark.parametrize("period", [8, 16])
def test_the_grid_measure_is_the_patterns_root_mean_square(period):
    random = np.random.default_rng(0)
    ramp = 100 + 0.1 * np.arange(160)[None, :] + 0.2 * np.arange(128)[:, None]
    wave = 4 * np.sin(2 * np.pi * np.arange(160) / period)[None, :]
    meter, clean = GridMeter(), GridMeter()
    everywhere = np.ones((128, 160), bool)
    for _ in range(4):
        noise = random.normal(0, 6, (128, 160))
        meter.add(np.repeat(np.rint(ramp + wave + noise)[..., None], 3, 2).clip(0, 255).astype(np.uint8), everywhere)
        clean.add(np.repeat(np.rint(ramp + noise)[..., None], 3, 2).clip(0, 255).astype(np.uint8), everywhere)
    assert meter.rms() == pytest.approx(4 / np.sqrt(2), abs=0.1)
    assert clean.rms() < 0.25


def test_a_texture_of_another_period_is_no_grid_and_a_small_region_cannot_tell():
    stripes = np.repeat((128 + 20 * np.sin(2 * np.pi * np.arange(320) / 11))[None, :, None], 192, 0).repeat(3, 2)
    stripes = stripes.astype(np.uint8)
    region = np.zeros((192, 320), bool)
    region[:, :176] = True
    inside, outside = grid_excess([stripes], region[None])
    assert inside < 1.5 and outside < 1.5
    region[:] = False
    region[40:60, 40:60] = True
    assert grid_excess([stripes], region[None])[0] == 0.0


@pytest.mark.parametrize("frame", [(1280, 720), (720, 1280), (600, 400), (96, 64), (1921, 1081)])
@pytest.mark.parametrize("where", [(0.0, 0.0), (0.4, 0.4), (0.8, 0.7)])
def test_a_crop_window_holds_the_box_and_gives_its_pixels_back(frame, where):
    x, y = int(where[0] * frame[0]), int(where[1] * frame[1])
    box = (x, y, min(frame[0], x + frame[0] // 5), min(frame[1], y + frame[1] // 4))
    window = CropWindow.around(box, frame, (720, 480))
    x0, y0, x1, y1 = window.box
    assert x0 <= box[0] and y0 <= box[1] and x1 >= box[2] and y1 >= box[3]
    assert (x1 - x0) / (y1 - y0) == pytest.approx(1.5, abs=0.02)
    rows, columns = np.mgrid[: frame[1], : frame[0]]
    image = np.stack([rows * 255 // frame[1], columns * 255 // frame[0], 0 * rows], 2).astype(np.uint8)
    seen = window.crop(image)
    assert seen.shape == (480, 720, 3)
    back = window.paste(seen, image)
    assert (
        np.abs(back[box[1] : box[3], box[0] : box[2]].astype(int) - image[box[1] : box[3], box[0] : box[2]]).max() <= 4
    )


def test_a_crop_window_of_its_own_size_is_a_plain_crop():
    image = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
    window = CropWindow.around((600, 300, 700, 400), (1280, 720), (720, 480))
    assert window.box == (290, 110, 1010, 590)
    assert np.array_equal(window.crop(image), image[110:590, 290:1010])
    assert np.array_equal(
        window.paste(window.crop(image), np.zeros_like(image))[110:590, 290:1010], image[110:590, 290:1010]
    )


def test_masks_become_whole_tokens_of_whole_latent_frames():
    masks = np.zeros((9, 32, 48), bool)
    masks[0, 0, 0] = masks[3, 17, 20] = masks[6, 31, 47] = True
    whole = latent_masks(masks[:7])
    assert whole[0].sum() == 256 and whole[0, :16, :16].all()
    assert all(whole[i].sum() == 256 and whole[i, 16:, 16:32].all() for i in (1, 2, 3, 4))
    assert all(whole[i].sum() == 256 and whole[i, 16:, 32:].all() for i in (5, 6))


def test_windows_cover_all_frames():
    assert [window_starts(n, 49, 9) for n in (1, 49, 50, 89, 90)] == [[0], [0], [0, 40], [0, 40], [0, 40, 80]]
    painted: dict[int, np.ndarray] = {}
    for start, level in ((0, 0), (3, 100)):
        faded_in(painted, start, np.full((5, 2, 2, 3), level, np.uint8))
    assert [int(painted[index][0, 0, 0]) for index in range(8)] == [0, 0, 0, 0, 50, 100, 100, 100]


def test_painted_ground_is_moved_by_the_cameras_motion(tmp_path):
    ground = np.random.default_rng(0).integers(0, 255, (64, 160, 3), np.uint8)
    motion = np.stack([np.array([[1.0, 0, 4 * i], [0, 1, 0], [0, 0, 1]]) for i in range(5)])
    paths = []
    for key in (0, 4):
        paths.append(tmp_path / f"{key}.png")
        write_png(paths[-1], ground[:, 4 * key : 4 * key + 96])
    frames = InterpolatedFrames(paths, [0, 4], CropWindow((0, 0, 96, 64), (96, 64)), motion, (96, 64))
    assert np.array_equal(frames(0), ground[:, :96]) and np.array_equal(frames(4), ground[:, 16:112])
    middle = slice(20, 76)
    assert np.abs(frames(2)[:, middle].astype(int) - ground[:, 8:104][:, middle]).max() <= 1

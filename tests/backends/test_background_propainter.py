"""ProPainter's backend against a stand-in of its program: same command line, folders and checks; and its misdeeds."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml

from backends.clips import scene, write_clip
from backends.tiny.propainter import build
from pvtt.backends import subprocess_runner
from pvtt.config.settings import load_schema, stage_defaults
from pvtt.config.stages.background import ProPainterSettings
from pvtt.io.video import count_frames
from pvtt.metrics import psnr
from pvtt.models.registry import ModelError
from pvtt.stages.background import remove_product
from pvtt.stages.background.base import RemovalError
from pvtt.stages.background.propainter import WEIGHTS, Backend
from pvtt.stages.background.propainter.chunks import chunk_weight, fit_to_network, make_plan, split_chunks, undo_fit

COMMIT = "e870e79321c31b733e2031af5aa2fb1fe3ac7eec"


@pytest.fixture
def home(tmp_path, monkeypatch):
    build(tmp_path / "models" / "propainter")
    common = {"repository": "sczhou/ProPainter", "commit": COMMIT, "licence": "S-Lab-1.0", "commercial": False}
    listed = {"propainter": common | {"files": list(WEIGHTS)}}
    (tmp_path / "models" / "models.yaml").write_text(yaml.safe_dump(listed))
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "calls"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("pvtt.stages.background.propainter._MODULES", ("cv2",))
    (tmp_path / "tmp").mkdir()
    return tmp_path


def settings(**own) -> dict:
    defaults = stage_defaults("background")
    changes = {"backend": "propainter", "shadow_extent": 0}
    return defaults | changes | {"propainter": defaults["propainter"] | own}


def removed(frames, masks, device="cpu", **own):
    backend = Backend(settings(**own))
    backend.load(device)
    removal = backend.remove(lambda: iter(frames), masks)
    result = np.stack(list(removal.frames))
    backend.close()
    return result, removal


def calls(home: Path) -> list[list[str]]:
    return [line.split() for line in (home / "calls").read_text().splitlines()]


@pytest.mark.parametrize("size", [(133, 66), (64, 140)])
def test_outside_the_region_the_source_stays_and_inside_the_ground_appears(home, size):
    frames, masks, plain = scene(10, size, step=4, side=12)
    result, removal = removed(frames, masks)
    assert result.dtype == np.uint8 and result.shape == frames.shape
    assert np.array_equal(result[~removal.region], frames[~removal.region])
    assert (removal.region & masks).sum() == masks.sum()
    assert psnr(result, np.broadcast_to(plain, result.shape), masks) > 28
    assert removal.measures["chunks"] == 1 and "seam" in removal.measures
    assert calls(home) == [["80", "False", "10", *(str(max(128, -(-side // 8) * 8)) for side in size)]]
    assert not list((home / "tmp").iterdir())


def test_one_frame_no_product_and_half_precision_on_a_gpu(home):
    frames, masks, _ = scene(1, (64, 48))
    result, _ = removed(frames, masks, device="cuda")
    assert len(result) == 1 and calls(home)[0][1:3] == ["True", "4"]
    same, removal = removed(frames, np.zeros_like(masks))
    assert np.array_equal(same, frames) and not removal.region.any()


def test_a_clip_too_long_for_the_memory_goes_in_chunks_that_fade(home, monkeypatch):
    plans = iter([[(0, 8), (5, 13)]])
    monkeypatch.setattr("pvtt.stages.background.propainter.chunks.split_chunks", lambda *a: next(plans))
    monkeypatch.setattr("pvtt.stages.background.propainter.chunks._KEPT_GB", 1.0)
    frames, masks, plain = scene(13, (80, 64), step=5, side=12)
    result, removal = removed(frames, masks)
    assert removal.measures["chunks"] == 2 and [call[2] for call in calls(home)] == ["8", "8"]
    assert np.array_equal(result[~removal.region], frames[~removal.region])
    assert psnr(result, np.broadcast_to(plain, result.shape), masks) > 25


def test_out_of_memory_is_tried_once_more_with_half_of_it(home, monkeypatch):
    monkeypatch.setenv("STANDIN", "memory")
    monkeypatch.setattr("pvtt.stages.background.propainter.chunks._WORKED_GB", 2e-5)
    frames, masks, _ = scene(6, (64, 48), step=2, side=10)
    removed(frames, masks, memory_gb=24.0)
    first, second = calls(home)
    assert int(first[0]) > 20 >= int(second[0])


def test_the_stage_writes_clip_and_record(home):
    frames, masks, _ = scene(8, (96, 64), step=3, side=12)
    clip = write_clip(home / "clip", frames, masks)
    remove_product(clip, settings(), "cpu")
    record = json.loads((clip / "background.json").read_text())
    jsonschema.validate(record, load_schema("background"))
    assert record["status"] == "done", record["reason"]
    assert count_frames(clip / "background.mp4") == 8


@pytest.mark.parametrize(
    ("misdeed", "says"),
    [
        ("crash", "ended with status 1.*first words.*the flow went over the edge"),
        ("few", "9 frames were written to frames/, not 10"),
        ("size", "frames/0000.png has 128x120 pixels, not 128x128"),
    ],
)
def test_a_misdeed_fails_the_clip_with_the_programs_own_words(home, monkeypatch, misdeed, says):
    monkeypatch.setenv("STANDIN", misdeed)
    frames, masks, _ = scene(10, (96, 64), step=3, side=12)
    with pytest.raises(RemovalError, match=f"(?s){says}"):
        removed(frames, masks)
    assert not list((home / "tmp").iterdir())


def test_a_failed_clip_is_a_record_with_the_reason(home, monkeypatch):
    monkeypatch.setenv("STANDIN", "crash")
    frames, masks, _ = scene(6, (64, 48), step=2, side=10)
    clip = write_clip(home / "clip", frames, masks)
    remove_product(clip, settings(), "cpu")
    record = json.loads((clip / "background.json").read_text())
    jsonschema.validate(record, load_schema("background"))
    assert record["status"] == "failed" and "over the edge" in record["reason"]
    assert (clip / "background.mp4").stat().st_size == 0


def test_a_package_that_is_missing_fails_the_run_and_not_the_clip(home, monkeypatch):
    monkeypatch.setenv("STANDIN", "import")
    frames, masks, _ = scene(6, (64, 48))
    with pytest.raises(subprocess_runner.ExternalError, match="package_that_is_not_there") as caught:
        removed(frames, masks)
    assert caught.value.installation


def test_a_program_that_hangs_is_ended_with_its_children(home, monkeypatch):
    monkeypatch.setenv("STANDIN", "hang")
    frames, masks, _ = scene(6, (64, 48))
    with pytest.raises(RemovalError, match=r"stopped after 2 s \(timeout_s\)"):
        removed(frames, masks, timeout_s=2)
    assert_ended(Path(f"{home}/calls.pids"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_when_we_are_ended_the_program_ends_too(home, how, tmp_path):
    code = "import sys; from pathlib import Path; from pvtt.backends import subprocess_runner as external; "
    code += "p = Path(sys.argv[1]); "
    code += "external.run([sys.executable, p / 'hang.py'], p, p / 'log', 60)"
    hang = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
    hang += (
        "open('pids.part', 'w').write(f'{os.getpid()} {child.pid}'); os.rename('pids.part', 'pids')\ntime.sleep(600)\n"
    )
    (tmp_path / "hang.py").write_text(hang)
    ours = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    for _ in range(200):
        if (tmp_path / "pids").exists():
            break
        time.sleep(0.05)
    ours.send_signal(how)
    ours.wait()
    assert_ended(tmp_path / "pids")


def assert_ended(listed: Path) -> None:
    pids = [int(pid) for pid in listed.read_text().split()]
    for _ in range(100):
        left = [pid for pid in pids if running(pid)]
        if not left:
            return
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    pytest.fail(f"{len(left)} of {len(pids)} processes were left running")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_what_is_missing_is_named_before_anything_runs(home):
    assert Backend(settings()).problems() == []
    (home / "models" / "propainter" / "weights" / "ProPainter.pth").unlink()
    (problem,) = Backend(settings()).problems()
    assert problem.endswith("weights/ProPainter.pth is missing; run: pvtt models fetch propainter")
    with pytest.raises(ModelError, match=r"ProPainter\.pth is missing"):
        Backend(settings()).load()
    (problem, *_) = Backend(settings(python="/nowhere/python")).problems()
    assert "background.propainter.python: /nowhere/python is no program" in problem
    problems = Backend(settings(checkout=str(home / "elsewhere"))).problems()
    assert any("background.propainter.checkout" in p and "inference_propainter.py is missing" in p for p in problems)


def test_a_missing_package_and_another_commit_are_named(home, monkeypatch):
    monkeypatch.setattr("pvtt.stages.background.propainter._MODULES", ("cv2", "a_package_of_theirs"))
    (problem,) = Backend(settings()).problems()
    assert "lacks the package a_package_of_theirs; make propainter" in problem
    monkeypatch.setattr("pvtt.stages.background.propainter._MODULES", ())
    checkout = home / "checkout"
    shutil.copytree(home / "models" / "propainter", checkout)
    (checkout / ".git").mkdir()
    (checkout / ".git" / "HEAD").write_text("0123456789abcdef\n")
    (problem,) = Backend(settings(checkout=str(checkout))).problems()
    assert "is at commit 0123456789, not e870e79321" in problem
    (checkout / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / ".git" / "packed-refs").write_text(f"# pack-refs\n{COMMIT} refs/heads/main\n")
    assert Backend(settings(checkout=str(checkout))).problems() == []


# ---------------------------------------------------------------- plans


@pytest.mark.parametrize(
    ("shape", "memory_gb", "whole"),
    [
        ((80, 720, 1280), 26, True),
        ((300, 720, 1280), 80, True),
        ((300, 720, 1280), 24, False),
        ((80, 480, 720), 12, True),
    ],
)
def test_a_plan_fits_into_the_memory_at_full_size(shape, memory_gb, whole):
    plan = make_plan(shape, memory_gb, ProPainterSettings())
    assert plan.size == (shape[2], shape[1]) and (len(plan.chunks) == 1) == whole
    longest = max(end - start for start, end in plan.chunks)
    assert 1.5 + shape[1] * shape[2] * (8.5e-6 + 1.7e-7 * plan.worked + 4e-8 * longest) < memory_gb * 1.001
    assert plan.worked >= 20


def test_a_frame_too_large_for_the_memory_is_made_smaller():
    plan = make_plan((100, 1080, 1920), 8, ProPainterSettings())
    assert plan.size[0] < 1920 and plan.size[0] % 8 == plan.size[1] % 8 == 0 and plan.worked >= 20


@pytest.mark.parametrize(("n", "length", "overlap"), [(300, 75, 10), (81, 80, 10), (50, 80, 10), (23, 22, 0)])
def test_chunks_cover_the_clip_and_their_weights_are_positive(n, length, overlap):
    chunks = split_chunks(n, length, overlap)
    assert chunks[0][0] == 0 and chunks[-1][1] == n and all(end - start <= length for start, end in chunks)
    assert all(a[1] - b[0] >= overlap for a, b in pairwise(chunks))
    for index in range(n):
        weights = [chunk_weight(chunks, place, index) for place, (s, e) in enumerate(chunks) if s <= index < e]
        assert weights and min(weights) > 0


def test_a_padded_frame_comes_back_as_it_was_and_a_mask_never_shrinks_away():
    image = np.random.default_rng(0).integers(0, 255, (66, 101, 3), np.uint8)
    assert np.array_equal(undo_fit(fit_to_network(image, (128, 128)), (101, 66)), image)
    mask = np.zeros((66, 101), bool)
    mask[5, 7] = True
    assert fit_to_network(mask, (128, 128)).sum() == 255 and fit_to_network(mask, (48, 32)).any()

"""Clips for the tests of the VACE backends: a red square before a textured ground, and the models' folder they need."""

from __future__ import annotations

import numpy as np
import pytest

from backends.tiny import vace as tiny
from pvtt.config.settings import stage_defaults
from pvtt.stages.insertion.base import Request

FAST = {"steps": 2, "max_area": 96 * 64, "window_frames": 9, "overlap_frames": 5, "grow_px": 4, "block_px": 16}


def models_folder(home, *names, **arguments):
    """A models' folder with tiny VACE models of these ids."""
    for name in names:
        tiny.build(home / name, **arguments)
    tiny.register(home, {name: tiny.files(arguments.get("two_stage", False)) for name in names})
    return home


def use(monkeypatch, home):
    """Let the library find its models there."""
    monkeypatch.setenv("PVTT_MODELS", str(home))
    monkeypatch.setenv("PVTT_DEVICE", "cpu")


def settings_of(stage, backend, **changes):
    """Default settings of a stage with a backend's own made fast."""
    settings = stage_defaults(stage) | {"backend": backend}
    fast = {key: value for key, value in FAST.items() if key in settings[backend]}
    return settings | {backend: settings[backend] | fast | changes}


def ground(height, width, seed=3):
    """A texture with corners, uint8 (h, w, 3)."""
    coarse = np.random.default_rng(seed).integers(60, 200, (height // 8 + 2, width // 8 + 2, 3), dtype=np.uint8)
    return np.repeat(np.repeat(coarse, 8, 0), 8, 1)[:height, :width]


def clip(n=9, size=(96, 64), side=20, step=2, leaves=None):
    """Source, background, masks and boxes; from frame `leaves` on the square is gone."""
    width, height = size
    plain = ground(height, width)
    source, masks, boxes = [], [], []
    for index in range(n):
        mask = np.zeros((height, width), bool)
        left, top = width // 4 + step * index, height // 3
        if leaves is None or index < leaves:
            mask[top : top + side, left : left + side] = True
        frame = plain.copy()
        frame[mask] = (200, 40, 40)
        source.append(frame)
        masks.append(mask)
        boxes.append((float(left), float(top), float(left + side), float(top + side)) if mask.any() else None)
    return np.stack(source), np.stack([plain] * n), np.stack(masks), boxes


def cutout(width=60, height=40, colour=(30, 160, 220)):
    """A plain rectangle on a transparent ground."""
    image = np.zeros((height + 10, width + 10, 4), np.uint8)
    image[5:-5, 5:-5] = [*colour, 255]
    return image


def request_of(parts, image=None, seed=1, prompt="a watch"):
    """A request for a clip."""
    source, background, masks, boxes = parts
    points = np.zeros((0, len(masks), 2))
    image = cutout() if image is None else image
    frames = lambda: iter(source), lambda: iter(background)
    return Request(*frames, masks, changed(parts), boxes, points, image, 24.0, seed, prompt)


def changed(parts):
    """Where a clip's frames differ from its background, bool (n, h, w)."""
    source, background, masks, _ = parts
    return masks | (source != background).any(-1)


def inserted(backend, request):
    """Frames, masks and the insertion, of a loaded backend."""
    insertion = backend.insert(request)
    pairs = list(insertion.frames)
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs]), insertion


def skip_without_packages():
    """Skip a test file with a plain reason where the models' packages are not installed."""
    for name in ("torch", "diffusers", "transformers", "ftfy", "safetensors"):
        pytest.importorskip(name, reason=f"{name} is not installed; run: make models")

"""The backends that run the conformance suites of their stages, `test_conformance_<stage>.py`.

A backend joins by one line in ENTRANTS. What runs a model runs a tiny one; where a stack cannot be installed beside
the others (ProPainter, VideoPainter) or is not released (VideoAnyDoor), a stand-in keeps its contract.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.tiny import models_folder, propainter, videopainter
from pvtt.backends.registry import backend_class
from pvtt.config.settings import stage_defaults

TORCH = ("torch", "transformers")
WAN = (*TORCH, "diffusers", "ftfy", "safetensors")
SMALL = {"steps": 1, "max_area": 96 * 64, "window_frames": 49, "overlap_frames": 1, "block_px": 16}
Prepare = Callable[[Path, pytest.MonkeyPatch], Mapping[str, Any]]


@dataclass(frozen=True)
class Entrant:
    """A backend as a suite runs it: its models, the packages it needs, its own settings.

    `prepare(folder, monkeypatch)` makes a stand-in and gives further settings of the backend's own.
    """

    name: str
    models: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    prepare: Prepare | None = None


def _propainter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    from pvtt.stages.background.propainter import WEIGHTS

    propainter.build(folder / "models" / "propainter")
    _list_models(folder / "models", {"propainter": list(WEIGHTS)}, monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(folder / "calls"))
    monkeypatch.setattr("pvtt.stages.background.propainter._MODULES", ("cv2",))
    return {}


def _videopainter(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    """Its stand-in, with windows of 9 frames of 96 x 64 pixels in the place of 49 of 720 x 480."""
    models, branch = folder / "models", "VideoPainter/checkpoints/branch"
    videopainter.build(folder / "checkout")
    videopainter.build_weights(models / "videopainter", models / "cogvideox-5b-i2v")
    files = [f"{branch}/config.json", f"{branch}/diffusion_pytorch_model.safetensors"]
    _list_models(models, {"videopainter": files, "cogvideox-5b-i2v": ["model_index.json"]}, monkeypatch)
    monkeypatch.setenv("STANDIN_LOG", str(folder / "calls"))
    monkeypatch.setattr("pvtt.stages.background.videopainter._MODULES", ("numpy", "PIL"))
    backend = backend_class("background", "videopainter")
    monkeypatch.setattr(backend, "size", (96, 64))
    monkeypatch.setattr(backend, "window", 9)
    return {"checkout": str(folder / "checkout"), "overlap_frames": 5}


def _videoanydoor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
    monkeypatch.setenv("STANDIN", "")
    program = Path(__file__).parent / "tiny" / "videoanydoor.py"
    return {"command": f"{sys.executable} {program} --job {{job}}"}


def _list_models(home: Path, listed: Mapping[str, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"repository": "tests/tiny", "commit": "0", "licence": "research only", "commercial": False}
    (home / "models.yaml").write_text(
        yaml.safe_dump({name: common | {"files": files} for name, files in listed.items()})
    )
    monkeypatch.setenv("PVTT_MODELS", str(home))


ENTRANTS = {
    "segmentation": [
        Entrant("classical"),
        Entrant(
            "sam2",
            ("sam2.1-hiera-tiny", "grounding-dino-tiny"),
            (*TORCH, "sam2"),
            {"model": "sam2.1-hiera-tiny", "detector": "grounding-dino-tiny", "max_objects": 2},
        ),
    ],
    "shots": [
        Entrant("scenedetect"),
        Entrant("transnetv2", ("transnetv2",), ("torch",)),
        Entrant("ffmpeg"),
    ],
    "products": [
        Entrant("classical"),
        Entrant("rembg", ("rembg-birefnet-general",), ("rembg", "onnxruntime", "onnx")),
        Entrant("u2net", ("u2net",), ("onnx",)),
    ],
    "background": [
        Entrant("plate"),
        Entrant("vace", ("wan2.1-vace-1.3b",), WAN, SMALL),
        Entrant("propainter", prepare=_propainter),
        Entrant("videopainter", prepare=_videopainter),
    ],
    "insertion": [
        Entrant("composite"),
        Entrant("vace", ("wan2.1-vace-1.3b",), WAN, SMALL),
        Entrant("insertanywhere", ("wan2.1-vace-14b", "insertanywhere-lora"), WAN, SMALL),
        Entrant("videoanydoor", prepare=_videoanydoor),
    ],
    "scoring": [
        Entrant("classical"),
        Entrant("dinov2", ("dinov2-base",), TORCH),
        Entrant("clip", ("clip-vit-large-patch14",), TORCH),
        Entrant("siglip", ("siglip-base-patch16-384",), TORCH),
    ],
}

_folders: dict[tuple[str, ...], Path] = {}


def of(stage: str) -> list[Any]:
    """The stage's entrants as parameters of a fixture."""
    return [pytest.param((stage, entrant), id=entrant.name) for entrant in ENTRANTS[stage]]


def maker(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """What a suite's fixture gives: a function that makes and loads the backend anew, with changed stage settings."""
    stage, entrant = request.param
    for package in entrant.packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed (make models)")
    monkeypatch = request.getfixturevalue("monkeypatch")
    monkeypatch.setenv("PVTT_DEVICE", "cpu")
    own = dict(entrant.own)
    if entrant.models:
        if entrant.models not in _folders:
            folder = request.getfixturevalue("tmp_path_factory").mktemp("models")
            models_folder.build(folder, entrant.models)
            _folders[entrant.models] = folder
        monkeypatch.setenv("PVTT_MODELS", str(_folders[entrant.models]))
    if entrant.prepare:
        own |= entrant.prepare(request.getfixturevalue("tmp_path"), monkeypatch)

    def make(**changes: Any) -> Any:
        settings = stage_defaults(stage) | {"backend": entrant.name} | changes
        if entrant.name in settings:
            settings[entrant.name] = settings[entrant.name] | own
        backend = backend_class(stage, entrant.name)(settings)
        assert backend.problems() == []
        backend.load("cpu")
        request.addfinalizer(backend.close)
        return backend

    return make

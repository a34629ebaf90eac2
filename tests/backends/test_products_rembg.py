"""Cut-outs by rembg's sessions on tiny networks of the same form, through the stage, without any download."""

import json
import socket
from typing import get_args

import cv2
import jsonschema
import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError

pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed (make models)")
pytest.importorskip("onnx", reason="onnx, which writes the tiny networks, is not installed")
pytest.importorskip("rembg", reason="rembg is not installed (make models)")

from backends.tiny.rembg import build
from pvtt.config.settings import SettingsError, load_schema, resolve, stage_defaults
from pvtt.config.stages.products import RembgSettings
from pvtt.io.images import read_rgba, write_png
from pvtt.models.registry import ModelError
from pvtt.stages.cutouts import cut_out_product
from pvtt.stages.cutouts.base import NoCutOutError
from pvtt.stages.cutouts.rembg import NETWORKS, Backend


def entry(name: str) -> dict:
    common = {"repository": "tests/tiny", "commit": "0", "licence": "MIT", "commercial": True}
    return common | {"files": [f"{name}.onnx"]}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in NETWORKS:
        build(folder / f"rembg-{name}", network=name)
    listed = {f"rembg-{name}": entry(name) for name in NETWORKS}
    (folder / "models.yaml").write_text(yaml.safe_dump(listed))
    return folder


@pytest.fixture
def home(weights, monkeypatch):
    def refuse(*arguments, **named):
        raise AssertionError("a backend reached for the network")

    monkeypatch.setenv("PVTT_MODELS", str(weights))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return weights


def settings(network: str = "birefnet-general", **own) -> dict:
    defaults = stage_defaults("products")
    return defaults | {"backend": "rembg", "rembg": defaults["rembg"] | {"model": network} | own}


def photo(height: int = 240, width: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """A red disc on a pale ground, and its mask."""
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), 60, 1, -1)
    image = np.full((height, width, 3), (228, 226, 222), np.uint8)
    image[mask > 0] = (180, 30, 40)
    return image, mask > 0


@pytest.mark.parametrize("network", sorted(NETWORKS))
@pytest.mark.parametrize("size", [(240, 320), (333, 201)])
def test_the_alpha_is_the_product_at_the_photos_size(home, network, size):
    image, mask = photo(*size)
    backend = Backend(settings(network))
    assert backend.needs == (f"rembg-{network}",) and backend.problems() == []
    backend.load("cpu")
    alpha, again = backend.cut_out(image).alpha, backend.cut_out(image).alpha
    backend.close()
    assert alpha.dtype == np.uint8 and alpha.shape == size
    assert np.array_equal(alpha, again)
    assert (mask & (alpha > 127)).sum() / (mask | (alpha > 127)).sum() > 0.95


def test_the_stage_writes_cut_out_and_record(home, tmp_path):
    image, mask = photo()
    write_png(tmp_path / "photo.png", image)
    cut_out_product(tmp_path / "photo.png", "disc", 1, tmp_path / "1.png", tmp_path / "1.json", settings())
    record = json.loads((tmp_path / "1.json").read_text())
    jsonschema.validate(record, load_schema("product_image"))
    assert record["status"] == "accepted", record["reason"]
    assert record["provenance"]["backend"] == "rembg"
    assert record["measures"]["peak"] > 0.95 and record["measures"]["uncertain"] < 0.3
    rgba = read_rgba(tmp_path / "1.png")
    assert abs((rgba[..., 3] > 127).sum() / mask.sum() - 1) < 0.05


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_photo_of_nothing_is_refused_though_the_package_stretches_its_mask(home, network, tmp_path):
    plain = np.full((240, 320, 3), 200, np.uint8)
    plain[100:140, 100:160] = 190
    backend = Backend(settings(network))
    backend.load("cpu")
    bare = backend._session
    bare.inner_session = bare.inner_session._session
    assert np.asarray(bare.predict(Image.fromarray(plain))[0]).max() > 240
    write_png(tmp_path / "photo.png", plain)
    cut_out_product(tmp_path / "photo.png", "none", 2, tmp_path / "2.png", tmp_path / "2.json", settings(network))
    record = json.loads((tmp_path / "2.json").read_text())
    jsonschema.validate(record, load_schema("product_image"))
    assert record["status"] == "rejected" and "rembg.min_peak 0.50" in record["reason"]
    assert record["measures"]["peak"] < 0.1
    assert (tmp_path / "2.png").stat().st_size == 0


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_ghost_is_refused_by_the_uncertain_share_of_the_raw_output(home, network):
    ghost, _ = photo()
    ghost[ghost[..., 1] < 100] = (204, 202, 198)  # so near to the ground that the network is unsure everywhere
    backend = Backend(settings(network, min_peak=0.0))
    backend.load("cpu")
    with pytest.raises(NoCutOutError, match=r"is uncertain \(rembg\.max_uncertain 60%\)") as refused:
        backend.cut_out(ghost)
    assert refused.value.measures["uncertain"] > 0.6


def test_a_flat_answer_is_refused_not_divided_by_zero(home, recwarn):
    backend = Backend(settings(min_peak=0.0))
    backend.load("cpu")
    with pytest.raises(NoCutOutError, match="gives every pixel"):
        backend.cut_out(np.full((64, 64, 3), 90, np.uint8))
    assert not [warning for warning in recwarn if "divide" in str(warning.message)]


def test_other_networks_are_not_taken(home):
    with pytest.raises(SettingsError, match=r"products\.rembg\.model"):
        resolve({"catalogue": "x.csv", "products": {"rembg": {"model": "bria-rmbg"}}})
    with pytest.raises(ValidationError, match=r"rembg\.model"):
        Backend(settings("withoutbg"))
    assert set(NETWORKS) == set(get_args(RembgSettings.model_fields["model"].annotation))


def test_missing_weights_are_named_with_what_mends_them(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"rembg-birefnet-general": entry("birefnet-general")}))
    (problem,) = Backend(settings()).problems()
    assert "birefnet-general.onnx is missing" in problem and "pvtt models fetch" in problem
    with pytest.raises(ModelError, match="is missing"):
        Backend(settings()).load("cpu")


def test_a_gpu_that_onnx_runtime_cannot_use_is_an_error(home):
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(RuntimeError, match="onnxruntime-gpu"):
        Backend(settings()).load("cuda")

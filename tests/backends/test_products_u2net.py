"""Cut-outs by U2-Net: its measures and limits, on a tiny network of the same form."""

import cv2
import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (make check)")

from backends.tiny.rembg import build
from pvtt.models.registry import ModelError
from pvtt.models.u2net import U2Net
from pvtt.stages.cutouts.base import NoCutOutError
from pvtt.stages.cutouts.network_output import uncertain_share
from pvtt.stages.cutouts.u2net import Backend


@pytest.fixture
def network(tmp_path, monkeypatch):
    """The tiny network's file, which the backend reads."""
    build(tmp_path / "u2net", network="u2net")
    monkeypatch.setattr("pvtt.stages.cutouts.u2net.U2Net", lambda: U2Net(tmp_path / "u2net/u2net.onnx"))
    return tmp_path / "u2net/u2net.onnx"


def ready(**own):
    backend = Backend({"u2net": own})
    backend.load("cpu")
    return backend


def disc(size=320, colour=(180, 30, 40)):
    image = np.full((size, size, 3), 226, np.uint8)
    cv2.circle(image, (size // 2, size // 2), size // 4, colour, -1)
    return image


def test_saliency_is_a_probability_of_the_pictures_size(network):
    found = U2Net(network).saliency(disc()[:, :200])
    assert found.shape == (320, 200) and found.dtype == np.float32
    assert 0 <= found.min() < 0.05 and 0.95 < found.max() <= 1
    assert found[160, 100] > 0.9 and found[5, 5] < 0.1


def test_a_file_that_is_no_network_is_named(tmp_path):
    (tmp_path / "u2net.onnx").write_bytes(b"no network")
    with pytest.raises(ModelError, match=r"u2net\.onnx cannot be read as a network"):
        U2Net(tmp_path / "u2net.onnx")


def test_a_photo_without_a_product_is_refused_with_the_peak(network):
    with pytest.raises(NoCutOutError, match=r"u2net\.min_peak 0\.50") as refused:
        ready().cut_out(np.full((100, 100, 3), 226, np.uint8))
    assert refused.value.measures["peak"] < 0.5


def test_a_ghost_is_refused_by_its_uncertain_share(network):
    ghost = disc(colour=(200, 200, 200))  # so near to the ground that the network is unsure everywhere
    with pytest.raises(NoCutOutError, match=r"is uncertain \(u2net\.max_uncertain 60%\)") as refused:
        ready(min_peak=0.0).cut_out(ghost)
    assert refused.value.measures["uncertain"] > 0.6
    assert (ready(min_peak=0.0, max_uncertain=1.0).cut_out(ghost).alpha > 127).mean() < 0.5


def test_an_accepted_cut_out_carries_what_the_network_measured(network):
    measures = ready().cut_out(disc()).measures
    assert set(measures) == {"lowest", "peak", "uncertain"}
    assert measures["lowest"] < 0.05 and measures["peak"] > 0.95 and measures["uncertain"] < 0.1


def test_the_uncertain_share_is_exact():
    chance = np.zeros((10, 10), np.float32)
    chance[0, :4], chance[1, :6] = 1.0, 0.5
    assert uncertain_share(chance) == 0.6
    assert uncertain_share(np.zeros((4, 4), np.float32)) == 0.0

"""Text in photos: lines and shares by formula, what a photo with text becomes, and the real networks where they are."""

import importlib.util
import json
import sys
import types

import cv2
import numpy as np
import pytest

from conftest import ROOT
from pvtt.backends.registry import stage_version
from pvtt.backends.requirements import check_requirements, environment
from pvtt.config.settings import SettingsError, resolve, stage_defaults
from pvtt.io.images import read_rgba, write_png
from pvtt.models import registry
from pvtt.models import text as networks
from pvtt.models.text import TextLine, TextReader, overlay_share, text_mask
from pvtt.stages import cutouts
from pvtt.stages.cutouts import cut_out_product, used_backends
from pvtt.stages.cutouts import text as evidence
from pvtt.stages.cutouts.base import Matte

WITH = {"text": "rapidocr"}


def line(x0, y0, x1, y1, text="words"):
    return TextLine(text, 0.9, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32))


def test_pixels_under_text():
    mask = text_mask([line(10, 5, 19, 9), line(15, 5, 24, 9)], (20, 40, 3))
    assert mask.shape == (20, 40) and mask.sum() == 15 * 5 and mask[5:10, 10:25].all()
    assert not text_mask([], (20, 40)).any()


def test_text_beside_the_product_is_an_overlay():
    masks = np.zeros((4, 20, 40), bool)
    masks[:, :, 20:] = True
    label, subtitle, across = line(25, 5, 34, 9), line(0, 5, 9, 9), line(16, 5, 25, 9)
    assert overlay_share([[], [label], [label, subtitle], []], masks) == 0.25
    assert overlay_share([[across], [label], [], []], masks) == 0.0  # 4 of its 10 columns lie outside
    assert overlay_share([], masks[:0]) == 0.0


def engine(*found):
    """Stands for the package: always reads the same lines (text, confidence, corners)."""

    def make(params):
        make.params = params
        texts, scores, boxes = ([one[k] for one in found] or None for k in range(3))
        return lambda image: types.SimpleNamespace(txts=texts, scores=scores, boxes=boxes)

    return make


def test_large_lines_of_a_letter_or_two_are_forms(tmp_path, monkeypatch):
    large, small = line(0, 0, 80, 80).polygon, line(0, 0, 10, 10).polygon
    found = [("O", 0.9, large), ("43", 0.9, small), ("No.7", 0.9, large)]
    made = engine(*found)
    monkeypatch.setitem(sys.modules, "rapidocr", types.SimpleNamespace(RapidOCR=made))
    picture = np.zeros((100, 100, 3), np.uint8)
    assert [one.text for one in TextReader(tmp_path).read(picture)] == ["43", "No.7"]
    assert made.params["Det.model_path"] == str(tmp_path / "det.onnx")  # the registry's files, so no download
    assert made.params["Rec.model_path"] == str(tmp_path / "rec.onnx") and not made.params["Global.use_cls"]
    monkeypatch.setitem(sys.modules, "rapidocr", types.SimpleNamespace(RapidOCR=engine()))
    assert TextReader(tmp_path).read(picture) == []


def test_a_package_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    with pytest.raises(registry.ModelError, match=r"rapidocr is not installed; run: make text"):
        TextReader(tmp_path)


class Reader:
    """Stands for the networks: reads `lines` in every picture."""

    lines: tuple[TextLine, ...] = ()

    def read(self, image):
        return list(self.lines)


@pytest.mark.parametrize(
    ("lines", "on_product", "beside", "reason"),
    [
        ((), 0, 0, ""),
        ((line(91, 95, 130, 104),), 400, 0, ""),  # a label
        ((line(71, 75, 150, 124),), 4000, 0, "text or a chart: 35% of the cut-out is text"),
        ((line(10, 10, 109, 19),), 0, 1000, "a caption or a chart: text beside the cut-out covers 2.3%"),
    ],
)
def test_photos_with_much_text_are_refused(tmp_path, monkeypatch, lines, on_product, beside, reason):
    monkeypatch.setattr(evidence, "TextReader", Reader)
    monkeypatch.setattr(Reader, "lines", lines)
    y, x = np.mgrid[:200, :220]
    disc = np.hypot(x - 110, y - 100) <= 60
    photo = np.where(disc[..., None], (120, 60, 40), 250) + (x + y)[..., None] % 7 - 3
    write_png(tmp_path / "photo.png", photo.clip(0, 255).astype(np.uint8))
    matte = Matte(disc.astype(np.uint8) * 255)
    monkeypatch.setattr("pvtt.stages.cutouts.classical.Backend.cut_out", lambda *given: matte)

    def cut(**changed):
        settings = stage_defaults("products") | changed
        cut_out_product(tmp_path / "photo.png", "P1", 1, tmp_path / "1.png", tmp_path / "1.json", settings)
        return json.loads((tmp_path / "1.json").read_text())

    record = cut(**WITH)
    assert record["measures"]["text_share"] == pytest.approx(on_product / disc.sum(), abs=1e-4)
    assert record["measures"]["text_outside"] == pytest.approx(beside / disc.size, abs=1e-4)
    assert record["status"] == ("rejected" if reason else "accepted") and record["reason"].startswith(reason)
    assert record["provenance"]["measured_by"] == "text 1"
    assert cut(**WITH, max_text_share=1.0, max_text_outside=1.0)["status"] == "accepted"
    assert cut()["status"] == "accepted" and "text_share" not in cut()["measures"]


def test_networks_and_packages_are_checked_before_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None)
    chosen = resolve({"products": WITH})
    missing = check_requirements(chosen)
    assert any(text.endswith("package rapidocr is not installed; run: make text, or make models") for text in missing)
    assert any("pvtt models fetch pp-ocrv6-small" in text for text in missing)
    assert not any("make" in text for text in check_requirements(chosen, own_environments=True))
    assert [part.name for part in used_backends(chosen["products"])] == ["classical", "text"]
    assert environment("products", chosen["products"]) == "models"
    assert "text 1, pp-ocrv6-small@3.10.0" in stage_version("products", chosen["products"])
    assert "text" not in cutouts.version(resolve({})["products"])
    with pytest.raises(SettingsError, match="text"):
        resolve({"products": {"text": "tesseract"}})


@pytest.fixture(scope="module")
def real():
    if importlib.util.find_spec("rapidocr") is None or registry.problems(networks.MODEL):
        pytest.skip("rapidocr or its networks are not there: make text")
    return TextReader()


def test_drawn_words_are_read_at_their_place(real):
    picture = np.full((300, 500, 3), 235, np.uint8)
    cv2.putText(picture, "SUMMER SALE", (60, 160), cv2.FONT_HERSHEY_DUPLEX, 1.6, (30, 30, 90), 3, cv2.LINE_AA)
    (found,) = real.read(picture)
    assert found.text.replace(" ", "") == "SUMMERSALE" and found.confidence > 0.8
    ink = (picture < 128).all(-1)
    under = text_mask([found], picture.shape)
    assert (ink & under).sum() > 0.95 * ink.sum()
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    assert under.sum() < 2 * (np.ptp(rows) + 1) * (np.ptp(columns) + 1)


def test_a_ring_is_no_letter(real):
    picture = np.full((300, 300, 3), 240, np.uint8)
    cv2.circle(picture, (150, 150), 90, (170, 130, 40), 18, cv2.LINE_AA)
    assert real.read(picture) == []


def test_a_size_chart_is_read_as_a_whole(real):
    chart = read_rgba(ROOT / "tests/unit/photos/sizechart.png")[..., :3]
    assert len(real.read(np.ascontiguousarray(chart))) >= 30  # of 33 words and numbers

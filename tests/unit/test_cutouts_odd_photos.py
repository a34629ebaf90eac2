"""Cut-outs of odd but real kinds of photos: transparent margins, clear or pale products, charts, icons.

The files in `photos/` were made for this project. Each kind has two neighbours, which are drawn here.
"""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.io.images import read_rgba, write_png
from pvtt.stages.cutouts import cut_out_product
from pvtt.stages.cutouts.canvas import read_canvas

PHOTOS = Path(__file__).parent / "photos"
SETTINGS = stage_defaults("products")
WHITE, INK = (255, 255, 255), (60, 60, 60)


def cut(photo, tmp_path):
    if not isinstance(photo, Path):
        write_png(tmp_path / "photo.png", photo)
        photo = tmp_path / "photo.png"
    png, record = tmp_path / "1.png", tmp_path / "1.json"
    cut_out_product(photo, "odd", 1, png, record, SETTINGS)
    return json.loads(record.read_text()), png


def blank(height=600, width=600, colour=WHITE):
    return np.full((height, width, 3), colour, np.uint8)


def can(image, box=(230, 200, 370, 420)):
    """Draw a can with a label; its box."""
    x0, y0, x1, y1 = box
    cv2.rectangle(image, (x0, y0 + 15), (x1, y1), (30, 90, 200), -1)
    cv2.ellipse(image, ((x0 + x1) // 2, y0 + 15), ((x1 - x0) // 2, 15), 0, 0, 360, (80, 130, 230), -1)
    cv2.rectangle(image, (x0 + 30, y0 + 70), (x1 - 30, y1 - 70), (240, 220, 60), -1)
    return list(box)


def rounded(shape, box, radius):
    """Alpha of a rectangle with round corners, uint8."""
    x0, y0, x1, y1 = box
    alpha = np.zeros(shape, np.uint8)
    cv2.rectangle(alpha, (x0 + radius, y0 + radius), (x1 - radius, y1 - radius), 255, -1)
    return cv2.dilate(alpha, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2))


def card_with_soft_corners():
    image = blank(colour=(250, 250, 250))
    box = can(image)
    return np.dstack([image, cv2.GaussianBlur(rounded((600, 600), (50, 50, 550, 550), 80), (0, 0), 3)]), box


def photo_above_an_empty_strip():
    image = blank(colour=(236, 232, 228))
    box, alpha = can(image), np.full((600, 600), 255, np.uint8)
    alpha[520:] = 0
    return np.dstack([image, alpha]), box


@pytest.mark.parametrize(
    ("photo", "box"),
    [
        (PHOTOS / "card_white.webp", None),
        (PHOTOS / "padded_white.webp", None),
        card_with_soft_corners(),
        photo_above_an_empty_strip(),
    ],
    ids=["card", "padding", "card with soft corners", "strip"],
)
def test_a_transparent_margin_is_no_mask(tmp_path, photo, box):
    record, png = cut(photo, tmp_path)
    assert record["status"] == "accepted", record["reason"]
    assert 0.03 < record["measures"]["area"] < 0.25
    if box:
        assert record["box"] == pytest.approx(box, abs=4)
    x0, y0, x1, y1 = record["box"]
    found = read_rgba(png)
    assert found.shape == (y1 - y0, x1 - x0, 4) and (found[..., 3] > 127).mean() > 0.9


def test_a_scene_in_a_transparent_margin_is_no_product(tmp_path):
    record, _ = cut(PHOTOS / "margins_scene.webp", tmp_path)
    right = record["status"] == "rejected" or record["box"] == pytest.approx([223, 195, 377, 420], abs=8)
    assert right and record["reason"].startswith("inside the photo's transparent margin: ")


def test_a_products_own_alpha_is_kept(tmp_path):
    record, png = cut(PHOTOS / "good.webp", tmp_path)
    assert record["status"] == "accepted", record["reason"]
    x0, y0, x1, y1 = record["box"]
    assert np.array_equal(read_rgba(png)[..., 3], read_rgba(PHOTOS / "good.webp")[y0:y1, x0:x1, 3])


def test_what_is_a_margin():
    opaque = np.full((100, 100), 255, np.uint8)
    disc, leaning = np.zeros((100, 100), np.uint8), np.zeros((100, 100), np.uint8)
    cv2.circle(disc, (50, 50), 40, 255, -1)
    cv2.fillPoly(leaning, [np.array([[30, 10], [90, 40], [70, 90], [10, 60]])], 255)
    for alpha in (disc, leaning):
        assert np.array_equal(read_canvas(np.dstack([blank(100, 100), alpha])).alpha, alpha)
    whole = read_canvas(np.dstack([blank(100, 100), opaque]))
    assert whole.alpha is None and whole.box == (0, 0, 100, 100)
    soft = rounded((100, 100), (10, 20, 89, 79), 9)
    soft[soft > 0] = 128
    soft[40:60, 40:60] = 255
    part = read_canvas(np.dstack([blank(100, 100, (55, 55, 55)), soft]))
    assert part.alpha is None and part.box == (10, 20, 90, 80) and part.image.shape == (60, 80, 3)
    assert part.image[30, 5].tolist() == [155] * 3 and part.image[30, 40].tolist() == [55] * 3


def tumbler():
    """Clear glass without a tint: its outline, and two faint highlights."""
    image = blank(700, 500)
    cv2.polylines(image, [np.array([[140, 150], [170, 560], [330, 560], [360, 150]])], True, (150, 155, 155), 3)
    cv2.line(image, (180, 200), (195, 500), (244, 246, 246), 5)
    return cv2.GaussianBlur(image, (0, 0), 0.7)


def white_mug():
    """A white mug on white, of which only the outline, the rim and the handle are seen."""
    image = blank()
    cv2.ellipse(image, (420, 320), (70, 80), 0, 0, 360, (190, 190, 190), 3)
    cv2.rectangle(image, (180, 180), (420, 460), WHITE, -1)
    cv2.rectangle(image, (180, 180), (420, 460), (185, 185, 185), 3)
    cv2.ellipse(image, (300, 180), (120, 22), 0, 0, 360, (170, 170, 170), 3)
    return cv2.GaussianBlur(image, (0, 0), 0.7)


@pytest.mark.parametrize(
    "photo", [PHOTOS / "glass.jpg", tumbler(), white_mug()], ids=["bottle", "tumbler", "white mug"]
)
def test_a_hollow_outline_is_no_product(tmp_path, photo):
    record, _ = cut(photo, tmp_path)
    assert record["status"] == "rejected" or record["measures"]["filled"] > 0.9
    assert "outlines" in record["reason"] or "pale" in record["reason"] or record["status"] == "accepted"


def table_with_a_head():
    image = blank(500, 700)
    cv2.rectangle(image, (60, 60), (640, 110), (70, 110, 170), -1)
    for row in range(7):
        for column in range(4):
            cv2.putText(image, f"{36 + row + column}", (90 + 150 * column, 95 + 50 * row), 0, 0.7, INK, 2)
    return image


def icon_strip():
    image = blank(300, 900)
    for index, draw in enumerate(("circle", "square", "triangle", "drop")):
        x = 130 + 210 * index
        if draw == "square":
            cv2.rectangle(image, (x - 60, 90), (x + 60, 210), INK, 5)
        elif draw == "triangle":
            cv2.polylines(image, [np.array([[x, 85], [x + 65, 210], [x - 65, 210]])], True, INK, 5)
        else:
            cv2.circle(image, (x, 150), 60, INK, 5)
        cv2.line(image, (x - 20, 150), (x + 20, 150), INK, 5)
    return image


@pytest.mark.parametrize(
    "photo", [PHOTOS / "sizechart.png", table_with_a_head(), icon_strip()], ids=["grid", "table", "icons"]
)
def test_charts_and_icons_are_no_products(tmp_path, photo):
    record, _ = cut(photo, tmp_path)
    assert record["status"] == "rejected", record["measures"]


def test_a_can_with_a_label_on_white_is_a_product(tmp_path):
    image = blank()
    box = can(image)
    record, _ = cut(image, tmp_path)
    assert record["status"] == "accepted", record["reason"]
    assert record["box"] == pytest.approx(box, abs=4)

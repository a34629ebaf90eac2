"""Cut-outs of generated photos whose product, holes and shadow are known."""

import json

import cv2
import numpy as np
import pytest

from pvtt.backends.base import Limits
from pvtt.config.settings import stage_defaults
from pvtt.config.stages.products import ProductsSettings
from pvtt.io.images import read_rgba, write_jpeg, write_png
from pvtt.metrics import base_band, mask_iou
from pvtt.stages.cutouts import cut_out_product
from pvtt.stages.cutouts.background_model import fit_background
from pvtt.stages.cutouts.base import NoCutOutError
from pvtt.stages.cutouts.classical import Backend
from pvtt.stages.cutouts.cutout_checks import alpha_measures, reason_against
from pvtt.stages.cutouts.matting import decontaminate, guided_alpha, known_background_alpha, nearest_values
from pvtt.stages.cutouts.openings import open_to_ground
from pvtt.stages.cutouts.saliency import saliency_map

SETTINGS = stage_defaults("products")
HEIGHT, WIDTH = 200, 260


def disc(centre, radius, shape=(HEIGHT, WIDTH)):
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.hypot(x - centre[0], y - centre[1]) <= radius


def sweep():
    """White ground with a fall-off of light towards one corner."""
    y, x = np.mgrid[0 : 1 : HEIGHT * 1j, 0 : 1 : WIDTH * 1j]
    light = 250 - 18 * x - 14 * y**2
    return np.repeat(np.rint(light)[..., None], 3, 2).astype(np.uint8)


def ring_photo():
    image, ring = sweep(), disc((130, 100), 70) & ~disc((130, 100), 50)
    image[ring] = (150, 60, 40)
    return image, ring


def cut(photo, tmp_path, index=1, **changed):
    out = tmp_path / "1.png", tmp_path / "1.json"
    cut_out_product(photo, "RING1", index, *out, SETTINGS | changed)
    return out[0], json.loads(out[1].read_text())


def photo_file(tmp_path, image):
    write_png(tmp_path / "photo.png", image)
    return tmp_path / "photo.png"


def alpha_of(image):
    return Backend(SETTINGS).cut_out(image).alpha


def test_ring_on_a_white_sweep_stays_open(tmp_path):
    image, ring = ring_photo()
    png, record = cut(photo_file(tmp_path, image), tmp_path)
    assert (record["status"], record["reason"], record["main"]) == ("accepted", "", True)
    assert record["box"] == pytest.approx([58, 28, 203, 173], abs=2)
    assert (record["width"], record["height"]) == (WIDTH, HEIGHT)
    x0, y0, x1, y1 = record["box"]
    found = read_rgba(png)
    assert found.shape == (y1 - y0, x1 - x0, 4)
    assert mask_iou(found[..., 3] > 127, ring[y0:y1, x0:x1]) > 0.97
    assert found[100 - y0, 130 - x0, 3] == 0
    assert record["provenance"]["backend"] == "classical" and len(record["provenance"]["inputs"]["photo"]) == 32


def test_edge_has_no_colour_of_the_ground(tmp_path):
    image, ring = ring_photo()
    soft = cv2.GaussianBlur(ring.astype(np.float32), (0, 0), 1.2)[..., None]
    image = (soft * np.array([150, 60, 40]) + (1 - soft) * sweep()).astype(np.uint8)
    png, _ = cut(photo_file(tmp_path, image), tmp_path)
    found = read_rgba(png)
    edge = (found[..., 3] > 20) & (found[..., 3] < 235)
    assert edge.sum() > 100
    away = np.abs(found[edge][:, :3].astype(int) - [150, 60, 40]).max(1)
    assert np.median(away) < 12


def test_soft_shadow_is_ground():
    image = sweep().astype(np.float32)
    shadow = cv2.GaussianBlur(disc((150, 140), 45).astype(np.float32), (0, 0), 14)
    image *= (1 - 0.25 * shadow)[..., None]
    product = np.zeros((HEIGHT, WIDTH), bool)
    product[60:140, 80:170] = True
    image[product] = (30, 70, 160)
    assert mask_iou(alpha_of(image.astype(np.uint8)) > 127, product) > 0.95


def on_a_contact_shadow(colour):
    """A box on a shadow that is deep and steep at its foot, and where the box is."""
    rows, columns = np.mgrid[:300, :400].astype(np.float32)
    product = (rows >= 80) & (rows < 220) & (columns >= 120) & (columns < 280)
    outside = np.hypot(np.maximum(np.abs(columns - 200) - 80, 0), np.maximum(np.abs(rows - 214) - 6, 0) * 1.5)
    image = np.full((300, 400, 3), 240.0) * (1 - 0.75 * np.exp(-outside / 10))[..., None]
    image[product] = colour
    return cv2.GaussianBlur(image.astype(np.uint8), (0, 0), 0.7), product


def test_a_contact_shadow_is_no_product():
    image, product = on_a_contact_shadow((30, 90, 170))
    found = alpha_of(image) > 127
    assert mask_iou(found, product) > 0.98
    assert base_band(found, product) < 0.05


@pytest.mark.parametrize("grey", [40, 110, 150])
def test_a_product_of_the_shadows_colour_stays_whole(grey):
    image, product = on_a_contact_shadow((grey,) * 3)
    found = alpha_of(image) > 127
    assert (found & product).sum() > 0.97 * product.sum()


def test_a_filled_ring_is_opened_to_its_ground():
    image, ring = ring_photo()
    assert mask_iou(open_to_ground(image, disc((130, 100), 70), 0.8), ring) > 0.98


def test_a_white_product_on_white_is_not_opened():
    image, jar = sweep(), disc((130, 100), 60)
    shade = 0.9 - 0.0008 * (np.nonzero(jar)[1] - 130)
    image[jar] = (image[jar] * shade[:, None]).astype(np.uint8)
    image[disc((110, 80), 2)] = sweep()[disc((110, 80), 2)]  # a highlight of exactly the ground's colour
    assert np.array_equal(open_to_ground(image, jar, 0.8), jar)


def test_no_plain_ground_no_opening():
    image, product = scene()
    assert np.array_equal(open_to_ground(image, product, 0.8), product)


def test_speck_and_lettering_are_dropped_but_a_pair_is_kept():
    image = sweep()
    pair = disc((70, 90), 30) | disc((180, 90), 30)
    image[pair] = (170, 120, 20)
    cv2.putText(image, "shop", (90, 190), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (120, 120, 120), 1)
    assert mask_iou(alpha_of(image) > 127, pair) > 0.95


def test_highlight_inside_the_product_is_filled():
    image, product = sweep(), disc((130, 100), 60)
    image[product] = (20, 20, 90)
    glow = cv2.GaussianBlur(disc((115, 80), 6).astype(np.float32), (0, 0), 2)[..., None]
    image = (image * (1 - glow) + 255 * glow).astype(np.uint8)
    assert mask_iou(alpha_of(image) > 127, product) > 0.97


def test_white_dial_with_hands_is_filled():
    image, watch = sweep(), disc((130, 100), 70)
    image[watch] = (90, 80, 70)
    image[disc((130, 100), 52)] = (226, 226, 226)
    cv2.line(image, (130, 100), (130, 65), (20, 20, 20), 3)
    cv2.line(image, (130, 100), (155, 110), (20, 20, 20), 3)
    assert mask_iou(alpha_of(image) > 127, watch) > 0.97


def scene(product_colour=(200, 40, 40)):
    """A product before a ground of two tones and a blurred texture; no uniform border."""
    rng = np.random.default_rng(3)
    image = np.full((300, 300, 3), (60, 70, 60), np.float32)
    image[190:] = (120, 90, 60)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (300, 300)).astype(np.float32), (0, 0), 6)
    image += (noise / noise.std() * 12)[..., None]
    product = disc((150, 160), 65, (300, 300))
    image[product] = product_colour
    image = cv2.GaussianBlur(image, (0, 0), 1)
    return np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8), product


def test_distinct_product_in_a_scene_is_cut_by_grabcut():
    image, product = scene()
    assert fit_background(image).uniformity < SETTINGS["min_ground_uniformity"]
    assert mask_iou(alpha_of(image) > 127, product) > 0.95


def test_saliency_is_higher_on_the_product():
    image, product = scene()
    saliency = saliency_map(image)
    assert saliency.shape == product.shape and saliency.min() >= 0 and saliency.max() <= 1
    assert saliency[product].mean() > 3 * saliency[~product].mean()


def test_product_like_its_ground_is_refused(tmp_path):
    image, _ = scene((90, 84, 60))
    png, record = cut(photo_file(tmp_path, image), tmp_path, work_px=160)
    assert record["status"] == "rejected" and png.stat().st_size == 0
    assert "too cluttered: confidence" in record["reason"] and "min_confidence 0.75" in record["reason"]
    assert record["measures"]["confidence"] < 0.75


def test_clutter_is_refused():
    rng = np.random.default_rng(1)
    image = np.full((300, 300, 3), 128, np.uint8)
    for _ in range(90):
        centre = tuple(int(v) for v in rng.integers(0, 300, 2))
        cv2.circle(image, centre, int(rng.integers(10, 40)), [int(v) for v in rng.integers(0, 256, 3)], -1)
    with pytest.raises(NoCutOutError, match="confidence"):
        alpha_of(image)


def test_card_with_a_product_on_it_is_refused(tmp_path):
    rng = np.random.default_rng(2)
    image = np.clip(rng.normal(40, 14, (300, 300, 3)), 0, 255).astype(np.uint8)
    image[60:240, 70:230] = (230, 150, 150)
    image[disc((150, 150), 40, (300, 300)) & ~disc((150, 150), 33, (300, 300))] = (40, 30, 30)
    _, record = cut(photo_file(tmp_path, cv2.GaussianBlur(image, (0, 0), 0.8)), tmp_path)
    assert record["status"] == "rejected" and "on a card" in record["reason"]


def test_a_wide_soft_shadow_between_parts_is_no_pale_product():
    image = np.full((HEIGHT, WIDTH, 3), 245, np.uint8).astype(np.float32)
    cast = np.zeros((HEIGHT, WIDTH), np.float32)
    cast[70:180, 70:200] = 1
    image *= 1 - 0.12 * cv2.GaussianBlur(cast, (0, 0), 14)[..., None]
    truth = np.zeros((HEIGHT, WIDTH), bool)
    truth[50:150, 50:62] = truth[50:150, 158:170] = truth[50:62, 50:170] = True
    image[truth] = (120, 70, 30)
    alpha = alpha_of(cv2.GaussianBlur(image.astype(np.uint8), (0, 0), 0.8))
    found = alpha > 127
    assert (found & truth).sum() / (found | truth).sum() > 0.9


def test_pale_product_is_refused():
    image = np.full((HEIGHT, WIDTH, 3), 252, np.uint8)
    fade = np.repeat(np.linspace(236, 246, 90)[None, :, None], 100, 0)
    image[50:150, 80:170] = fade
    image[50:150, 60:80] = image[50:150, 170:180] = (120, 70, 30)
    image[50:58, 60:180] = (120, 70, 30)
    with pytest.raises(NoCutOutError, match="pale as a shadow"):
        alpha_of(cv2.GaussianBlur(image, (0, 0), 3))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (np.full((40, 300, 3), 255, np.uint8), "too small: 300x40 pixels, the short side must have 64"),
        (np.full((200, 200, 3), 255, np.uint8), "no product found: the cut-out covers 0.00%"),
    ],
)
def test_rejections_name_the_number(tmp_path, image, words):
    png, record = cut(photo_file(tmp_path, image), tmp_path, index=2)
    assert record["status"] == "rejected" and words in record["reason"]
    assert png.stat().st_size == 0 and record["box"] is None and record["main"] is False


def test_product_over_the_border_is_rejected(tmp_path):
    image = sweep()
    image[80:120] = (20, 120, 60)
    _, record = cut(photo_file(tmp_path, image), tmp_path)
    assert record["status"] == "rejected" and "cut off" in record["reason"]


@pytest.mark.parametrize("data", [b"", b"<html>", None])
def test_unreadable_photo_is_a_record(tmp_path, data):
    photo = tmp_path / "p.jpg"
    if data is None:
        write_jpeg(photo, ring_photo()[0])
        data = photo.read_bytes()[:1500]
    photo.write_bytes(data)
    png, record = cut(photo, tmp_path)
    assert record["status"] == "rejected" and record["reason"].startswith("p.jpg: ") and record["width"] is None
    assert png.stat().st_size == 0


def test_transparent_photo_keeps_its_alpha(tmp_path):
    image, ring = ring_photo()
    alpha = np.rint(255 * cv2.GaussianBlur(ring.astype(np.float32), (0, 0), 2)).astype(np.uint8)
    png, record = cut(photo_file(tmp_path, np.dstack([image, alpha])), tmp_path)
    x0, y0, x1, y1 = record["box"]
    assert record["status"] == "accepted"
    assert np.array_equal(read_rgba(png)[..., 3], alpha[y0:y1, x0:x1])


def test_opaque_alpha_channel_is_no_cut_out(tmp_path):
    image, ring = ring_photo()
    _, record = cut(photo_file(tmp_path, np.dstack([image, np.full(ring.shape, 255, np.uint8)])), tmp_path)
    assert record["measures"]["area"] == pytest.approx(ring.mean(), rel=0.03)


@pytest.mark.slow
def test_same_photo_same_bytes(tmp_path):
    image, _ = scene()
    photo = photo_file(tmp_path, image)
    first = cut(photo, tmp_path, work_px=160)[0].read_bytes()
    assert first and cut(photo, tmp_path, work_px=160)[0].read_bytes() == first


def test_backend_limit_reduces_the_photo(tmp_path, monkeypatch):
    seen = []
    plain = Backend.cut_out
    monkeypatch.setattr(Backend, "limits", Limits(max_side_px=130))
    monkeypatch.setattr(Backend, "cut_out", lambda self, image: seen.append(image.shape) or plain(self, image))
    _, record = cut(photo_file(tmp_path, ring_photo()[0]), tmp_path)
    assert seen == [(100, 130, 3)] and record["status"] == "accepted"
    assert record["box"] == pytest.approx([58, 28, 203, 173], abs=4)


def test_ground_of_a_quadratic_sweep_is_recovered():
    ground = fit_background(sweep())
    assert ground.uniformity == 1.0 and ground.noise < 0.6
    assert np.percentile(ground.distance, 99) < 1.5


def test_object_at_the_border_does_not_bend_the_ground():
    image = sweep()
    image[60:110, :30] = (20, 20, 20)
    clean = fit_background(image).distance.copy()
    clean[60:110, :30] = 0
    assert np.percentile(clean, 99) < 2.0


def test_alpha_of_a_known_mixture_is_exact():
    ground = np.full((20, 40, 3), (100.0, 0, 0), np.float32)
    lab = ground.copy()
    lab[:, 20:] = (40, 50, 30)
    mixed = 0.3 * lab[:, 25] + 0.7 * ground[:, 0]
    lab[:, 19] = mixed
    mask = np.zeros((20, 40), bool)
    mask[:, 19:] = True
    alpha = known_background_alpha(lab, ground, mask, 3)
    assert np.allclose(alpha[:, 19], 0.3, atol=0.01)
    assert (alpha[:, 21:] == 1).all() and (alpha[:, :19] == 0).all()


def test_guided_alpha_moves_a_coarse_mask_to_the_edge():
    image = np.full((80, 120, 3), 230, np.uint8)
    image[:, 60:] = 20
    coarse = np.zeros((40, 60), bool)
    coarse[:, 31:] = True
    alpha = guided_alpha(image, coarse, 4)
    assert alpha.shape == (80, 120)
    assert (alpha[40, :60] < 0.05).all() and (alpha[40, 60:62] > 0.4).all() and (alpha[40, 64:] > 0.9).all()


def test_nearest_values_and_decontaminate():
    values = np.zeros((1, 5, 3), np.uint8)
    values[0, 0], values[0, 4] = 10, 90
    known = np.array([[True, False, False, False, True]])
    assert nearest_values(values, known)[0, :, 0].tolist()[:2] == [10, 10]
    assert nearest_values(values, known)[0, 3, 0] == 90
    image = np.full((9, 9, 3), 255, np.uint8)
    image[:, 4:] = (100, 0, 0)
    image[:, 3] = (178, 128, 128)
    alpha = np.zeros((9, 9), np.uint8)
    alpha[:, 4:], alpha[:, 3] = 255, 60
    clean = decontaminate(image, alpha)
    assert np.abs(clean[:, 3].astype(int) - [100, 0, 0]).max() <= 12 and (clean[:, 0] == (100, 0, 0)).all()


def test_measures_and_their_reasons():
    alpha = np.zeros((100, 100), np.uint8)
    alpha[10:30, 10:30], alpha[50:60, 50:70] = 255, 255
    measures = alpha_measures(alpha)
    assert measures["area"] == 0.06 and measures["main_part"] == pytest.approx(2 / 3, abs=1e-4)
    assert measures["parts"] == 2 and measures["border_contact"] == 0 and measures["softness"] == 0
    assert reason_against(measures, ProductsSettings()) == ""
    assert "max_parts 1" in reason_against(measures, ProductsSettings(max_parts=1))
    assert "min_main_part 80%" in reason_against(measures, ProductsSettings(min_main_part=0.8))
    full = alpha_measures(np.full((9, 9), 255, np.uint8))
    assert "no background found: the cut-out covers 100.00%" in reason_against(full, ProductsSettings())


def test_a_shadow_inside_a_ring_is_not_part_of_it():
    rows, columns = np.mgrid[:300, :300].astype(np.float32)
    radius = np.hypot(columns - 150, rows - 150)
    shade = np.exp(-(((np.hypot(columns - 160, rows - 162) - 95) / 16) ** 2))
    image = np.full((300, 300, 3), 248.0) * (1 - 0.25 * shade)[..., None]
    ring = np.abs(radius - 95) < 12
    image[ring] = (190, 140, 40)
    alpha = alpha_of(image.astype(np.uint8))
    assert alpha[np.abs(radius - 95) < 9].min() > 200
    assert (alpha[radius < 78] > 25).mean() < 0.02

"""Camera, renderer, products and photos of the rendered world."""

from ctypes.util import find_library
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
pv = pytest.importorskip("pyvista", reason="the rendered world needs the packages of envs/world.txt")
if find_library("EGL") is None:
    pytest.skip("there is no libEGL to draw with", allow_module_level=True)

from world.photos import draw_photo
from world.products import PRODUCTS, product
from world.render import Camera, Lights, Part, Renderer
from world.shapes import ellipsoid, panel

pytestmark = pytest.mark.slow

W, H = 320, 180
HERE = np.eye(4)
FRONT = Camera((0.0, -4.0, 0.5), (0.0, 0.0, 0.5), 26.0)
EVEN = Lights((0.0, -0.3, 1.0), 0.6, 0.4)


@pytest.fixture(scope="module")
def renderer():
    opened = Renderer(W, H)
    yield opened
    opened.close()


def moved(x: float, y: float, z: float) -> np.ndarray:
    model = np.eye(4)
    model[:3, 3] = x, y, z
    return model


@pytest.mark.parametrize(
    "camera",
    [
        Camera((0.3, -3.0, 1.2)),
        Camera((1.0, -2.0, 2.0), (0.1, 0.0, 0.2), 40.0, roll=20.0),
        Camera((0.0, 0.0, 3.0), (0.0, 0.0, 0.0), 35.0),
    ],
)
def test_what_is_drawn_lies_where_the_camera_projects_it(renderer, camera):
    ball = Part(ellipsoid(0.03, 0.03, 0.03).mesh(60), roughness=1.0)
    y, x = np.mgrid[:H, :W]
    for place in ([0.0, 0.0, 0.1], [0.4, 0.2, 0.3], [-0.3, 0.3, 0.0]):
        layer = renderer.layer((ball,), moved(*place), camera, EVEN)
        xy, depth = camera.project(np.array([place]), W, H)
        centre = np.array([(x * layer.alpha).sum(), (y * layer.alpha).sum()]) / layer.alpha.sum()
        assert np.abs(centre - xy[0]).max() < 0.2
        assert layer.depth.min() == pytest.approx(depth[0] - 0.03, abs=0.002)


def test_the_ground_homography_is_the_projection_of_the_ground():
    camera = Camera((1.0, -2.0, 2.0), (0.1, 0.0, 0.2), 40.0, roll=20.0)
    points = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    xy, depth = camera.project(np.column_stack([points, np.zeros(20)]), W, H)
    seen = np.column_stack([points, np.ones(20)]) @ camera.ground_homography(W, H).T
    assert np.allclose(seen[:, :2] / seen[:, 2:], xy)
    assert np.allclose(seen[:, 2], depth)


def test_a_layer_is_premultiplied_and_empty_away_from_the_part(renderer):
    sheet = Part(panel(0.8, 0.6).turned("y", 10).moved(z=0.5).mesh(), roughness=1.0)
    layer = renderer.layer((sheet,), HERE, FRONT, EVEN)
    assert layer.alpha.min() == 0 and layer.alpha.max() == 1
    edge = (layer.alpha > 0.2) & (layer.alpha < 0.8)
    inside = layer.rgb[layer.alpha == 1].mean()
    assert edge.sum() > 100
    assert np.allclose(layer.rgb[edge] / layer.alpha[edge][:, None], inside, rtol=0.05)
    away = layer.alpha == 0
    assert not layer.rgb[away].any() and np.isinf(layer.depth[away]).all()
    assert np.isfinite(layer.depth[~away]).all()
    assert not layer.alpha[:, :60].any()


def test_nothing_in_view_gives_an_empty_layer(renderer):
    sheet = Part(panel(0.8, 0.6).mesh())
    for model in (moved(0, -9, 0.5), moved(40, 0, 0.5)):
        layer = renderer.layer((sheet,), model, FRONT, EVEN)
        assert not layer.alpha.any() and not layer.rgb.any() and np.isinf(layer.depth).all()


def test_a_part_of_half_opacity_has_half_alpha_half_light_and_a_depth(renderer):
    mesh = panel(0.8, 0.6).moved(z=0.5).mesh()
    solid = renderer.layer((Part(mesh, roughness=1.0),), HERE, FRONT, EVEN)
    clear = renderer.layer((Part(mesh, roughness=1.0, opacity=0.5),), HERE, FRONT, EVEN)
    assert clear.alpha[H // 2, W // 2] == pytest.approx(0.5, abs=0.01)
    assert clear.rgb[H // 2, W // 2] == pytest.approx(0.5 * solid.rgb[H // 2, W // 2], rel=0.04)
    assert np.allclose(clear.depth[clear.alpha > 0], solid.depth[clear.alpha > 0])


@pytest.mark.parametrize(("intensity", "ambient"), [(0.6, 0.4), (1.0, 0.2), (0.1, 0.8), (0.0, 1.0)])
def test_white_level_ground_receives_what_the_lights_say(renderer, intensity, ambient):
    ground = Part(panel(3, 3).turned("x", -90).mesh(), roughness=1.0)
    lights = Lights((0.6, 0.0, 0.8), intensity, ambient)
    seen = renderer.layer((ground,), HERE, Camera((0.0, 0.0, 3.0), (0.0, 0.0, 0.0)), lights).rgb[H // 2, W // 2]
    assert seen == pytest.approx(0.8 * intensity + ambient, rel=0.05)


def test_the_key_light_comes_from_its_direction(renderer):
    ball = Part(ellipsoid(0.4, 0.4, 0.4).moved(z=0.5).mesh(60), roughness=1.0)
    for side in (-1, 1):
        light = renderer.layer((ball,), HERE, FRONT, Lights((side, -0.5, 0.3), 1.0, 0.2)).rgb.sum(2)
        halves = light[:, : W // 2].sum(), light[:, W // 2 :].sum()
        assert np.sign(halves[1] - halves[0]) == side and max(halves) > 1.5 * min(halves)


def test_a_texture_is_neither_mirrored_nor_upside_down(renderer):
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :32], texture[:32, 32:], texture[32:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    sheet = Part(panel(0.8, 0.8).moved(z=0.5).mesh(), roughness=1.0, texture=texture)
    rgb = renderer.layer((sheet,), HERE, FRONT, EVEN).rgb
    assert [rgb[y, x].argmax() for y, x in ((60, 130), (60, 190), (120, 130))] == [0, 1, 2]


def test_the_same_call_gives_the_same_bytes_whatever_came_between(renderer):
    duck, glasses = product("duck"), product("glasses")
    first = renderer.layer(duck.parts, HERE, FRONT, EVEN)
    renderer.layer(glasses.parts, moved(0.2, 0, 0), Camera((1.0, -3.0, 2.0)), Lights((1, 1, 1), 1.0, 0.1))
    second = renderer.layer(duck.parts, HERE, FRONT, EVEN)
    for name in ("rgb", "alpha", "depth"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


def test_the_shop_has_many_products_of_many_categories_of_the_taxonomy():
    taxonomy = yaml.safe_load((ROOT / "config/taxonomy.yaml").read_text())["categories"]
    shop = [make() for make in PRODUCTS.values()]
    assert len(shop) >= 12 and len({item.category for item in shop}) >= 6
    for item in shop:
        assert item.subcategory in taxonomy[item.category], item.product_id
    assert len({item.title for item in shop}) == len(shop)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_stands_on_the_ground_in_its_box_and_has_normals(name):
    parts = product(name).parts
    points = np.concatenate([part.mesh.points for part in parts])
    assert -0.005 <= points[:, 2].min() <= 0.02
    assert np.abs(points[:, :2]).max() <= 0.7 and 0.1 <= points[:, 2].max() <= 1.1
    assert np.ptp(points, axis=0).max() >= 0.8
    assert np.abs(points[:, :2].max(0) + points[:, :2].min(0)).max() < 0.2
    assert 500 <= sum(part.mesh.n_cells for part in parts) <= 13000
    for part in parts:
        assert part.mesh.is_all_triangles
        assert np.allclose(np.linalg.norm(part.mesh.point_data.active_normals, axis=1), 1, atol=1e-3)
        if part.texture is not None:
            assert part.texture.dtype == np.uint8
            assert len(part.mesh.active_texture_coordinates) == part.mesh.n_points


def test_products_differ_in_colour(renderer):
    means, frontal = [], Lights((0.0, -1.0, 0.8), 0.9, 0.5)
    for name in PRODUCTS:
        layer = renderer.layer(product(name).parts, HERE, FRONT, frontal)
        means.append(np.clip(layer.rgb.sum((0, 1)) / layer.alpha.sum(), 0, 1) ** (1 / 2.2) * 255)
    means = np.array(means)
    apart = np.linalg.norm(means[:, None] - means[None], axis=2) + 1000 * np.eye(len(means))
    assert apart.min() > 8 and np.median(apart.min(1)) > 20
    assert means.mean(1).max() > 190 and means.mean(1).min() < 100


def test_a_seed_gives_the_same_shape_in_other_colours():
    own, other = product("mug_blue"), product("mug_blue", 5)
    assert product("mug_blue", 5) is other
    assert all(np.array_equal(a.mesh.points, b.mesh.points) for a, b in zip(own.parts, other.parts, strict=True))
    assert np.abs(np.array(own.parts[0].color) - other.parts[0].color).max() > 0.2


@pytest.mark.parametrize("name", ["necklace", "duck", "sunglasses"])
def test_photos_show_the_whole_product_from_several_angles(name):
    alphas = []
    for index in range(1, 6):
        image, alpha = draw_photo(product(name), index, 160, 0)
        assert image.shape == (160, 160, 3) and image.dtype == np.uint8 and alpha.shape == (160, 160)
        assert 0.015 < (alpha > 127).mean() < 0.7
        assert not (alpha[[0, -1]].any() or alpha[:, [0, -1]].any())
        alphas.append(alpha > 127)
    overlap = [(a & b).sum() / (a | b).sum() for a, b in pairwise(alphas)]
    assert max(overlap) < 0.9


def test_the_main_photo_is_the_product_on_pale_ground_and_its_alpha_is_true():
    image, alpha = draw_photo(product("duck"), 1, 200, 3)
    again, _ = draw_photo(product("duck"), 1, 200, 3)
    assert np.array_equal(image, again)
    assert image[:8].min() > 200
    colourful = np.ptp(image.astype(int), axis=2) > 60
    solid = alpha > 127
    assert (colourful & solid).sum() / (colourful | solid).sum() > 0.93

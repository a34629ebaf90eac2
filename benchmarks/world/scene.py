"""A shot in three dimensions, composed of layers: ground, clutter, a hand-like shape, and any product in its place.

Layers share the camera, the light and the depth buffer, so the same frame is had with product A, with product B and
without one, and nothing but the product, its shadow and what it hides differs. Composition is in linear light.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import pyvista as pv

from world.motion import CameraPath, HandPath, LightPath, ProductPath
from world.render import Camera, Layer, Lights, Part, Renderer
from world.shadows import ShadowMap, ground_shadow, surface_points
from world.textures import ground

Array = np.ndarray

GROUNDS = ("studio", "cloth", "wood", "marble", "slate", "paper")
_TEXTURE_PX, _TEXTURE_UNITS = 2048, 9.0
_TABLE_EDGE = 2.6
_SURFACE_POINTS = 16_000
_TRACKED_POINTS = 32


@dataclass(frozen=True)
class Shot:
    """One take: what is seen, how it moves, and for how long. `product` None shows none."""

    n_frames: int
    product: str | None
    ground: str
    clutter: int
    camera: CameraPath
    path: ProductPath
    hand: HandPath
    light: LightPath
    key: tuple[float, float, float]
    seed: int


@dataclass(frozen=True)
class Frame:
    """One frame of a shot and its truth.

    image: uint8 (h, w, 3) sRGB. mask: bool (h, w), the visible product. shadow: float32 (h, w), share of light that the
    product's shadow takes where its ground is in sight. depth: float32 (h, w), units along the view axis, inf beyond
    the scene. points: float (k, 2) px of the product's key points, and whether each is in sight.
    """

    image: Array
    mask: Array
    shadow: Array
    depth: Array
    points: Array
    visible: Array


@dataclass(frozen=True)
class _Base:
    """What all variants of a frame share: the empty scene without hand, and the hand, in linear light."""

    scene: Array
    depth: Array
    open_ground: Array
    ground_xy: Array
    hand: Layer | None
    hand_shadow: Array
    camera: Camera
    gain: Array


class Stage:
    """Draws the frames of a shot, with any product in the place of its own."""

    def __init__(self, shot: Shot, renderer: Renderer, products: dict[str, Sequence[Part]]) -> None:
        self.shot, self._renderer, self._products = shot, renderer, products
        self._lights = Lights(shot.key, 0.86, 0.36)
        key = self._lights.intensity * self._lights.unit()[2]
        self._ground_light = key + self._lights.ambient
        self._key_share = key / self._ground_light
        self._points: dict[str, Array] = {}
        self._shadows: dict[tuple, ShadowMap] = {}
        self._still: tuple[Array, Array, Array, Array] | None = None
        rng = np.random.default_rng((shot.seed, 1))
        self._texture = _ground_texture(shot.ground, rng)
        self._backdrop = _backdrop(shot.ground, rng)
        self._clutter = _clutter(shot.clutter, rng, shot.path.size)
        self._clutter_shadow = self._shadow(self._clutter, np.eye(4), (0.0, 0.5)) if self._clutter else None
        self._hand_parts = hand_parts(rng) if shot.hand.kind != "none" else []

    def base(self, index: int) -> _Base:
        """The empty scene of frame `index`, to be passed to `frame`."""
        shot, renderer = self.shot, self._renderer
        t = index / max(1, shot.n_frames - 1)
        position, target = shot.camera.at(t)
        camera = Camera(tuple(position), tuple(target), shot.camera.fov_y)
        if self._still is None or shot.camera.kind != "still":
            self._still = self._empty(camera)
        scene, depth, ground_xy, on_ground = self._still
        if self._clutter_shadow is not None:
            scene = scene * (1 - self._in_view(self._clutter_shadow, ground_xy) * on_ground)[..., None]
        open_ground = on_ground
        if self._clutter:
            layer = renderer.layer(self._clutter, np.eye(4), camera, self._lights)
            scene = layer.rgb + scene * (1 - layer.alpha[..., None])
            depth = np.where(layer.alpha > 0.5, np.minimum(layer.depth, depth), depth)
            open_ground = open_ground * (1 - layer.alpha)
        hand, shade = None, np.zeros(depth.shape, np.float32)
        pose = shot.hand.at(t, shot.path.at(t))
        if pose is not None:
            hand = renderer.layer(self._hand_parts, pose, camera, self._lights)
            centre = (float(np.clip(pose[0, 3], -1.2, 1.2)), float(pose[1, 3]))
            shade = self._in_view(self._shadow(self._hand_parts, pose, centre), ground_xy) * open_ground
        gain = np.broadcast_to(shot.light.gain(t), (1, 1, 3))
        sweep = shot.light.sweep(t, renderer.width, renderer.height)
        return _Base(scene, depth, open_ground, ground_xy, hand, shade, camera, gain if sweep is None else gain * sweep)

    def frame(self, index: int, base: _Base, product: str | None) -> Frame:
        """Frame `index` with `product` in its place, or with none."""
        shape = base.depth.shape
        lit = base.scene * (1 - base.hand_shadow)[..., None]
        if product is None:
            image, depth = _over_hand(lit, base.depth, None, base.hand)
            nothing, none = np.zeros(shape, np.float32), np.zeros((0, 2))
            return Frame(_encoded(image * base.gain), nothing > 0, nothing, depth, none, np.zeros(0, bool))
        pose = self.shot.path.at(index / max(1, self.shot.n_frames - 1))
        layer = self._renderer.layer(self._products[product], pose, base.camera, self._lights)
        shade = self._in_view(self._product_shadow(product, pose), base.ground_xy) * base.open_ground
        behind = layer.depth > base.depth + 0.05
        layer = Layer(layer.rgb * ~behind[..., None], layer.alpha * ~behind, np.where(behind, np.inf, layer.depth))
        image, depth = _over_hand(lit * (1 - shade)[..., None], base.depth, layer, base.hand)
        seen = layer.alpha * (1 - _hidden(layer, base.hand))
        clear = (1 - layer.alpha) * (1 - (base.hand.alpha if base.hand is not None else 0))
        points, visible = np.zeros((0, 2)), np.zeros(0, bool)
        if product == self.shot.product:
            points, visible = self._track(product, pose, base.camera, layer, seen)
        return Frame(
            _encoded(image * base.gain), seen > 0.5, (shade * clear).astype(np.float32), depth, points, visible
        )

    def hand_mask(self, base: _Base) -> Array:
        """The hand-like shape as the empty scene shows it, bool (h, w)."""
        return base.hand.alpha > 0.5 if base.hand is not None else np.zeros(base.depth.shape, bool)

    def _empty(self, camera: Camera) -> tuple[Array, Array, Array, Array]:
        """Ground and backdrop: linear RGB, depth, ground coordinates (h, w, 2), share of the pixel that is ground."""
        width, height = self._renderer.width, self._renderer.height
        fine = _rays(camera, width, height, 2)
        colour, share = self._surface(fine, camera)
        scene = cv2.resize(colour, (width, height), interpolation=cv2.INTER_AREA)
        coarse = _rays(camera, width, height, 1)
        xy, depth = _ground_hit(coarse, camera)
        on_ground = cv2.resize(share, (width, height), interpolation=cv2.INTER_AREA)
        depth = np.where(on_ground > 0.5, depth, np.inf).astype(np.float32)
        return scene, depth, xy, on_ground

    def _surface(self, rays: Array, camera: Camera) -> tuple[Array, Array]:
        xy, _ = _ground_hit(rays, camera)
        scale = _TEXTURE_PX / _TEXTURE_UNITS
        u, v = (xy[..., 0] * scale + _TEXTURE_PX / 2, _TEXTURE_PX / 2 - xy[..., 1] * scale)
        table = cv2.remap(self._texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        falloff = 0.72 + 0.36 * np.exp(-((xy[..., 0] - 0.3) ** 2 + (xy[..., 1] + 0.2) ** 2) / 6)
        table *= (falloff * self._ground_light)[..., None]
        soft = self.shot.ground in ("studio", "paper")
        width = 2.4 if soft else 0.03
        away = np.clip((xy[..., 1] - (1.0 if soft else _TABLE_EDGE)) / width, 0, 1)
        away = np.where(rays[..., 2] < -1e-3, away, 1.0).astype(np.float32)
        share = 1 - away * away * (3 - 2 * away)
        azimuth = np.arctan2(rays[..., 0], rays[..., 1]) / np.pi * 1.4 + 0.5
        elevation = 0.5 - rays[..., 2] / np.linalg.norm(rays, axis=-1) * 0.9
        rows, columns = self._backdrop.shape[:2]
        far = cv2.remap(
            self._backdrop,
            (azimuth * columns).astype(np.float32),
            (elevation * rows).astype(np.float32),
            1,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return table * share[..., None] + far * (1 - share[..., None]), share

    def _product_shadow(self, product: str, pose: Array) -> ShadowMap:
        key = (product, pose.round(6).tobytes())
        if key not in self._shadows:
            self._shadows.clear() if len(self._shadows) > 40 else None
            centre = (float(pose[0, 3]), float(pose[1, 3]))
            self._shadows[key] = self._shadow(self._products[product], pose, centre)
        return self._shadows[key]

    def _shadow(self, parts: Sequence[Part], pose: Array, centre: tuple[float, float]) -> ShadowMap:
        key = str(id(parts))
        if key not in self._points:
            self._points[key] = _surface(parts, _SURFACE_POINTS, np.random.default_rng(5))
        points = self._points[key] @ pose[:3, :3].T + pose[:3, 3]
        points[:, 2] = np.maximum(points[:, 2], 0)
        return ground_shadow(points, self._lights.unit(), centre)

    def _in_view(self, shadow: ShadowMap, ground_xy: Array) -> Array:
        """Share of light taken on the ground, seen by the camera, float32 (h, w)."""
        inverse = np.linalg.inv(shadow.grid_to_ground())
        taken = self._key_share * shadow.key + (1 - self._key_share) * shadow.sky
        x = (ground_xy[..., 0] * inverse[0, 0] + inverse[0, 2]).astype(np.float32)
        y = (ground_xy[..., 1] * inverse[1, 1] + inverse[1, 2]).astype(np.float32)
        return cv2.remap(taken, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)

    def _track(self, product: str, pose: Array, camera: Camera, layer: Layer, seen: Array) -> tuple[Array, Array]:
        if product not in self._points:
            self._points[product] = _surface(self._products[product], _TRACKED_POINTS, np.random.default_rng(11))
        world = self._points[product] @ pose[:3, :3].T + pose[:3, 3]
        width, height = self._renderer.width, self._renderer.height
        xy, depth = camera.project(world, width, height)
        columns, rows = np.rint(xy).astype(int).T
        inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        visible = inside.copy()
        r, c = rows[inside], columns[inside]
        near = np.abs(layer.depth[r, c] - depth[inside]) < 0.03 * self.shot.path.size
        visible[inside] = near & (seen[r, c] > 0.5)
        return xy, visible


def _surface(parts: Sequence[Part], count: int, rng: np.random.Generator) -> Array:
    """Surface points of several parts, by area, (count, 3)."""
    merged = pv.merge([pv.PolyData(part.mesh.points, part.mesh.faces) for part in parts])
    mesh = merged.extract_surface(algorithm="dataset_surface").triangulate()
    return surface_points(np.asarray(mesh.points, float), mesh.faces.reshape(-1, 4)[:, 1:], count, rng)


def _rays(camera: Camera, width: int, height: int, factor: int) -> Array:
    """Direction per pixel with a forward component of 1, float32 (h * factor, w * factor, 3)."""
    right, down, forward = camera.axes()
    half = np.tan(np.radians(camera.fov_y) / 2)
    y = ((np.arange(height * factor) + 0.5) / (height * factor) * 2 - 1) * half
    x = ((np.arange(width * factor) + 0.5) / (width * factor) * 2 - 1) * half * width / height
    return (forward + x[None, :, None] * right + y[:, None, None] * down).astype(np.float32)


def _ground_hit(rays: Array, camera: Camera) -> tuple[Array, Array]:
    """Where rays meet z = 0, float32 (h, w, 2), and at what depth; far away where they do not."""
    depth = (camera.position[2] / np.maximum(-rays[..., 2], 1e-3)).astype(np.float32)
    xy = rays[..., :2] * depth[..., None] + np.asarray(camera.position[:2], np.float32)
    return np.ascontiguousarray(np.clip(xy, -60, 60)), depth


def _hidden(layer: Layer, hand: Layer | None) -> Array:
    """How much of each pixel of a product the hand covers, 0-1."""
    return np.float32(0) if hand is None else hand.alpha * (hand.depth < layer.depth)


def _over_hand(scene: Array, depth: Array, product: Layer | None, hand: Layer | None) -> tuple[Array, Array]:
    """Product and hand over the scene, whichever is nearer on top; linear RGB and depth."""
    layers = [layer for layer in (product, hand) if layer is not None]
    if len(layers) == 2:
        front = (layers[1].depth < layers[0].depth)[..., None]
        a, b = (_over(_over(scene, layers[k]), layers[1 - k]) for k in (0, 1))
        image = np.where(front, a, b)
    else:
        image = _over(scene, layers[0]) if layers else scene
    for layer in layers:
        depth = np.where(layer.alpha > 0.5, np.minimum(layer.depth, depth), depth)
    return image, depth


def _over(scene: Array, layer: Layer) -> Array:
    return layer.rgb + scene * (1 - layer.alpha[..., None])


def _encoded(linear: Array) -> Array:
    """Linear light to sRGB, uint8 (IEC 61966-2-1)."""
    x = np.clip(linear, 0, 1)
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(np.maximum(x, 1e-6), 1 / 2.4) - 0.055)
    return np.rint(srgb * 255).astype(np.uint8)


def _linear(srgb: Array) -> Array:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _ground_texture(kind: str, rng: np.random.Generator) -> Array:
    """Linear RGB of the ground, float32 (2048, 2048, 3)."""
    if kind in ("studio", "paper"):
        tones = {"studio": (0.80, 0.81, 0.83), "paper": tuple(0.45 + 0.4 * rng.random(3))}
        texture = np.full((_TEXTURE_PX, _TEXTURE_PX, 3), tones[kind], np.float32)
        return _linear(texture + rng.normal(0, 0.006, texture.shape[:2]).astype(np.float32)[..., None])
    return _linear(np.clip(ground(kind, rng, _TEXTURE_PX, _TEXTURE_PX) * (0.86 + 0.14 * rng.random()), 0, 1))


def _backdrop(kind: str, rng: np.random.Generator) -> Array:
    """Linear RGB of what is behind the table, by direction, float32 (256, 512, 3): a sweep, or a room out of focus."""
    rows = np.linspace(0, 1, 256, dtype=np.float32)[:, None, None]
    if kind in ("studio", "paper"):
        return np.broadcast_to(_linear(np.float32(0.62) + 0.22 * rows * np.ones(3, np.float32)), (256, 512, 3)).copy()
    tone = 0.28 + 0.3 * rng.random(3)
    room = (tone * (0.75 + 0.5 * rows) * np.ones((1, 512, 1))).astype(np.float32)
    for _ in range(26):
        centre = (int(rng.integers(512)), int(rng.integers(256)))
        shade = room.copy()
        cv2.circle(
            shade,
            centre,
            int(rng.integers(8, 46)),
            tuple(float(v) for v in tone + 0.5 * rng.random() * (0.6 + 0.4 * rng.random(3))),
            -1,
        )
        room = room + (shade - room) * np.float32(0.25 + 0.4 * rng.random())
    return _linear(np.clip(cv2.GaussianBlur(room, (0, 0), 7), 0, 1))


def _clutter(count: int, rng: np.random.Generator, size: float) -> list[Part]:
    """Simple things that stand around: cylinders, balls and boxes."""
    parts = []
    for number in range(count):
        angle = np.pi * (0.12 + 0.76 * (number + rng.random()) / max(1, count))
        reach = (0.75 + 0.35 * rng.random()) * max(size, 0.6) + 0.55
        x, y, r = reach * 1.25 * np.cos(angle), reach * np.sin(angle), 0.13 + 0.13 * rng.random()
        shape = int(rng.integers(3))
        if shape == 0:
            height = r * (1.5 + 2 * rng.random())
            mesh = pv.Cylinder(center=(x, y, height / 2), direction=(0, 0, 1), radius=r, height=height, resolution=48)
        elif shape == 1:
            mesh = pv.Sphere(radius=r, center=(x, y, r), theta_resolution=40, phi_resolution=40)
        else:
            mesh = pv.Cube(center=(x, y, r), x_length=2 * r, y_length=1.4 * r, z_length=2 * r)
            mesh = mesh.rotate_z(float(rng.uniform(0, 90)), point=(x, y, 0))
        mesh = mesh.triangulate().compute_normals(split_vertices=True, feature_angle=40, cell_normals=False)
        parts.append(Part(mesh, tuple(float(v) for v in 0.15 + 0.7 * rng.random(3)), 0.0, 0.35 + 0.4 * rng.random()))
    return parts


def hand_parts(rng: np.random.Generator) -> list[Part]:
    """A hand-like shape in units of the product's size: thumb in front and fingers behind x = 0, forearm along +x."""
    skin = [(0.93, 0.76, 0.65), (0.80, 0.60, 0.47), (0.55, 0.37, 0.27), (0.37, 0.24, 0.17)][int(rng.integers(4))]
    sleeve = tuple(float(v) for v in 0.1 + 0.5 * rng.random(3))
    limbs = [((0.62, 0.06, 0.0), (3.6, 0.5, 0.35), 0.17, skin), ((1.5, 0.17, 0.1), (3.9, 0.56, 0.39), 0.25, sleeve)]
    limbs += [((0.50, 0.08, 0.0), (0.86, 0.1, 0.02), 0.20, skin)]
    for k in range(4):
        z = -0.16 + 0.11 * k
        limbs += [
            ((-0.06, 0.20, z), (0.30, 0.30, z), 0.055, skin),
            ((0.30, 0.30, z), (0.62, 0.14, z * 0.8), 0.062, skin),
        ]
    limbs += [
        ((-0.04, -0.10, 0.06), (0.26, -0.20, 0.05), 0.064, skin),
        ((0.26, -0.20, 0.05), (0.58, 0.0, 0.0), 0.075, skin),
    ]
    return [Part(_limb(np.array(a), np.array(b), r), tone, 0.0, 0.62) for a, b, r, tone in limbs]


def _limb(start: Array, end: Array, radius: float) -> pv.PolyData:
    """A capsule from `start` to `end`."""
    length = float(np.linalg.norm(end - start))
    mesh = pv.Capsule(
        center=(start + end) / 2, direction=end - start, radius=radius, cylinder_length=length, resolution=24
    )
    return mesh.triangulate().compute_normals(cell_normals=False)

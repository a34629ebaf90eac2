"""Products that are worn or carried: jewellery, watch, glasses, bag, shoe. Each function builds the parts of one."""

from __future__ import annotations

import cv2
import numpy as np

from world import labels
from world.render import Part
from world.shapes import (
    Surface,
    bar,
    block,
    circle,
    ellipsoid,
    extrusion,
    joined,
    lathe,
    panel,
    rounded,
    sheet,
    spline,
    sweep,
    torus,
)

GOLD = {"color": (0.93, 0.76, 0.45), "metallic": 1.0, "roughness": 0.2}
SILVER = {"color": (0.91, 0.91, 0.93), "metallic": 1.0, "roughness": 0.18}
STEEL = {"color": (0.80, 0.81, 0.83), "metallic": 1.0, "roughness": 0.28}


def ring() -> tuple[Part, ...]:
    """A golden ring standing upright, with a faceted blue stone in four claws."""
    hoop = torus(0.36, 0.05, 72, 16).turned("x", 90).moved(z=0.41)
    stone = lathe([(0, -0.14), (0.17, 0.02), (0.17, 0.045), (0.10, 0.11), (0, 0.11)], 10)
    path = spline([(0.05, 0, -0.14), (0.15, 0, -0.04), (0.178, 0, 0.04), (0.15, 0, 0.085)], 12)
    claw = sweep(path, circle(0.017, 8), (0, 1, 0))
    seat = lathe([(0, -0.2), (0.05, -0.19), (0.11, -0.09), (0.09, -0.09), (0, -0.15)], 24)
    crown = joined([seat, *(claw.turned("z", 45 + 90 * k) for k in range(4))]).moved(z=0.95)
    return (
        Part((hoop + crown).turned("z", 28).mesh(), **GOLD),
        Part(stone.moved(z=0.95).turned("z", 28).mesh(5), (0.10, 0.28, 0.90), 0.35, 0.06),
    )


def bracelet() -> tuple[Part, ...]:
    """Green beads with four golden ones on a cord, lying flat with its middle open."""
    green, golden = [], []
    for k in range(24):
        angle = 2 * np.pi * k / 24 + 0.4
        bead = ellipsoid(0.056, 0.061, 0.061, 18).turned("z", np.degrees(angle) + 90)
        place = bead.moved(0.43 * np.cos(angle), 0.43 * np.sin(angle) * 0.96, 0.061)
        (golden if k % 6 == 0 else green).append(place)
    cord = torus(0.43, 0.012, 64, 8).scaled(1, 0.96, 1).moved(z=0.061)
    return (
        Part(joined(green).mesh(60), (0.16, 0.52, 0.36), 0.0, 0.13),
        Part(joined(golden).mesh(60), **GOLD),
        Part(cord.mesh(), (0.25, 0.2, 0.15), 0.0, 0.9),
    )


def necklace() -> tuple[Part, ...]:
    """A chain of thin silver links lying in a loose loop, with a coral drop at its front."""
    knots = [(0, -0.36, 0), (0.24, -0.24, 0), (0.42, 0.0, 0), (0.40, 0.26, 0), (0.14, 0.36, 0), (-0.10, 0.30, 0)]
    knots += [(-0.34, 0.34, 0), (-0.47, 0.14, 0), (-0.36, -0.10, 0), (-0.20, -0.26, 0)]
    path = spline(knots, 801, closed=True)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    count = 46
    angle = np.linspace(0, 2 * np.pi, 19)
    oval = np.stack([0.043 * np.cos(angle), 0.026 * np.sin(angle), 0 * angle], 1)
    oval[-1] = oval[0]
    links = []
    for k in range(count):
        place = [np.interp((k + 0.5) / count * along[-1], along, path[:, axis]) for axis in (0, 1)]
        ahead = [np.interp((k + 0.6) / count * along[-1], along, path[:, axis]) for axis in (0, 1)]
        heading = np.degrees(np.arctan2(ahead[1] - place[1], ahead[0] - place[0]))
        link = sweep(oval, circle(0.0095, 7)).turned("x", 50 if k % 2 else -35).turned("z", heading)
        links.append(link.moved(place[0], place[1], 0.031))
    drop = lathe([(0, 0), (0.035, 0.012), (0.06, 0.05), (0.058, 0.09), (0.03, 0.15), (0.008, 0.19), (0, 0.192)], 28)
    drop = drop.scaled(1, 0.75, 1).turned("x", -84).moved(0, -0.585, 0.048)
    eye = torus(0.022, 0.007, 20, 8).turned("x", 40).moved(0, -0.385, 0.045)
    return (
        Part(joined([*links, eye]).moved(y=0.11).mesh(60), **SILVER),
        Part(drop.moved(y=0.11).mesh(60), (0.86, 0.26, 0.20), 0.0, 0.15),
    )


def watch() -> tuple[Part, ...]:
    """A steel watch with a dark dial on its closed black strap, the dial tilted up towards the front."""
    angle = np.radians(np.linspace(28, 332, 60))
    loop = np.stack([0 * angle, 0.37 * np.sin(angle), 0.33 * np.cos(angle)], 1)
    taper = np.interp(np.linspace(0, 1, 60), [0, 0.3, 0.7, 1], [1, 0.85, 0.85, 1])
    case = lathe(rounded([(0, -0.06), (0.22, -0.06), (0.27, -0.02), (0.27, 0.04), (0.235, 0.06)], 0.02), 64)
    bezel = lathe([(0.235, 0.06), (0.225, 0.05), (0.222, 0.042)], 64)
    lugs = [
        block(0.05, 0.16, 0.05, 0.02).turned("x", s * -14).moved(dx, s * 0.225, -0.02)
        for s in (-1, 1)
        for dx in (-0.13, 0.13)
    ]
    crown = lathe(rounded([(0, 0), (0.035, 0), (0.035, 0.05), (0, 0.05)], 0.01), 20).turned("y", 90).moved(0.265, 0, 0)
    face = _disc(0.225).moved(z=0.043)
    hands = [panel(0.022, 0.15).moved(z=0.06).turned("y", -52), panel(0.016, 0.20).moved(z=0.08).turned("y", 62)]
    hands = joined([hand.turned("x", -90).moved(z=0.048) for hand in hands]) + lathe([(0.018, 0.05), (0, 0.05)], 16)
    second = panel(0.006, 0.24).moved(z=0.07).turned("y", 170).turned("x", -90).moved(z=0.051)
    buckle = torus(0.1, 0.014, 24, 8).scaled(1.5, 0.7, 1).moved(z=-0.685)

    def place(surface: Surface) -> Surface:
        return surface.moved(z=0.33).turned("x", 52).turned("z", -18).moved(z=0.385)

    black = labels.leather((38, 36, 38), 5)
    return (
        Part(place(_strap(loop, taper).moved(z=-0.33)).mesh(), roughness=0.6, texture=black),
        Part(place(joined([case, bezel, crown, *lugs])).mesh(), **STEEL),
        Part(place(face).mesh(), texture=labels.dial((24, 28, 40), (236, 236, 230)), roughness=0.35),
        Part(place(hands).mesh(), (0.95, 0.95, 0.93), 0.3, 0.3),
        Part(place(second).mesh(), (0.90, 0.30, 0.12), 0.0, 0.4),
        Part(place(buckle).mesh(), **STEEL),
    )


def _disc(radius: float) -> Surface:
    """A flat disc in the plane z = 0, facing up, with the coordinates of a square picture."""
    surface = lathe([(radius, 0), (0, 0)], 48)
    return Surface(surface.points, surface.points[..., :2] / (2 * radius) + 0.5)


def frame(
    color: tuple[float, float, float], lens: tuple[float, float, float], opacity: float, thick: float, metallic: float
) -> tuple[Part, ...]:
    """Glasses standing open on the table: two rims, bridge, temples, tinted lenses."""
    angle = np.linspace(0, 2 * np.pi, 49)
    c, s = np.cos(angle), np.sin(angle)
    outline = np.stack([0.215 * np.sign(c) * np.abs(c) ** 0.75, 0.02 * c**2, 0.175 * np.sign(s) * np.abs(s) ** 0.8], 1)
    outline[:, 0] *= 1 + 0.10 * outline[:, 2] / 0.175
    outline[-1] = outline[0]
    rim = sweep(outline, bar(thick, thick * 1.1, 0.45), (0, 1, 0))
    glass = sheet(np.stack([outline, outline * 0.5 + [0, -0.012, 0], outline * 0 + [0, -0.016, 0]]))
    bridge = sweep(
        spline([(-0.07, 0, 0.04), (-0.03, -0.01, 0.075), (0.03, -0.01, 0.075), (0.07, 0, 0.04)], 16),
        circle(thick * 0.5, 10),
        (0, 1, 0),
    )
    knots = [
        (0.47, 0.01, 0.09),
        (0.50, 0.05, 0.095),
        (0.49, 0.45, 0.10),
        (0.46, 0.72, 0.10),
        (0.44, 0.86, 0.02),
        (0.43, 0.94, -0.11),
    ]
    temple = sweep(spline(knots, 40), bar(thick * 0.6, thick * 1.3, 0.4), (0, 0, 1))
    body = joined([rim.moved(0.265), rim.scaled(-1, 1, 1).moved(-0.265), bridge, temple, temple.scaled(-1, 1, 1)])
    lift = 0.175 + thick / 2

    def place(surface: Surface) -> Surface:
        return surface.turned("x", -4).moved(0, -0.40, 0).turned("z", 24).moved(z=lift)

    lenses = place(glass.moved(0.265) + glass.moved(-0.265))
    return (
        Part(place(body).mesh(), color, metallic, 0.25),
        Part(lenses.mesh(), lens, 0.0, 0.05, opacity=opacity),
    )


def sunglasses() -> tuple[Part, ...]:
    """Thin golden frame, brown lenses."""
    return frame((0.93, 0.76, 0.45), (0.30, 0.13, 0.04), 0.86, 0.022, 1.0)


def glasses() -> tuple[Part, ...]:
    """Thick teal frame, nearly clear lenses."""
    return frame((0.02, 0.42, 0.45), (0.75, 0.85, 0.88), 0.16, 0.045, 0.0)


def _slim(points: np.ndarray) -> np.ndarray:
    """Points (n, 3) of an upright box 0.6 high, drawn in towards its top as a bag is."""
    share = points[:, 2:] / 0.6
    bulge = 1 + 0.10 * np.sin(np.pi * np.clip(share, 0, 1))
    return points * np.concatenate([1 - 0.14 * share, (1 - 0.45 * share) * bulge, 1 + 0 * share], 1)


def _flap() -> np.ndarray:
    """The bag's flap from the back of its top to its curved edge in front, points (12, 33, 3)."""
    x = np.linspace(-0.484, 0.484, 33)
    drop = 0.24 + 0.10 * np.sqrt(np.clip(1 - (x / 0.52) ** 2, 0, 1))
    rows = []
    for t in np.linspace(0, 1, 12):
        z = 0.612 - np.clip(t - 0.25, 0, 1) / 0.75 * drop
        front = _slim(np.stack([x, np.full(33, 0.17), np.minimum(z, 0.6)], 1))
        y = np.interp(t, [0, 0.25, 0.32], [0.7, -0.6, -1]) * (front[:, 1] + 0.018)
        rows.append(np.stack([front[:, 0] * np.interp(t, [0, 0.25, 0.6], [0.93, 0.96, 1.0]), y, z], 1))
    return np.stack(rows)


def handbag() -> tuple[Part, ...]:
    """A terracotta leather bag with a flap, a golden clasp and an arched handle."""
    body = block(0.96, 0.34, 0.60, 0.05, inner=8).moved(z=0.30).bent(_slim)
    flap = _flap()
    edge = sweep(flap[-1], circle(0.011, 8), (0, 1, 0))
    half = [(-0.26, 0, 0.57), (-0.25, 0, 0.74), (-0.15, 0, 0.93)]
    arch = [*half, (0, 0, 0.985), *((-x, y, z) for x, y, z in half[::-1])]
    handle = sweep(spline(arch, 48), circle(0.024, 12), (0, 1, 0))
    clasp = block(0.12, 0.03, 0.09, 0.01).moved(0, -0.165, 0.30)
    hoops = [torus(0.032, 0.009, 20, 8).turned("x", 90).moved(side * 0.26, 0, 0.615) for side in (-1, 1)]
    hide, dark = labels.leather((188, 82, 52), 11), labels.leather((146, 58, 38), 12)
    return (
        Part(body.mesh(50), roughness=0.5, texture=hide),
        Part(sheet(flap[::-1]).mesh(50), roughness=0.45, texture=hide),
        Part((handle + edge).mesh(), roughness=0.45, texture=dark),
        Part(joined([clasp, *hoops]).mesh(), **GOLD),
    )


def _strap(loop: np.ndarray, taper: np.ndarray) -> Surface:
    """A flat band along a loop (n, 3) in the plane x = 0, 0.27 wide where `taper` (n,) is 1."""
    section = bar(0.27, 0.04, 0.4)
    tangent = np.gradient(loop, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    out = np.cross(tangent, [1.0, 0, 0])
    points = loop[:, None] + section[None, :, 1:] * out[:, None]
    points[..., 0] += section[None, :, 0] * taper[:, None]
    return sheet(points)


def _last() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A shoe's x, half width and height, each (49,), from its heel (x = 0.5) to its toe (x = -0.5)."""
    at = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, 49))
    ends = [1 - np.clip(way / reach, 0, 1) for way, reach in ((at, 0.14), (1 - at, 0.24))]
    wide = np.interp(at, [0, 0.3, 0.5, 0.7, 1], [0.15, 0.15, 0.145, 0.18, 0.17])
    wide = wide * np.sqrt((1 - ends[0] ** 2) * (1 - ends[1] ** 2)) + 1e-3
    high = np.interp(at, [0, 0.03, 0.36, 0.6, 0.75, 0.9, 0.97, 1], [0.40, 0.48, 0.47, 0.32, 0.25, 0.19, 0.14, 0.08])
    return 0.5 - at, wide, high


def _sneaker_print() -> np.ndarray:
    """Cloth of a sneaker from side to side (columns) and heel to toe (rows): two bars on either side, white toe."""
    image = labels.plain(512, 512, (92, 160, 222))
    for edge, inner in ((0, 146), (511, 366)):
        for start in (210, 255):
            bars = np.array([(edge, start), (edge, start + 26), (inner, start + 66), (inner, start + 40)])
            cv2.fillPoly(image, [bars], (250, 250, 248), cv2.LINE_AA)
    image[415:] = (244, 244, 240)
    return image[::-1].copy()


def _laces(x: np.ndarray, high: np.ndarray) -> Surface:
    """Five laces across the instep of a last."""
    rows = []
    for k in range(5):
        across, half = 0.08 - 0.055 * k, 0.052 + 0.003 * k
        top = np.interp(across, x[::-1], high[::-1]) + 0.004
        knots = [(-half, -0.03), (-half * 0.6, -0.002), (0, 0.004), (half * 0.6, -0.002), (half, -0.03)]
        rows.append(sweep(spline([(across, y, top + dz) for y, dz in knots], 14), circle(0.011, 8)))
    return joined(rows)


def sneaker() -> tuple[Part, ...]:
    """A sky blue sneaker with a white sole, its toe to the left."""
    x, wide, high = _last()
    angle = np.linspace(0, np.pi, 25)
    across, up = np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** 0.7, np.sin(angle) ** 0.75
    narrow = 1 - 0.42 * up * np.interp(-x, [-0.5, -0.1, 0.15, 0.5], [1, 1, 0.5, 0.3])[:, None]
    z = 0.08 + np.maximum(high - 0.08, 0)[:, None] * up
    upper = sheet(np.stack([np.repeat(x[:, None], 25, 1), wide[:, None] * across * narrow, z], 2))
    rim = np.stack([1.04 * x, wide + 0.016 * np.minimum(1, wide / 0.1)], 1)
    sole = extrusion(np.concatenate([rim[::-1] * [1, -1], rim[1:-1]]), 0.10, 0.018).turned("x", 90).moved(z=0.05)
    hole = lathe([(1, 0), (0, 0)], 40).scaled(0.165, 0.062, 1).turned("y", -3).moved(0.285, 0, 0.481)
    collar = torus(1, 0.16, 48, 10).scaled(0.172, 0.068, 0.14).turned("y", -3).moved(0.285, 0, 0.476)
    tongue = block(0.16, 0.085, 0.024, 0.011).turned("y", -42).moved(0.10, 0, 0.475)
    parts = [
        (upper, {"texture": _sneaker_print(), "roughness": 0.6}),
        (sole, {"color": (0.95, 0.95, 0.93), "roughness": 0.55}),
        (hole, {"color": (0.10, 0.12, 0.16), "roughness": 0.9}),
        (collar + tongue, {"color": (0.16, 0.30, 0.50), "roughness": 0.7}),
        (_laces(x, high), {"color": (0.97, 0.97, 0.95), "roughness": 0.7}),
    ]
    return tuple(Part(surface.turned("z", 16).mesh(), **look) for surface, look in parts)

"""Products that stand about the house: cosmetics, cups, boxes, lamp, toys. Each function builds the parts of one."""

from __future__ import annotations

import cv2
import numpy as np

from world import labels
from world.render import Part
from world.shapes import (
    bar,
    block,
    circle,
    ellipsoid,
    extrusion,
    joined,
    lathe,
    panel,
    rounded,
    spline,
    sweep,
    torus,
)

Colour = tuple[float, float, float]
GOLD = {"color": (0.93, 0.76, 0.45), "metallic": 1.0, "roughness": 0.2}
STEEL = {"color": (0.80, 0.81, 0.83), "metallic": 1.0, "roughness": 0.28}


def lotion() -> tuple[Part, ...]:
    """A round violet bottle with a label and a golden cap."""
    body = rounded([(0, 0), (0.22, 0), (0.22, 0.66), (0.075, 0.74), (0.075, 0.78), (0, 0.78)], 0.045)
    cap = rounded([(0, 0.765), (0.095, 0.765), (0.095, 0.98), (0, 0.98)], 0.012)
    words = [("LUMEN", 0.24, 0.1), ("body lotion", 0.46, 0.05), ("No. 7", 0.62, 0.06), ("250 ml", 0.88, 0.045)]
    printed = labels.label(words, (242, 236, 246), (70, 40, 110), (512, 640), band=(205, 180, 225))
    sticker = lathe([(0.222, 0.14), (0.222, 0.54)], 40, -162, 144)
    return (
        Part(lathe(body).mesh(), (0.48, 0.27, 0.68), roughness=0.16),
        Part(sticker.mesh(), texture=printed, roughness=0.55),
        Part(lathe(cap).mesh(), **GOLD),
    )


def serum() -> tuple[Part, ...]:
    """An amber dropper bottle with a dark rubber bulb."""
    body = rounded([(0, 0), (0.24, 0), (0.24, 0.44), (0.10, 0.53), (0.10, 0.58), (0, 0.58)], 0.06)
    collar = rounded([(0, 0.56), (0.125, 0.56), (0.125, 0.68), (0.06, 0.70)], 0.012)
    bulb = rounded([(0.06, 0.69), (0.065, 0.80), (0.085, 0.86), (0.08, 0.97), (0, 0.99)], 0.04)
    words = [("BIRCH", 0.28, 0.12), ("face serum", 0.52, 0.06), ("50 ml", 0.80, 0.06)]
    printed = labels.label(words, (248, 244, 232), (60, 50, 40), (400, 560), border=False)
    return (
        Part(lathe(body).mesh(), (0.62, 0.30, 0.07), roughness=0.08),
        Part(lathe([(0.242, 0.12), (0.242, 0.38)], 40, -150, 120).mesh(), texture=printed, roughness=0.6),
        Part(lathe(collar).mesh(), (0.12, 0.12, 0.12), roughness=0.35),
        Part(lathe(bulb).mesh(), (0.15, 0.15, 0.15), roughness=0.65),
    )


def cream() -> tuple[Part, ...]:
    """A white jar of cream with a white lid and a steel ring between the two."""
    body = rounded([(0, 0), (0.46, 0), (0.46, 0.34), (0.43, 0.36), (0, 0.36)], 0.07)
    ring = rounded([(0.43, 0.345), (0.452, 0.345), (0.452, 0.375), (0.43, 0.375)], 0.005)
    lid = rounded([(0, 0.37), (0.45, 0.37), (0.45, 0.55), (0, 0.555)], 0.025)
    words = [("ALBA", 0.34, 0.2), ("night cream  50 ml", 0.70, 0.11)]
    printed = labels.label(words, (240, 239, 236), (120, 116, 110), (220, 760), border=False)
    return (
        Part(lathe(body, 80).mesh(), (0.93, 0.925, 0.91), roughness=0.2),
        Part(lathe([(0.4615, 0.085), (0.4615, 0.285)], 40, -145, 110).mesh(), texture=printed, roughness=0.3),
        Part(lathe(lid, 80).mesh(), (0.95, 0.945, 0.935), roughness=0.4),
        Part(lathe(ring, 80).mesh(), **STEEL),
    )


def lipstick() -> tuple[Part, ...]:
    """A red lipstick, turned out of its black and golden case."""
    case = rounded([(0, 0), (0.15, 0), (0.15, 0.40), (0, 0.40)], 0.015)
    sleeve = rounded([(0.13, 0.39), (0.13, 0.62), (0.11, 0.625), (0.105, 0.60)], 0.01)
    stick = lathe(rounded([(0.1, 0.58), (0.1, 0.84), (0.085, 0.97), (0.0, 0.99)], 0.05), 48)

    def cut(points: np.ndarray) -> np.ndarray:
        top = 0.90 + 0.9 * points[:, 0]
        return np.column_stack([points[:, :2], np.minimum(points[:, 2], top)])

    return (
        Part(lathe(case, 48).mesh(), (0.07, 0.07, 0.08), roughness=0.15),
        Part((lathe(sleeve, 48) + torus(0.148, 0.012, 48, 10).moved(z=0.40)).mesh(), **GOLD),
        Part(stick.bent(cut).turned("z", -30).mesh(30), (0.80, 0.06, 0.12), roughness=0.35),
    )


def mug(color: Colour, inside: Colour, texture: np.ndarray | None) -> tuple[Part, ...]:
    """A glazed mug with its handle at the right; the texture goes round its wall."""
    wall = rounded([(0.30, 0.0), (0.36, 0.0), (0.37, 0.82)], 0.05)
    lip = rounded([(0.37, 0.82), (0.355, 0.845), (0.335, 0.82), (0.325, 0.09), (0, 0.06)], 0.03)
    knots = [(0.35, 0, 0.68), (0.50, 0, 0.70), (0.62, 0, 0.58), (0.62, 0, 0.38), (0.52, 0, 0.24), (0.35, 0, 0.20)]
    handle = sweep(spline(knots, 40), bar(0.10, 0.065, 0.45), (0, 1, 0)).turned("z", -25)
    foot = lathe([(0, 0.01), (0.30, 0.01), (0.30, 0.0)])
    return (
        Part(
            lathe(wall, 80).moved(-0.11).mesh(), color if texture is None else (1, 1, 1), roughness=0.2, texture=texture
        ),
        Part((handle + foot).moved(-0.11).mesh(), color, roughness=0.2),
        Part(lathe(lip, 80).moved(-0.11).mesh(), inside, roughness=0.2),
    )


def blue_mug() -> tuple[Part, ...]:
    """A cobalt mug, white inside."""
    return mug((0.10, 0.24, 0.66), (0.93, 0.92, 0.90), None)


def orange_mug() -> tuple[Part, ...]:
    """A cream mug with a print of oranges and leaves all round."""
    image = labels.plain(512, 1408, (246, 236, 214))
    for k in range(16):
        x, y = 44 + 88 * k, 150 + 210 * (k % 2)
        cv2.circle(image, (x, y), 52, (232, 128, 34), -1, cv2.LINE_AA)
        cv2.circle(image, (x - 16, y - 16), 14, (246, 170, 90), -1, cv2.LINE_AA)
        cv2.ellipse(image, (x + 30, y - 60), (30, 13), -35, 0, 360, (70, 120, 60), -1, cv2.LINE_AA)
    image[:26] = image[-40:] = (232, 128, 34)
    return mug((0.96, 0.92, 0.83), (0.91, 0.50, 0.14), image)


def soap() -> tuple[Part, ...]:
    """A printed paper box of soap, standing."""
    words = [("OLIVE", 0.22, 0.085), ("soap", 0.34, 0.06), ("100 g", 0.90, 0.045)]
    front = labels.label(words, (110, 124, 52), (246, 240, 214), (768, 576))
    for k, (x, y) in enumerate([(288, 420), (210, 500), (366, 500), (288, 580)]):
        cv2.ellipse(front, (x, y), (48, 64), 20 - 40 * (k % 2), 0, 360, (246, 240, 214), -1, cv2.LINE_AA)
        cv2.ellipse(front, (x, y), (34, 50), 20 - 40 * (k % 2), 0, 360, (76, 92, 30), -1, cv2.LINE_AA)
    side = labels.stripes([(110, 124, 52), (150, 158, 86)], (512, 512), 12, upright=True)
    box = block(0.62, 0.32, 0.90, 0.012).moved(z=0.45)
    return (
        Part(box.turned("z", 22).mesh(), roughness=0.5, texture=side),
        Part(panel(0.62, 0.898).moved(0, -0.162, 0.45).turned("z", 22).mesh(), texture=front, roughness=0.5),
        Part(
            panel(0.62, 0.898).turned("z", 180).moved(0, 0.162, 0.45).turned("z", 22).mesh(),
            texture=front,
            roughness=0.5,
        ),
    )


def notebook() -> tuple[Part, ...]:
    """A pink notebook lying flat, with an elastic band and a label."""
    pages = block(0.69, 0.93, 0.10, 0.008).moved(0.005, 0, 0.07)
    covers = block(0.74, 0.98, 0.022, 0.010).moved(z=0.011) + block(0.74, 0.98, 0.022, 0.010).moved(z=0.131)
    spine = sweep(np.array([(-0.36, -0.49, 0.071), (-0.36, 0.49, 0.071)]), bar(0.022, 0.138, 0.45))
    band = block(0.022, 0.986, 0.144, 0.004).moved(0.27, 0, 0.0725)
    words = [("NOTES", 0.36, 0.16), ("Nr. 12   192 pages", 0.70, 0.08)]
    printed = labels.label(words, (250, 246, 240), (60, 50, 60), (300, 420))
    label = panel(0.40, 0.29).turned("x", -90).moved(-0.06, 0.18, 0.1435)
    paper = labels.stripes([(240, 234, 220), (214, 206, 190)], (256, 8), 24)
    return tuple(
        Part(surface.turned("z", -20).mesh(), **look)
        for surface, look in [
            (covers + spine, {"roughness": 0.65, "texture": labels.weave((214, 74, 122), 3, 110)}),
            (pages, {"texture": paper, "roughness": 0.9}),
            (band, {"color": (0.25, 0.08, 0.18), "roughness": 0.8}),
            (label, {"texture": printed, "roughness": 0.7}),
        ]
    )


def lamp() -> tuple[Part, ...]:
    """A mustard desk lamp: round foot, thin steel stem, bent shade."""
    foot = lathe(rounded([(0, 0), (0.26, 0), (0.26, 0.03), (0.05, 0.05), (0, 0.05)], 0.015))
    shade = lathe(rounded([(0.265, 0), (0.07, 0.25), (0.05, 0.30), (0, 0.30)], 0.03))
    inner = lathe([(0.255, 0.004), (0.06, 0.25), (0, 0.25)])
    stem = spline([(0.10, 0, 0.04), (0.12, 0, 0.40), (0.10, 0, 0.78), (0.0, 0, 0.94), (-0.10, 0, 0.90)], 40)
    bulb = ellipsoid(0.075, 0.075, 0.09, 24).moved(z=0.07)

    def place(surface):
        return surface.turned("y", 24).moved(-0.23, 0, 0.63).turned("z", 20)

    return (
        Part((foot.moved(0.10).turned("z", 20) + place(shade)).mesh(), (0.90, 0.66, 0.12), roughness=0.3),
        Part(place(inner).mesh(), (0.96, 0.94, 0.88), roughness=0.6),
        Part(place(bulb).mesh(), (1.0, 0.98, 0.92), roughness=0.15),
        Part(sweep(stem, circle(0.018, 12), (0, 1, 0)).turned("z", 20).mesh(), **STEEL),
    )


def robot() -> tuple[Part, ...]:
    """A wooden robot of painted blocks."""
    body = block(0.42, 0.26, 0.36, 0.03).moved(z=0.42)
    head = block(0.32, 0.24, 0.24, 0.03).moved(z=0.77)
    legs = joined([block(0.13, 0.17, 0.22, 0.02).moved(s * 0.11, 0, 0.13) for s in (-1, 1)])
    feet = joined([block(0.17, 0.26, 0.08, 0.02).moved(s * 0.11, -0.03, 0.04) for s in (-1, 1)])
    arms = joined(
        [
            block(0.09, 0.12, 0.34, 0.03).moved(0, 0, -0.14).turned("y", s * -14).moved(s * 0.27, 0, 0.57)
            for s in (-1, 1)
        ]
    )
    hands = joined([ellipsoid(0.06, 0.06, 0.06, 20).moved(s * 0.355, 0, 0.245) for s in (-1, 1)])
    neck = lathe([(0.07, 0.58), (0.07, 0.68)], 24)
    eyes = joined(
        [
            lathe([(0.045, 0), (0.04, 0.02), (0, 0.02)], 24).turned("x", 90).moved(s * 0.075, -0.115, 0.80)
            for s in (-1, 1)
        ]
    )
    mouth = block(0.15, 0.02, 0.03, 0.008).moved(0, -0.122, 0.71)
    stem = lathe([(0.012, 0.88), (0.012, 0.97)], 12)
    knob = ellipsoid(0.035, 0.035, 0.035, 20).moved(z=0.985)
    buttons = joined([ellipsoid(0.032, 0.02, 0.032, 18).moved(x, -0.132, 0.36) for x in (-0.1, 0, 0.1)])
    plate = panel(0.26, 0.13).moved(0, -0.1315, 0.49)
    words = labels.label([("R-42", 0.5, 0.5)], (248, 246, 238), (40, 60, 110), (128, 256))
    timber = labels.wood((214, 172, 118), 21)
    parts = [
        (head + feet + arms, {"texture": timber, "roughness": 0.55}),
        (body, {"color": (0.12, 0.55, 0.60), "roughness": 0.35}),
        (legs + neck, {"color": (0.95, 0.75, 0.18), "roughness": 0.35}),
        (hands + knob + buttons, {"color": (0.86, 0.20, 0.16), "roughness": 0.3}),
        (eyes + mouth + stem, {"color": (0.12, 0.12, 0.14), "roughness": 0.3}),
        (plate, {"texture": words, "roughness": 0.4}),
    ]
    return tuple(Part(surface.turned("z", -16).mesh(), **look) for surface, look in parts)


def car() -> tuple[Part, ...]:
    """A red wooden car, its side to the front."""
    hull = np.array([(-0.5, 0.12), (0.5, 0.12), (0.52, 0.28), (0.46, 0.34), (0.26, 0.37), (-0.44, 0.38), (-0.51, 0.30)])
    roof = np.array([(-0.36, 0.34), (0.24, 0.34), (0.10, 0.58), (-0.26, 0.60)])
    pane = np.array([(-0.30, 0.38), (-0.09, 0.38), (-0.09, 0.545), (-0.24, 0.55)])
    front = np.array([(-0.05, 0.38), (0.16, 0.38), (0.06, 0.54), (-0.05, 0.545)])
    tyre = lathe(rounded([(0, -0.05), (0.13, -0.05), (0.13, 0.05), (0, 0.05)], 0.025), 40).turned("x", 90)
    hub = lathe(rounded([(0.07, 0.05), (0.06, 0.06), (0, 0.06)], 0.01), 32).turned("x", 90)
    spots = [(x, y) for x in (-0.29, 0.29) for y in (-0.20, 0.20)]
    lamps = joined([ellipsoid(0.02, 0.04, 0.04, 16).moved(0.505, y, 0.26) for y in (-0.11, 0.11)])
    hubs = joined([(hub if y < 0 else hub.scaled(1, -1, 1)).moved(x, y, 0.13) for x, y in spots])
    parts = [
        (
            extrusion(_dense(hull), 0.40, 0.03) + extrusion(_dense(roof), 0.34, 0.03),
            {"color": (0.84, 0.10, 0.10), "roughness": 0.22},
        ),
        (
            extrusion(pane, 0.346, 0.002) + extrusion(front, 0.346, 0.002),
            {"color": (0.75, 0.86, 0.92), "roughness": 0.1},
        ),
        (joined([tyre.moved(x, y, 0.13) for x, y in spots]), {"color": (0.13, 0.13, 0.14), "roughness": 0.7}),
        (hubs + lamps, {"color": (0.96, 0.83, 0.35), "roughness": 0.4}),
    ]
    return tuple(Part(surface.turned("z", -24).mesh(), **look) for surface, look in parts)


def _dense(outline: np.ndarray) -> np.ndarray:
    """An outline (n, 2) with its corners rounded a little (two passes of corner cutting)."""
    for _ in range(2):
        after = np.roll(outline, -1, 0)
        outline = np.stack([0.85 * outline + 0.15 * after, 0.15 * outline + 0.85 * after], 1).reshape(-1, 2)
    return outline


def duck() -> tuple[Part, ...]:
    """A yellow bath duck looking to the left."""
    body = ellipsoid(0.44, 0.32, 0.28, 48)

    def shape(points: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        tail = np.clip((x - 0.12) / 0.32, 0, 1)
        return np.stack([x + 0.06 * tail, y * (1 - 0.55 * tail), np.maximum(z + 0.20 * tail**2, -0.22)], 1)

    head = ellipsoid(0.235, 0.22, 0.225, 40).moved(-0.22, 0, 0.68)
    neck = lathe([(0.24, 0.30), (0.17, 0.46), (0.16, 0.60)], 32).moved(-0.20)
    wings = joined([ellipsoid(0.23, 0.06, 0.13, 28).turned("y", -12).moved(0.10, s * 0.285, 0.27) for s in (-1, 1)])
    beak = ellipsoid(0.13, 0.12, 0.035, 24).moved(-0.46, 0, 0.635) + ellipsoid(0.10, 0.10, 0.03, 24).moved(
        -0.45, 0, 0.60
    )
    white = joined([ellipsoid(0.05, 0.02, 0.06, 20).moved(-0.345, s * 0.155, 0.735) for s in (-1, 1)])
    pupil = joined([ellipsoid(0.026, 0.02, 0.034, 18).moved(-0.365, s * 0.166, 0.735) for s in (-1, 1)])
    parts = [
        (body.bent(shape).moved(z=0.22) + head + neck + wings, {"color": (0.98, 0.83, 0.10), "roughness": 0.25}),
        (beak, {"color": (0.95, 0.42, 0.06), "roughness": 0.3}),
        (white, {"color": (0.96, 0.96, 0.96), "roughness": 0.2}),
        (pupil, {"color": (0.05, 0.05, 0.05), "roughness": 0.15}),
    ]
    return tuple(Part(surface.moved(0.04).turned("z", 35).mesh(60), **look) for surface, look in parts)

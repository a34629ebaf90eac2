"""What a world contains: videos, takes and edits drawn from a seed, for a few sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from world.editing import Join, Title, Video
from world.motion import CameraPath, HandPath, LightPath, ProductPath
from world.scene import GROUNDS, Shot


@dataclass(frozen=True)
class Size:
    """How much is drawn.

    `filmed` products have a video of `takes` long takes, `shown` ones photos only; empty names mean a choice by seed of
    that many. Each clip has its true swap with `swaps` other products, 0 for all. Some videos are `montages`.
    """

    height: int
    filmed: tuple[str, ...] | int
    shown: tuple[str, ...] | int
    takes: int
    montages: int
    swaps: int
    photos: int
    photo_px: int
    crf: int = 18

    def choose(self, names: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
        """The filmed products and all products, by id."""
        if isinstance(self.filmed, int) or isinstance(self.shown, int):
            assert isinstance(self.filmed, int) and isinstance(self.shown, int)
            order = [names[k] for k in np.random.default_rng((seed, 23)).permutation(len(names))]
            return order[: self.filmed], order[: self.filmed + self.shown]
        return list(self.filmed), [*self.filmed, *self.shown]


SIZES = {
    "tiny": Size(160, ("mug_blue", "watch"), ("duck",), takes=1, montages=0, swaps=1, photos=1, photo_px=256),
    "demo": Size(
        240,
        ("mug_blue", "serum", "watch", "handbag"),
        ("mug_orange", "duck"),
        takes=2,
        montages=0,
        swaps=2,
        photos=2,
        photo_px=480,
        crf=24,
    ),
    "bench": Size(256, 5, 5, takes=2, montages=2, swaps=2, photos=3, photo_px=640),
    "reference": Size(288, 10, 10, takes=2, montages=3, swaps=2, photos=3, photo_px=640),
    "large": Size(720, 20, 0, takes=4, montages=6, swaps=3, photos=4, photo_px=1024),
}

# Camera, product's motion, hand, light, ground, clutter, and the product's size as a share of the frame's height.
_TAKES = (
    ("still", "still", "none", "steady", "studio", 0, 0.52),
    ("handheld", "turntable", "none", "steady", "wood", 2, 0.42),
    ("pan", "still", "none", "steady", "marble", 0, 0.46),
    ("still", "slide", "passes", "steady", "cloth", 0, 0.50),
    ("orbit", "still", "none", "steady", "slate", 2, 0.40),
    ("still", "turntable", "none", "dims", "paper", 0, 0.60),
    ("zoom", "still", "none", "steady", "cloth", 3, 0.40),
    ("handheld", "carried", "carries", "steady", "studio", 0, 0.44),
    ("still", "enters", "none", "steady", "marble", 0, 0.46),
    ("pan", "turntable", "none", "steady", "wood", 0, 0.48),
    ("still", "still", "none", "sweeps", "slate", 0, 0.20),
    ("zoom", "turntable", "none", "warms", "studio", 0, 0.78),
    ("orbit", "turntable", "none", "steady", "paper", 0, 0.55),
    ("handheld", "still", "passes", "steady", "wood", 1, 0.44),
    ("still", "leaves", "none", "steady", "cloth", 0, 0.42),
    ("pan", "still", "none", "dims", "slate", 3, 0.34),
    ("still", "carried", "carries", "steady", "marble", 0, 0.46),
    ("handheld", "still", "none", "steady", "cloth", 0, 0.12),
    ("zoom", "slide", "none", "steady", "paper", 0, 0.40),
    ("still", "turntable", "passes", "steady", "studio", 0, 0.56),
    ("orbit", "still", "none", "warms", "marble", 1, 0.48),
    ("still", "still", "none", "steady", "wood", 3, 0.28),
    ("handheld", "turntable", "none", "steady", "slate", 0, 0.62),
    ("pan", "slide", "none", "steady", "studio", 0, 0.90),
)
_JOINS = (
    (Join(), Join()),
    (Join("dissolve", 12), Join()),
    (Join(), Join("fade", 14)),
    (Join("dissolve", 8), Join("dissolve", 16)),
)
_RATES = (Fraction(24), Fraction(25), Fraction(24000, 1001), Fraction(30))
_MONTAGE = (
    Join(),
    Join("dissolve", 10),
    Join(),
    Join("fade", 12),
    Join(),
    Join("dissolve", 18),
    Join(),
    Join("dissolve", 6),
)


def product_videos(size: Size, products: Sequence[str], seed: int) -> list[Video]:
    """One video per product: long takes with a short one between, edited."""
    return [_product_video(size, product, number, seed) for number, product in enumerate(products)]


def _product_video(size: Size, product: str, number: int, seed: int) -> Video:
    rng = np.random.default_rng((seed, number, 21))
    order = np.random.default_rng((seed, 22)).permutation(len(_TAKES))
    fps = _RATES[number % len(_RATES)]
    length = max(52, int(np.ceil(2.1 * float(fps))))
    shots: list[Shot] = []
    for k in range(size.takes):
        take = _TAKES[order[(number * size.takes + k) % len(_TAKES)]]
        shots.append(_take(take, product, length + int(rng.integers(0, 7)), rng))
    joins: tuple[Join, ...] = ()
    if size.takes > 1:
        # A short take, similar to the first: the same place from another side, which cannot become a clip.
        camera = replace(
            shots[0].camera, azimuth=shots[0].camera.azimuth + 24, distance=shots[0].camera.distance * 0.72
        )
        shots.insert(1, replace(shots[0], n_frames=int(rng.integers(24, 32)), camera=camera))
        cycle = _JOINS[number % len(_JOINS)]
        joins = tuple(cycle[k % 2] for k in range(len(shots) - 1))
    shots = [replace(shot, n_frames=shot.n_frames + extra) for shot, extra in zip(shots, _extra(joins), strict=True)]
    width, bars = _format(size.height, number)
    titles = ()
    if number % 3 == 1:
        first = int(rng.integers(12, 20))
        titles = (Title("NEW IN  -  No. 7", first, first + 22, (0.05, 0.95)),)
    tone = 40 if number % 6 == 4 else 0
    return Video(product, tuple(shots), joins, titles, fps, width, size.height, bars, tone)


def _extra(joins: tuple[Join, ...]) -> list[int]:
    """Frames that the joins take from each take."""
    lost = [0] * (len(joins) + 1)
    for number, join in enumerate(joins):
        lost[number] += join.n_mixed
        lost[number + 1] += join.n_mixed
    return lost


def _format(height: int, number: int) -> tuple[int, tuple[int, int]]:
    """Content width and bars: mostly 16:9; now and then a square or a portrait picture between wide bars."""
    wide = height * 16 // 9 // 16 * 16
    if number % 6 == 4:
        return height, ((wide - height) // 2 // 2 * 2, 0)
    if number % 6 == 5:
        narrow = max(16, height * 3 // 4 // 16 * 16)
        return narrow, ((wide - narrow) // 2 // 2 * 2, 0)
    return wide, (0, 0)


def _take(take: tuple, product: str | None, n_frames: int, rng: np.random.Generator) -> Shot:
    camera, motion, hand, light, ground, clutter, share = take
    distance, fov = 4.2, 28.0
    size = share * 2 * distance * np.tan(np.radians(fov / 2))
    sign = 1.0 if rng.random() < 0.5 else -1.0
    side = 1.0 if rng.random() < 0.5 else -1.0
    path = CameraPath(
        camera,
        float(rng.uniform(-22, 22)),
        float(rng.uniform(18, 38)),
        distance,
        0.42 * size,
        sign * float(rng.uniform(0.7, 1.0)),
        int(rng.integers(1 << 30)),
        fov,
    )
    place = (float(rng.uniform(-0.16, 0.16)), float(rng.uniform(-0.1, 0.1)))
    amount = side * float(rng.uniform(0.7, 1.0)) if motion != "carried" else -side * 0.8
    product_path = ProductPath(motion, size, float(rng.uniform(-35, 35)), amount, place)
    key_angle = np.radians(rng.uniform(-75, 75))
    lean = rng.uniform(0.55, 0.95)
    key = (float(lean * np.sin(key_angle)), float(-lean * np.cos(key_angle) * 0.7), 1.0)
    lights = LightPath(light, float(rng.uniform(0.22, 0.34)))
    reach = HandPath(hand, size, side, 0.34 * size)
    return Shot(n_frames, product, ground, clutter, path, product_path, reach, lights, key, int(rng.integers(1 << 30)))


def montage(size: Size, product: str, number: int, seed: int) -> Video:
    """A fast edit: eight or nine takes of a second or less, with joins of all kinds; none can become a clip."""
    rng = np.random.default_rng((seed, number, 41))
    joins = _MONTAGE[number % 2 :]
    shots = []
    for _ in range(len(joins) + 1):
        take = _TAKES[int(rng.integers(len(_TAKES)))]
        shots.append(_take(take, product, int(rng.integers(16, 26)), rng))
    shots = [replace(s, n_frames=s.n_frames + e) for s, e in zip(shots, _extra(joins), strict=True)]
    return Video(
        f"EDIT{number + 1:03d}", tuple(shots), joins, (), Fraction(25), size.height * 16 // 9 // 16 * 16, size.height
    )


def scenery(size: Size, seed: int) -> tuple[Video, Video]:
    """A video without a product in sight, and an empty table that is offered as a background."""
    rng = np.random.default_rng((seed, 31))
    width = size.height * 16 // 9 // 16 * 16
    view = [
        _take((c, "still", h, "steady", g, n, 0.5), None, 54, rng)
        for c, h, g, n in (("pan", "none", "wood", 4), ("still", "passes", "cloth", 3))
    ]
    desk = _take(("handheld", "still", "none", "steady", GROUNDS[2], 0, 0.5), None, 54, rng)
    return (
        Video("VIEW001", tuple(view), (Join(),), (), Fraction(24), width, size.height),
        Video("DESK001", (desk,), (), (), Fraction(24), width, size.height),
    )

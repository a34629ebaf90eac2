"""The shop of the rendered world: its products by id, with category, title, tags and parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial

import cv2
import numpy as np

from world import household, worn
from world.render import Part


@dataclass(frozen=True, eq=False)
class Product:
    """A product of the shop.

    `category` and `subcategory` are of config/taxonomy.yaml. `parts` stand or lie on z = 0 about x = y = 0, fit in a
    box of about 1 unit, and show their front to -y. `tags` say thin or thick, glossy or matt, and what else is hard.
    """

    product_id: str
    category: str
    subcategory: str
    title: str
    parts: tuple[Part, ...]
    tags: tuple[str, ...]


Builder = Callable[[], tuple[Part, ...]]
SHELF: dict[str, tuple[str, str, str, tuple[str, ...], Builder]] = {
    "ring": ("jewelry", "ring", "Gold Ring with Blue Stone, Size 54", ("thin", "glossy", "holes"), worn.ring),
    "bracelet": (
        "jewelry",
        "bracelet",
        "Jade Bead Bracelet, Stretch, 17 cm",
        ("thick", "glossy", "holes"),
        worn.bracelet,
    ),
    "necklace": (
        "jewelry",
        "necklace",
        "Silver Link Necklace with Coral Drop, 45 cm",
        ("thin", "glossy", "holes"),
        worn.necklace,
    ),
    "watch": (
        "watches",
        "watch",
        "Steel Watch No. 7, Black Leather Strap",
        ("thick", "matt", "dark", "holes"),
        worn.watch,
    ),
    "sunglasses": (
        "eyewear",
        "sunglasses",
        "Sunglasses, Gold Frame, Brown Lenses",
        ("thin", "glossy", "clear"),
        worn.sunglasses,
    ),
    "glasses": (
        "eyewear",
        "glasses",
        "Reading Glasses, Teal, +1.5",
        ("thin", "glossy", "clear", "holes"),
        worn.glasses,
    ),
    "handbag": ("bags", "handbag", "Leather Handbag, Terracotta", ("thick", "matt", "holes"), worn.handbag),
    "sneaker": ("footwear", "sneaker", "Sneaker, Sky Blue, Size 40", ("thick", "matt"), worn.sneaker),
    "lotion": ("cosmetics", "lotion", "Lumen Body Lotion No. 7, 250 ml", ("thick", "glossy"), household.lotion),
    "serum": ("cosmetics", "serum", "Birch Face Serum with Dropper, 50 ml", ("thick", "glossy"), household.serum),
    "cream": ("cosmetics", "jar", "Alba Night Cream, 50 ml", ("thick", "glossy", "pale"), household.cream),
    "lipstick": ("cosmetics", "lipstick", "Lipstick, Cherry Red", ("thick", "glossy"), household.lipstick),
    "soap": ("cosmetics", "soap", "Olive Soap in a Box, 100 g", ("thick", "matt"), household.soap),
    "mug_blue": (
        "kitchen",
        "mug",
        "Stoneware Mug, Cobalt Blue, 0.3 l",
        ("thick", "glossy", "holes"),
        household.blue_mug,
    ),
    "mug_orange": ("kitchen", "mug", "Mug with Oranges, 0.3 l", ("thick", "glossy", "holes"), household.orange_mug),
    "notebook": (
        "stationery",
        "notebook",
        "Notebook Nr. 12, Pink Cloth, 192 Pages",
        ("thick", "matt"),
        household.notebook,
    ),
    "lamp": ("electronics", "lamp", "Desk Lamp, Mustard Yellow", ("thin", "glossy"), household.lamp),
    "robot": ("toys", "robot", "Wooden Robot R-42", ("thick", "matt"), household.robot),
    "car": ("toys", "car", "Wooden Toy Car, Red", ("thick", "glossy"), household.car),
    "duck": ("toys", "toy", "Bath Duck, Yellow", ("thick", "glossy"), household.duck),
}


@cache
def product(product_id: str, seed: int = 0) -> Product:
    """The product of that id; KeyError when there is none. Its parts are built once, so that a renderer keeps them.

    With a `seed` other than 0 it is the same shape in other colours: the hue of what is not metal turned by an angle
    that the seed draws.
    """
    category, subcategory, title, tags, build = SHELF[product_id]
    parts = build()
    if seed:
        turn = float(np.random.default_rng(seed).uniform(40, 320))
        parts = tuple(part if part.metallic == 1 else _recoloured(part, turn) for part in parts)
    return Product(product_id, category, subcategory, title, parts, tags)


def _recoloured(part: Part, turn: float) -> Part:
    """The part with its hue turned by `turn` degrees."""

    def turned(rgb: np.ndarray) -> np.ndarray:
        hsv = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + turn) % 360
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)

    color = tuple(map(float, turned(np.array([[part.color]]))[0, 0]))
    texture = None if part.texture is None else np.round(turned(part.texture / 255) * 255).astype(np.uint8)
    return replace(part, color=color, texture=texture)


PRODUCTS: dict[str, Callable[[], Product]] = {name: partial(product, name) for name in SHELF}

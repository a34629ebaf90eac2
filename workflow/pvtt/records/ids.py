"""Ids of products, clips and pairs, and everything random that is derived from them.

A clip is `<product_id>_s<NN>` (NN from 01), a pair `<clip_id>__<target_id>_i<k>` (k from 1, the photo's place in the
catalogue). Product ids are [A-Za-z0-9_-] without a double underscore, which keeps the three parts of a pair apart.
"""

from __future__ import annotations

import hashlib
import re

PRODUCT_PATTERN = r"[A-Za-z0-9-](?:_?[A-Za-z0-9-])*"
CLIP_PATTERN = PRODUCT_PATTERN + r"_s\d\d+"


# What `is_product_id` asks for, in words.
PRODUCT_RULE = "an id has 1 to 100 letters, digits, '-' and single '_' inside; rename the product"


def is_product_id(text: str) -> bool:
    """Whether a text can be a product's id."""
    return bool(re.fullmatch(PRODUCT_PATTERN, text)) and len(text) <= 100


def clip_id(product_id: str, number: int) -> str:
    """Id of the `number`-th shot (from 1) of a product's video."""
    return f"{product_id}_s{number:02d}"


def clip_product(clip: str) -> str:
    """Product id of a clip id."""
    return clip.rsplit("_s", 1)[0]


def pair_id(clip: str, target_id: str, image_index: int) -> str:
    """Id of the pair that puts photo `image_index` (from 1) of `target_id` into `clip`."""
    return f"{clip}__{target_id}_i{image_index}"


def stable_hash(*parts: object) -> int:
    """63-bit hash of the parts' text: the same on every machine, in every Python and every run."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_of(pair: str) -> int:
    """Seed of a pair, in [0, 2**31)."""
    return stable_hash("seed", pair) & 0x7FFFFFFF

"""Near-duplicates by perceptual hash: the signs of a picture's low frequencies, with a tiny colour thumbnail.

pHash (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010): the luma at 32 x 32, its
DCT, 8 x 8 low frequencies against their median, 64 bits. It survives re-encoding, scaling and small changes of tone.
Luma alone takes colour variants of a product, filmed alike, for one: 4 x 4 mean colours keep them apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from pvtt.backends.base import Embedded

Array = np.ndarray

_HASH_SIDE = 8
_THUMB_SIDE = 4
_BITS_HEX = _HASH_SIDE**2 // 4


class Backend(Embedded):
    """64-bit pHash and mean colours; same within `duplicate_bits` and `duplicate_levels`."""

    name = "perceptual_hash"
    version = "1"

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._bits = float(settings["duplicate_bits"])
        self._levels = float(settings["duplicate_levels"])

    def fingerprint(self, image: Array) -> str:
        """16 hexadecimal digits of pHash and 96 of colours, from uint8 (h, w, 3) RGB."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        low = cv2.dct(small)[:_HASH_SIDE, :_HASH_SIDE].ravel()
        # The constant term is brightness; it takes no part in the median. Rounding steadies pictures of one colour.
        bits = np.round(low, 1) > np.median(np.round(low[1:], 1))
        colours = cv2.resize(image, (_THUMB_SIDE, _THUMB_SIDE), interpolation=cv2.INTER_AREA)
        return str(np.packbits(bits).tobytes().hex() + colours.tobytes().hex())

    def same(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether pictures differ by at most the limits, on average over both sequences; False for empty ones."""
        if not first or len(first) != len(second):
            return False
        bits, levels = np.mean([_difference(a, b) for a, b in zip(first, second, strict=True)], axis=0)
        return bool(bits <= self._bits and levels <= self._levels)


def _difference(first: str, second: str) -> tuple[int, float]:
    """Bits in which two hashes differ, and mean difference of their colours in grey levels."""
    bits = (int(first[:_BITS_HEX], 16) ^ int(second[:_BITS_HEX], 16)).bit_count()
    colours = [np.frombuffer(bytes.fromhex(text[_BITS_HEX:]), np.uint8).astype(np.float64) for text in (first, second)]
    return bits, float(np.abs(colours[0] - colours[1]).mean())

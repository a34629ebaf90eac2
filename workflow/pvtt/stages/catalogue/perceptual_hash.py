"""Near-duplicates by perceptual hash: the signs of an image's low frequencies, with a tiny colour thumbnail.

pHash (Zauner, "Implementation and benchmarking of perceptual image hash functions", 2010): luma at 32 x 32 px, its
DCT, 8 x 8 low frequencies compared with their median, 64 bits. It survives re-encoding, scaling and small changes of
tone. Luma alone confuses colour variants of a product that are filmed alike; 4 x 4 mean colours separate them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pvtt.backends.base import Embedded
from pvtt.config.stages.catalogue import CatalogueSettings

Array = np.ndarray

_HASH_SIDE = 8  # frequencies per axis of the DCT; 64 bits
_THUMB_SIDE = 4  # px of the colour thumbnail
_BITS_HEX = _HASH_SIDE**2 // 4  # hexadecimal digits of the hash


class Backend(Embedded[CatalogueSettings]):
    """64-bit pHash and mean colours; same within `duplicate_bits` and `duplicate_levels`."""

    settings_type = CatalogueSettings
    name = "perceptual_hash"
    version = "1"

    def fingerprint(self, image: Array) -> str:
        """See `base.Fingerprinter.fingerprint`; here, 16 hexadecimal digits of pHash and 96 of mean colours."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        low = cv2.dct(small)[:_HASH_SIDE, :_HASH_SIDE].ravel()
        # The constant term is brightness; it takes no part in the median. Rounding steadies pictures of one colour.
        bits = np.round(low, 1) > np.median(np.round(low[1:], 1))
        colours = cv2.resize(image, (_THUMB_SIDE, _THUMB_SIDE), interpolation=cv2.INTER_AREA)
        return str(np.packbits(bits).tobytes().hex() + colours.tobytes().hex())

    def is_duplicate(self, first: Sequence[str], second: Sequence[str]) -> bool:
        """Whether the mean differences over both sequences are within the limits; False for empty ones."""
        if not first or len(first) != len(second):
            return False
        bits, levels = np.mean([_difference(a, b) for a, b in zip(first, second, strict=True)], axis=0)
        return bool(bits <= self.settings.duplicate_bits and levels <= self.settings.duplicate_levels)


def _difference(first: str, second: str) -> tuple[int, float]:
    """Bits in which two hashes differ, and mean difference of their colours in gray levels."""
    bits = (int(first[:_BITS_HEX], 16) ^ int(second[:_BITS_HEX], 16)).bit_count()
    colours = [np.frombuffer(bytes.fromhex(text[_BITS_HEX:]), np.uint8).astype(np.float64) for text in (first, second)]
    return bits, float(np.abs(colours[0] - colours[1]).mean())

"""A small feed drawn in two dimensions in a second: videos, photos and their truth, for the tests.

Products are signed-distance shapes shaded by Lambert and Blinn-Phong; grounds are fractal noise (Perlin-like octaves).
Nothing is random but by seed: the same seed draws the same pixels.
"""

from synthetic.feed import make_feed

__all__ = ["make_feed"]

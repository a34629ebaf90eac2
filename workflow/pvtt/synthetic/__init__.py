"""A small product world drawn by code: videos, photos and their truth, for the demo, the tests and the benchmarks.

Products are signed-distance shapes shaded by Lambert and Blinn-Phong; grounds are fractal noise (Perlin-like octaves).
Nothing is random but by seed: the same seed draws the same pixels.
"""

from pvtt.synthetic.feed import make_feed

__all__ = ["make_feed"]

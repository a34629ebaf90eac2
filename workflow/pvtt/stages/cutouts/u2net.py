"""Cut-outs by U2-Net, a small salient object network that runs on the CPU without a model environment.

The network sees the photo at 320 x 320. Its map is refined along the photo's edges by the guided filter (`matting`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pvtt.backends.base import ModelBackend
from pvtt.config.stages.products import ProductsSettings
from pvtt.models.u2net import MODEL, U2Net
from pvtt.stages.cutouts.base import NoCutOutError
from pvtt.stages.cutouts.matting import guided_alpha

# Of the long side: two of the network's pixels, 4 px of a photo of 640 px; tuned on the rendered world.
_RADIUS = 1 / 160
_LARGEST_SIDE_PX = 1024  # px, at which `guided_alpha` measures its radius


class Backend(ModelBackend[ProductsSettings]):
    """U2-Net from its local ONNX file."""

    name = "u2net"
    version = "1"
    environment = "core"
    gpu = False
    packages = ()
    needs = (MODEL,)
    settings_type = ProductsSettings

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._network: U2Net | None = None

    def load(self, device: str = "cpu") -> None:
        """Read the network; it runs on the CPU, whatever `device` is."""
        self._network = U2Net()

    def close(self) -> None:
        """Release the network."""
        self._network = None

    def cut_out(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """See `base.CutOutBackend.cut_out`."""
        assert self._network is not None, "load it first"
        chance = self._network.saliency(image)
        measures = {"peak": round(float(chance.max()), 4), "uncertain": round(uncertain_share(chance), 4)}
        own = self.settings.u2net
        if measures["peak"] < own.min_peak:
            raise NoCutOutError(
                f"no product found: no pixel's probability is above {measures['peak']:.2f} (u2net.min_peak "
                f"{own.min_peak:.2f})",
                measures,
            )
        if measures["uncertain"] > own.max_uncertain:
            raise NoCutOutError(
                f"no clear product: {measures['uncertain']:.0%} of what was found is uncertain (u2net.max_uncertain "
                f"{own.max_uncertain:.0%})",
                measures,
            )
        radius = max(2, round(_RADIUS * min(max(image.shape[:2]), _LARGEST_SIDE_PX)))
        alpha = guided_alpha(image, chance > 0.5, radius)
        return np.asarray(np.rint(alpha * 255), np.uint8)


def uncertain_share(chance: NDArray[np.float32]) -> float:
    """Share of the pixels with some probability that have neither a low nor a high one.

    Parameters
    ----------
    chance : float32 (h, w), 0 to 1
        Probability that a pixel belongs to the product.

    Returns
    -------
    float, 0 to 1
        A network that sees a product clearly leaves only its contour uncertain; a ghost is uncertain everywhere.
    """
    some = chance > 8 / 255
    return float((some & (chance < 247 / 255)).sum() / some.sum()) if some.any() else 0.0

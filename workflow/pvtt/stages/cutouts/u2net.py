"""Cut-outs by U2-Net, a small salient object network that runs on the CPU without a model environment.

The network sees the photo at 320 x 320. Its map is refined along the photo's edges by the guided filter (`matting`).
What shows a plain ground inside it is opened (`openings`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pvtt.backends.base import CpuNetwork
from pvtt.config.stages.products import ProductsSettings
from pvtt.models.u2net import MODEL, U2Net
from pvtt.stages.cutouts.base import Matte
from pvtt.stages.cutouts.matting import guided_alpha
from pvtt.stages.cutouts.network_output import network_measures
from pvtt.stages.cutouts.openings import open_to_ground

# Of the long side: two of the network's pixels, 4 px of a photo of 640 px; tuned on the rendered world.
_RADIUS = 1 / 160
_LARGEST_SIDE_PX = 1024  # px, at which `guided_alpha` measures its radius


class Backend(CpuNetwork[ProductsSettings, U2Net]):
    """U2-Net from its local ONNX file."""

    name = "u2net"
    version = "3"
    needs = (MODEL,)
    settings_type = ProductsSettings

    def open_network(self) -> U2Net:
        """The network."""
        return U2Net()

    def cut_out(self, image: NDArray[np.uint8]) -> Matte:
        """See `base.CutOutBackend.cut_out`."""
        chance = self.network.saliency(image)
        measures = network_measures(chance, self.name, self.settings.u2net)
        radius = max(2, round(_RADIUS * min(max(image.shape[:2]), _LARGEST_SIDE_PX)))
        mask = chance > 0.5
        alpha = guided_alpha(image, mask, radius)
        opened = open_to_ground(image, mask, self.settings.min_ground_uniformity)
        if (opened != mask).any():  # the openings follow the photo, not the network's coarse pixels
            alpha = np.minimum(alpha, guided_alpha(image, opened, max(2, radius // 2)))
        return Matte(np.rint(alpha * 255).astype(np.uint8), measures)

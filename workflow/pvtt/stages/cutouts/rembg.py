"""Cut-outs by networks that the package rembg runs with ONNX.

BiRefNet (Zheng et al., "Bilateral reference for high-resolution dichotomous image segmentation", CAAI AIR 2024) and
IS-Net (Qin et al., "Highly accurate dichotomous image segmentation", ECCV 2022). The package downloads missing files;
here it reads the models' folder instead. Only the networks named here are used: others upload the photo or forbid
commercial use. The package stretches each mask to the full range, so that a photo without product also gets a confident
mask; the network's raw output is checked before that.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pvtt.backends.base import Limits, ModelBackend
from pvtt.config.stages.products import ProductsSettings
from pvtt.models import registry
from pvtt.stages.cutouts.base import Matte
from pvtt.stages.cutouts.network_output import network_measures

# Name of the network -> whether its output is a logit (else a probability).
NETWORKS = {"birefnet-general": True, "isnet-general-use": False}


class Backend(ModelBackend[ProductsSettings]):
    """A network of rembg from its local ONNX file."""

    settings_type = ProductsSettings
    name = "rembg"
    version = "2"
    packages = ("rembg", "onnxruntime")
    limits = Limits(max_side_px=2048)

    def __init__(self, settings: ProductsSettings | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._session: Any = None
        self._measures: dict[str, float] = {}  # of the photo that the session ran on last

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The model of the chosen network."""
        return (f"rembg-{self._network}",)

    @property
    def _network(self) -> str:
        return self.settings.rembg.model

    def load(self, device: str = "cpu") -> None:
        """Open the network; RuntimeError when its file or the device's provider is not there."""
        file = registry.require(self.needs[0]) / f"{self._network}.onnx"
        import onnxruntime
        from rembg.sessions import sessions

        providers = ["CPUExecutionProvider"]
        if device.startswith("cuda"):
            providers.insert(0, "CUDAExecutionProvider")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = int(os.environ.get("OMP_NUM_THREADS") or 1)
        local = type("LocalSession", (sessions[self._network],), {"download_models": _stays_local(file)})
        self._session = local(self._network, options, providers=providers)
        active = self._session.inner_session.get_providers()
        if providers[0] not in active:
            raise RuntimeError(
                f"products: ONNX Runtime has no {providers[0]}; install onnxruntime-gpu, or set device: cpu"
            )
        self._session.inner_session = _Watched(self._session.inner_session, self._measure)

    def cut_out(self, image: np.ndarray) -> Matte:
        """See `base.CutOutBackend.cut_out`."""
        (mask,) = self._session.predict(Image.fromarray(image))
        return Matte(np.asarray(mask, np.uint8), self._measures)

    def close(self) -> None:
        """Release the network."""
        self._session = None

    def _measure(self, output: np.ndarray) -> None:
        """Measure the network's output (1, h, w) and refuse a photo without a product, before it is stretched."""
        values = output[0].astype(np.float64)
        chance = 1 / (1 + np.exp(-np.clip(values, -60, 60))) if NETWORKS[self._network] else values
        self._measures = network_measures(chance, self.name, self.settings.rembg)


class _Watched:
    """An ONNX session whose first output is looked at before it is handed on."""

    def __init__(self, session: Any, look: Any) -> None:
        self._session, self._look = session, look

    def run(self, *arguments: Any, **named: Any) -> Any:
        outputs = self._session.run(*arguments, **named)
        self._look(outputs[0][:, 0])
        return outputs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def _stays_local(file: Path) -> Any:
    """What replaces the package's download: the path of a file that is there."""
    return classmethod(lambda cls, *arguments, **named: str(file))

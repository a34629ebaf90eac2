"""Base class of the backends that run Wan VACE: settings, required model, loading."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.backends.base import ModelBackend, S
from pvtt.config.wan import WanSettings
from pvtt.stages.wan.engine import PACKAGES, Engine


class WanBackend(ModelBackend[S]):
    """Base of the VACE backends; `own` are the settings under the backend's name, `running` the loaded model."""

    name: str
    version: str
    packages = PACKAGES

    def __init__(self, settings: S | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.engine: Engine | None = None

    @property
    def own(self) -> WanSettings:
        """Settings of this backend, a part of the stage's."""
        raise NotImplementedError

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """Id of the model that the settings choose."""
        return (self.own.model,)

    @property
    def running(self) -> Engine:
        """The loaded model; RuntimeError if `load` was not called."""
        if self.engine is None:
            raise RuntimeError(f"{self.name}: the model is not loaded; call load() first")
        return self.engine

    def lora(self) -> Path | None:
        """File of a LoRA to merge into the model, or None."""
        return None

    def load(self, device: str = "cpu") -> None:
        """Load the model if it is not loaded; ModelError if it cannot be used."""
        if self.engine is None:
            self.engine = Engine(self.own.model, self.own, device, self.lora())

    def close(self) -> None:
        """Release the model."""
        if self.engine is not None:
            self.engine.close()
        self.engine = None

"""What the backends that run Wan VACE have in common: their settings, the model they need, loading it once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.backends.base import ModelBackend
from pvtt.stages.wan.engine import PACKAGES, Engine


class WanBackend(ModelBackend):
    """Base of the VACE backends; `own` are the settings under the backend's name, `running` the loaded model."""

    name: str
    version: str
    packages = PACKAGES

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.own = settings[self.name]
        self.engine: Engine | None = None

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The chosen model."""
        return (self.own["model"],)

    @property
    def running(self) -> Engine:
        """The loaded model; RuntimeError before `load`."""
        if self.engine is None:
            raise RuntimeError(f"{self.name}: the model is not loaded; call load() first")
        return self.engine

    def lora(self) -> Path | None:
        """File of a LoRA that is merged into the model."""
        return None

    def load(self, device: str = "cpu") -> None:
        """Load the model, and only once however often it is called; ModelError says why it cannot be used."""
        if self.engine is None:
            self.engine = Engine(self.own["model"], self.own, device, self.lora())

    def close(self) -> None:
        """Release the model."""
        if self.engine is not None:
            self.engine.close()
        self.engine = None

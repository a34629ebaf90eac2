"""Base classes of the backends: what those of all stages have in common."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pvtt.models import registry


@dataclass(frozen=True)
class Limits:
    """What a backend can take; None is no limit. What exceeds it is left out before any work, or reduced."""

    max_frames: int | None = None
    size_multiple: int | None = None
    max_side_px: int | None = None


class AnyBackend(Protocol):
    """What the backends of all stages have in common; each stage's `base.py` adds its one method."""

    name: str
    version: str
    environment: str
    gpu: bool
    limits: Limits

    @property
    def needs(self) -> tuple[str, ...]:
        """Ids (`resources/models.yaml`) of the models that these settings use."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Take the stage's settings; nothing is loaded yet."""

    def load(self, device: str = "cpu") -> None:
        """Make ready to work on `device`; RuntimeError says what is missing and what to do."""

    def close(self) -> None:
        """Release what `load` took."""


S = TypeVar("S")  # type of a stage's settings
N = TypeVar("N")  # type of an open network


def read_settings(kind: Any, given: Any) -> Any:
    """Settings of the type `kind` from a mapping, or what is given where a backend names no type."""
    return given if kind is None else kind.of(given)


class Embedded(Generic[S]):
    """Base of the backends that need no weights and load nothing: they run on the CPU, whatever `device` is."""

    settings_type: type[S] | None = None  # as S; None keeps a mapping as it is
    environment = "core"
    gpu = False
    limits = Limits()
    needs: tuple[str, ...] = ()

    def __init__(self, settings: S | Mapping[str, Any]) -> None:
        self.settings: S = read_settings(self.settings_type, settings)

    def load(self, device: str = "cpu") -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to release."""

    def problems(self) -> list[str]:
        """Nothing can be missing."""
        return []


class ModelBackend(Generic[S]):
    """Base of the backends that run a model: what one needs is known, and checked, before anything is loaded.

    A backend's own settings stand in the stage's under its name: `settings.vace.steps`. Those of other backends
    are not there, but for the ones that `settings_of` names.
    """

    settings_type: type[S] | None = None  # as S; None keeps a mapping as it is
    environment = "models"  # its file in envs/
    gpu = True  # worth a job on a GPU; runs on the CPU where the run is told to (`device: cpu`)
    packages: tuple[str, ...] = ("torch",)  # modules that `load` imports
    limits = Limits()
    needs: tuple[str, ...] = ()  # may be a property that reads the settings
    settings_of: tuple[str, ...] = ()  # backends of the stage whose settings this one reads besides its own
    files: tuple[str, ...] = ()  # that the settings name by path; new content there makes the results anew

    def __init__(self, settings: S | Mapping[str, Any]) -> None:
        self.settings: S = read_settings(self.settings_type, settings)

    def load(self, device: str = "cpu") -> None:
        """Make ready to work on `device`."""
        raise NotImplementedError

    def close(self) -> None:
        """Release what `load` took."""

    def problems(self) -> list[str]:
        """What is missing to run with these settings, a sentence each that names it and the command that mends it."""
        lacking = [name for name in self.packages if importlib.util.find_spec(name) is None]
        found = [f"package {name} is not installed; run: make {self.environment}" for name in lacking]
        return found + [problem for model in self.needs for problem in registry.problems(model)]


class CpuNetwork(ModelBackend[S], Generic[S, N]):
    """Base of what runs small networks on the CPU, whatever the device, in the core environment."""

    environment = "core"
    gpu = False
    packages: tuple[str, ...] = ()

    def __init__(self, settings: S | Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._network: N | None = None

    def open_network(self) -> N:
        """Read the network from its files; ModelError says what is missing."""
        raise NotImplementedError

    def load(self, device: str = "cpu") -> None:
        """Open the network."""
        self._network = self.open_network()

    def close(self) -> None:
        """Release the network."""
        self._network = None

    @property
    def network(self) -> N:
        """The open network."""
        assert self._network is not None, "load it first"
        return self._network


class ProgramBackend(ModelBackend[S]):
    """Base of the backends that start a program, which loads its model itself and brings its own packages."""

    packages = ()

    def load(self, device: str = "cpu") -> None:
        """Check what the program needs; ModelError says what is missing."""
        self.device = device
        if problems := self.problems():
            raise registry.ModelError("; ".join(problems))

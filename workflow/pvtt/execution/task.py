"""A job as plain values that can be sent to another process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class NamedList(list[Any]):
    """A list with names for items or groups of items, such as `files[0]` and `files.video`; can be written as JSON."""

    def __init__(self, items: Any = (), names: Mapping[str, Any] | None = None) -> None:
        super().__init__(items)
        self.names = dict(names or {})

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["names"][name]
        except KeyError:
            raise AttributeError(f"nothing is named {name!r} here") from None


@dataclass
class Task:
    """Arguments of a job's script as plain values."""

    rule: str
    script: str
    input: NamedList
    output: NamedList
    params: NamedList
    wildcards: NamedList
    resources: NamedList
    log: NamedList
    threads: int = 1
    key: str = field(default="", compare=False)  # of its results in the cache
    input_mtimes: list[list[int]] = field(
        default_factory=list, compare=False
    )  # sizes and times of its inputs when the key was computed

    @classmethod
    def from_snakemake(cls, snakemake: Any, script: str) -> Task:
        """Convert the object that Snakemake gives to a script."""
        if isinstance(snakemake, cls):
            return snakemake
        parts = ("input", "output", "params", "wildcards", "resources", "log")
        lists: dict[str, Any] = {part: _named_list(getattr(snakemake, part)) for part in parts}
        return cls(rule=snakemake.rule, script=script, threads=snakemake.threads, **lists)

    def to_dict(self) -> dict[str, Any]:
        """Convert to JSON values for `from_dict`."""
        return {key: [list(v), v.names] if isinstance(v, NamedList) else v for key, v in vars(self).items()}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Task:
        """Read the values of `to_dict`."""
        lists = ("input", "output", "params", "wildcards", "resources", "log")
        fields: dict[str, Any] = {key: NamedList(*value) if key in lists else value for key, value in plain.items()}
        return cls(**fields)

    def __str__(self) -> str:
        return f"{self.rule} ({', '.join(map(str, self.wildcards))})"


def _named_list(values: Any) -> NamedList:
    """Convert a named list of Snakemake, with paths as strings."""
    names = {name: _plain(value) for name, value in values.items()}
    return NamedList([_plain(value) for value in values], names)


def _plain(value: Any) -> Any:
    """Convert paths to strings and tuples to lists, recursively."""
    if isinstance(value, str | os.PathLike):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value

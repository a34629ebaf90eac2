"""The configuration of a run: read, checked and filled with its defaults.

Its keys are the fields of `pvtt.config.run.RunSettings`; those of a stage stand in `pvtt.config.stages.<stage>`. An
unknown key is an error, so that a misspelt one cannot pass as a setting.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pvtt.backends import registry, stages
from pvtt.config.base import Settings
from pvtt.config.run import RunSettings
from pvtt.io.project_files import project_file
from pvtt.models import registry as models

SCHEMAS = project_file("workflow/schemas")
# Key in the configuration -> stage; `catalogue` itself is the feed's path, so its checks stand under `checks`.
STAGES = {stage.key or stage.name: stage.name for stage in stages.TABLE if stage.key is not None}
STAGES |= {"serving": "serving"}
# Keys of earlier versions -> where their settings stand now.
MOVED = {
    "filter": "verdicts.pairs",
    "segmentation.min_score": "verdicts.masks.min_score",
    "scoring.weights": "verdicts.pairs.weights",
}


class SettingsError(ValueError):
    """A configuration that cannot be used; the message names the key."""


@cache
def load_schema(name: str) -> dict[str, Any]:
    """A schema of `workflow/schemas`, by its name without `.schema.yaml`."""
    with open(SCHEMAS / f"{name}.schema.yaml", encoding="utf-8") as stream:
        schema: dict[str, Any] = yaml.safe_load(stream)
    return schema


def stage_defaults(stage: str, config: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings of one stage, those of all its backends included: given by a configuration, else at its default."""
    [key] = [key for key, name in STAGES.items() if name == stage]
    found: Settings = getattr(RunSettings.of(config or {}), key)
    return found.plain()


def read(files: Iterable[str | Path] = (), items: Iterable[str] = ()) -> dict[str, Any]:
    """Read a configuration as Snakemake does: `config/config.yaml`, then files, then items; later ones override.

    Parameters
    ----------
    files
        YAML files. Nested keys are merged one by one.
    items
        `KEY=VALUE`, the value in YAML.

    Returns
    -------
    dict
        The configuration, not checked and without defaults.

    Raises
    ------
    SettingsError
        For a file without keys, or an item that is not KEY=VALUE.
    """
    parts: list[Any] = []
    for path in [project_file("config/config.yaml"), *map(Path, files)]:
        parts.append((path, yaml.safe_load(path.read_text(encoding="utf-8")) or {}))
    for item in items:
        key, equals, value = item.partition("=")
        if not (key and equals):
            raise SettingsError(f"configuration: {item!r} is not KEY=VALUE")
        parts.append((item, {key: yaml.safe_load(value)}))
    config: dict[str, Any] = {}
    for source, part in parts:
        if not isinstance(part, Mapping):
            raise SettingsError(f"configuration: {source} has no keys")
        config = _merged(config, part)
    return config


def resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check a configuration and fill in every default.

    Parameters
    ----------
    config
        A configuration, such as Snakemake's.

    Returns
    -------
    dict
        All settings as plain values; in each part the given keys come first. Settings of backends that are not chosen
        are checked and left out, so that a change of them recomputes nothing.

    Raises
    ------
    SettingsError
        Lists every mistake with its key.
    """
    if moved := _moved(config):
        raise SettingsError("configuration:\n" + "\n".join(f"  {old} is now {new}" for old, new in moved))
    try:
        filled = RunSettings.of(config).plain(config)
    except ValidationError as error:
        mistakes = sorted(error.errors(), key=lambda mistake: [str(part) for part in mistake["loc"]])
        raise SettingsError("configuration:\n" + "\n".join(f"  {_explain(one)}" for one in mistakes)) from None
    with models.temporary_root(filled["models"]):
        decided = {stage: _decided(stage, filled[stage]) for stage in registry.STAGES}
    return filled | {stage: _of_chosen(stage, part) for stage, part in decided.items()}


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result


def _moved(config: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Keys of earlier versions in a configuration, each with its new key; keys below a moved one are named singly."""
    found = []
    for old, new in MOVED.items():
        value: Any = config
        for key in old.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping) and value:
            found += [(f"{old}.{key}", f"{new}.{key}") for key in value]
        elif value is not None:
            found.append((old, new))
    return found


def _decided(stage: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stage's settings with the backend that `auto` stands for, so that results name it and hang on it."""
    if settings["backend"] != "auto":
        return settings
    try:
        return {**settings, "backend": registry.best_available(stage, settings)}
    except ValueError as error:
        raise SettingsError(f"configuration:\n  {error}") from None


def _of_chosen(stage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's settings without those of what is not chosen, by `backend` or by any other key that holds names."""
    values = [value for value in settings.values() if isinstance(value, str | list)]
    names = {name for value in values for name in ([value] if isinstance(value, str) else value)}
    for name in names & set(registry.available(stage)):
        names |= set(getattr(registry.backend_class(stage, name), "settings_of", ()))
    idle = registry.selectable_names(stage) - names
    return {key: value for key, value in settings.items() if not (key in idle and isinstance(value, Mapping))}


def _explain(mistake: ErrorDetails) -> str:
    """One line about a mistake, with its key."""
    path = mistake["loc"]
    if mistake["type"] == "extra_forbidden":
        where, key = ".".join(map(str, path[:-1])) or "top level", str(path[-1])
        return f"{where}: unknown key {key!r}{_closest(key, _keys_at(path[:-1]))}"
    own = {"model_type": "should have keys of its own", "tuple_type": "should be a list"}
    text = own.get(mistake["type"], mistake["msg"].removeprefix("Input ").removeprefix("String "))
    given = "" if isinstance(mistake["input"], Mapping) else f", not {mistake['input']!r}"
    return f"{'.'.join(map(str, path))}: {text}{given}"


def _keys_at(path: tuple[int | str, ...]) -> list[str]:
    """Keys of the part of the configuration at a path."""
    part: Settings = RunSettings()
    for key in path:
        part = getattr(part, str(key))
    return sorted(type(part).model_fields)


def _closest(key: str, known: list[str]) -> str:
    match = difflib.get_close_matches(key, known, 1)
    return f" (did you mean {match[0]!r}?)" if match else f" (there are {', '.join(known)})"

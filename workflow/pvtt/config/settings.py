"""Settings: the configuration checked against its schema and filled with its defaults.

Each stage's keys stand in `workflow/schemas/config/<stage>.schema.yaml`, every one with a default and a sentence; the
keys of the whole run in `run.schema.yaml`. Unknown keys are errors, so a typing mistake cannot pass as a setting.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from pvtt.backends import registry, stages
from pvtt.io.project_files import project_file

SCHEMAS = project_file("workflow/schemas")
# Key in the configuration -> schema; `catalogue` itself is the feed's path, so its checks stand under `checks`.
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


@cache
def config_schema() -> dict[str, Any]:
    """The schema of the whole configuration: the run's keys and one object per stage."""
    schema = copy.deepcopy(load_schema("config/run"))
    for key, stage in STAGES.items():
        schema["properties"][key] = load_schema(f"config/{stage}")
    return schema


def stage_defaults(stage: str) -> dict[str, Any]:
    """The settings of one stage with every key at its default."""
    return _filled({}, load_schema(f"config/{stage}"))


def read(files: Iterable[str | Path] = (), items: Iterable[str] = ()) -> dict[str, Any]:
    """The configuration of `config/config.yaml`, then `files`, then `items` (KEY=VALUE), as Snakemake reads it.

    Each overrides the ones before it, key by key in nested ones. SettingsError for a file or an item of another shape.
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
    """Check a configuration and fill in every default; SettingsError lists every mistake with its key.

    The settings of backends that are not chosen are checked and left out: a change of theirs must not redo anything.
    """
    schema = config_schema()
    if moved := _moved(config):
        raise SettingsError("configuration:\n" + "\n".join(f"  {old} is now {new}" for old, new in moved))
    filled = _filled(config, schema)
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(filled), key=lambda e: list(map(str, e.path)))
    if errors:
        raise SettingsError("configuration:\n" + "\n".join(f"  {_explain(error)}" for error in errors))
    for name, limit in filled["verdicts"]["masks"].items():
        if isinstance(limit, Mapping) and limit["reject"] == limit["good"]:
            raise SettingsError(f"configuration:\n  verdicts.masks.{name}: reject and good are both {limit['good']:g}")
    return filled | {stage: _of_chosen(stage, filled[stage]) for stage in registry.STAGES}


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


def _of_chosen(stage: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A stage's settings without those of what is not chosen, by `backend` or by any other key that holds names."""
    values = [value for value in settings.values() if isinstance(value, str | list)]
    names = {name for value in values for name in ([value] if isinstance(value, str) else value)}
    for name in names & set(registry.available(stage)):
        names |= set(getattr(registry.backend_class(stage, name), "settings_of", ()))
    idle = registry.selectable_names(stage) - names
    return {key: value for key, value in settings.items() if not (key in idle and isinstance(value, Mapping))}


def _filled(value: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(value)
    for key, part in schema.get("properties", {}).items():
        if part.get("type") == "object" and "properties" in part and isinstance(result.get(key, {}), Mapping):
            result[key] = _filled(result.get(key, {}), part)
        elif key not in result and "default" in part:
            result[key] = copy.deepcopy(part["default"])
        elif isinstance(result.get(key), str) and "type" in part and "string" not in part["type"]:
            # Snakemake hands on the numbers of a nested --config value as text.
            result[key] = yaml.safe_load(result[key])
    return result


def _explain(error: jsonschema.ValidationError) -> str:
    where = ".".join(str(part) for part in error.path) or "top level"
    if error.validator == "additionalProperties":
        known = sorted(error.schema.get("properties", {}))
        unknown = sorted(set(error.instance) - set(known))
        hints = [f"{key!r}{_closest(key, known)}" for key in unknown]
        return f"{where}: unknown key {', '.join(hints)}"
    return f"{where}: {error.message}"


def _closest(key: str, known: list[str]) -> str:
    match = difflib.get_close_matches(key, known, 1)
    return f" (did you mean {match[0]!r}?)" if match else f" (there are {', '.join(known)})"


def describe() -> str:
    """The reference of every configuration key, in Markdown, from the schema."""
    schema = config_schema()
    lines = [
        "# Every key of the configuration",
        "",
        "Written from `workflow/schemas/config/` by `python -m pvtt.config.settings > config/README.md`;"
        " a test keeps it so.",
        "Read in turn: `config/config.yaml`, `--configfile FILE` (see `config/presets/`), `--config KEY=VALUE`.",
        'Unknown keys are errors. A nested key on the command line: `--config \'shots={"detector": "hash"}\'`.',
        "",
        "| key | default | what it does |",
        "|---|---|---|",
        *_key_rows("", schema),
    ]
    return "\n".join(lines) + "\n"


def _key_rows(prefix: str, schema: Mapping[str, Any]) -> list[str]:
    rows = []
    for key, part in schema["properties"].items():
        if "properties" in part:
            rows.append(f"| **`{prefix}{key}`** | | **{part['description']}** |")
            rows += _key_rows(f"{prefix}{key}.", part)
        else:
            choices = f" One of {', '.join(map(str, part['enum']))}." if "enum" in part else ""
            rows.append(f"| `{prefix}{key}` | `{json.dumps(part['default'])}` | {part['description']}{choices} |")
    return rows


if __name__ == "__main__":
    print(describe(), end="")

"""The reference of every key of the configuration, `config/README.md`, written from the types of the settings."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pvtt.config.base import Settings
from pvtt.config.run import RunSettings

_HEAD = """\
# Every key of the configuration

Written from the types in `workflow/pvtt/config/` by `python -m pvtt.config.reference > config/README.md`;
a test keeps it so.
Read in turn: `config/config.yaml`, `--configfile FILE` (see `config/presets/`), `--config KEY=VALUE`.
Unknown keys are errors. A nested key on the command line: `--config 'shots={"detector": "hash"}'`.

| key | default | what it does |
|---|---|---|
"""


def markdown() -> str:
    """The reference of every key of the configuration, in Markdown."""
    return _HEAD + "".join(f"{row}\n" for row in _rows("", RunSettings()))


def _rows(prefix: str, part: Settings) -> Iterator[str]:
    for key in part.key_order():
        value, field = getattr(part, key), type(part).model_fields[key]
        if isinstance(value, Settings):
            text = field.description or " ".join((inspect.getdoc(value) or "").split())
            yield f"| **`{prefix}{key}`** | | **{text}** |"
            yield from _rows(f"{prefix}{key}.", value)
        else:
            options = _options(field.annotation)
            choices = f" One of {', '.join(options)}." if options else ""
            yield f"| `{prefix}{key}` | `{json.dumps(value)}` | {field.description}{choices} |"


def _options(annotation: Any) -> list[str]:
    """The values that a setting can have, where its type names them."""
    return [str(value) for value in get_args(annotation)] if get_origin(annotation) is Literal else []


if __name__ == "__main__":
    print(markdown(), end="")

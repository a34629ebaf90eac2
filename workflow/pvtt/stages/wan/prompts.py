"""Embeddings of prompts: computed once, then kept in memory and on disk, so the text encoder seldom has to be there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pvtt.io import files

MAX_TOKENS = 512
_log = logging.getLogger(__name__)


class Prompts:
    """Embeddings of one model's prompts; `encode` gives the tensor (1, tokens, channels) of a text.

    `folder` keeps them from run to run (None: only in memory); files carry `identity`, which names the text encoder.
    """

    def __init__(self, encode: Callable[[str], Any], folder: Path | None, identity: str) -> None:
        self._encode, self._folder, self._identity = encode, folder, identity
        self._kept: dict[str, Any] = {}

    def __call__(self, text: str) -> Any:
        """The embedding of a text, in the host's memory."""
        if text not in self._kept:
            path = self._path(text)
            stored = _read(path) if path else None
            if stored is None:
                stored = self._encode(text).detach().cpu().contiguous().clone()
                if path:
                    _write(path, stored)
            self._kept[text] = stored
        return self._kept[text]

    def _path(self, text: str) -> Path | None:
        if self._folder is None:
            return None
        name = blake2b(f"{self._identity}\n{MAX_TOKENS}\n{text}".encode(), digest_size=16).hexdigest()
        return self._folder / f"{name}.safetensors"


def identity_of(folder: Path, commit: str, dtype: str) -> str:
    """What embeddings depend on beside the text: commit, number type, and the files of encoder and tokenizer."""
    parts = [f"{commit} {dtype}"]
    for name in ("text_encoder", "tokenizer"):
        for path in sorted((folder / name).glob("*")):
            parts.append(f"{name}/{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}")
    return "\n".join(parts)


def _read(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)["prompt"]
    except (OSError, KeyError, SafetensorError):
        return None


def _write(path: Path, value: Any) -> None:
    """Store an embedding; a folder that cannot be written costs time, not the run."""
    from safetensors.torch import save_file

    try:
        with files.atomic_path(path) as aside:
            save_file({"prompt": value}, aside)
    except OSError as error:
        _log.warning("the embedding of a prompt is not kept: %s", error)

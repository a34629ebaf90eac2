"""Prompt embeddings in memory and on disk, so that the text encoder is loaded only for new prompts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pvtt.io import files

MAX_TOKENS = 512  # tokens: length of Wan's text input
_log = logging.getLogger(__name__)


class PromptCache:
    """Embeddings of one model's prompts.

    Parameters
    ----------
    encode : callable
        Maps a text to its embedding, a tensor (1, tokens, channels).
    folder : Path or None
        Where embeddings are kept across runs; None keeps them in memory only.
    identity : str
        Identity of the text encoder (`encoder_identity`); embeddings of another one are not used.
    """

    def __init__(self, encode: Callable[[str], Any], folder: Path | None, identity: str) -> None:
        self._encode, self._folder, self._identity = encode, folder, identity
        self._embeddings: dict[str, Any] = {}

    def __call__(self, text: str) -> Any:
        """Embedding of a text in host memory."""
        if text not in self._embeddings:
            path = self._path(text)
            embedding = _read(path) if path else None
            if embedding is None:
                embedding = self._encode(text).detach().cpu().contiguous().clone()
                if path:
                    _write(path, embedding)
            self._embeddings[text] = embedding
        return self._embeddings[text]

    def _path(self, text: str) -> Path | None:
        if self._folder is None:
            return None
        name = blake2b(f"{self._identity}\n{MAX_TOKENS}\n{text}".encode(), digest_size=16).hexdigest()
        return self._folder / f"{name}.safetensors"


def encoder_identity(folder: Path, commit: str, dtype: str) -> str:
    """What embeddings depend on besides the text: commit, dtype, and the files of the encoder and the tokenizer."""
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
    """Store an embedding; if the folder cannot be written, log a warning."""
    from safetensors.torch import save_file

    try:
        with files.atomic_path(path) as aside:
            save_file({"prompt": value}, aside)
    except OSError as error:
        _log.warning("the embedding of a prompt is not stored: %s", error)

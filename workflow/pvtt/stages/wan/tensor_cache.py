"""A least-recently-used cache of tensors in host memory, and digests of arrays for its keys."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np

Array = np.ndarray


class TensorCache:
    """Tensors by key, in host memory.

    Parameters
    ----------
    limit_mb : float
        Largest total size, MB (10^6 bytes). The least recently used tensors are dropped; a larger tensor is not kept.
    """

    def __init__(self, limit_mb: float) -> None:
        self._limit = limit_mb * 1e6
        self._tensors: OrderedDict[str, Any] = OrderedDict()
        self.bytes = 0

    def get(self, key: str | None, device: Any, compute: Callable[[], Any]) -> Any:
        """Return the tensor of `key` on `device`; call `compute` if it is not cached.

        Without a key, the result of `compute` is not cached.
        """
        if key is None:
            return compute()
        if key in self._tensors:
            self._tensors.move_to_end(key)
            return self._tensors[key].to(device)
        value = compute()
        self._store(key, value.detach().cpu().clone())
        return value

    def _store(self, key: str, value: Any) -> None:
        size = value.numel() * value.element_size()
        if size > self._limit:
            return
        self._tensors[key] = value
        self.bytes += size
        while self.bytes > self._limit:
            _, dropped = self._tensors.popitem(last=False)
            self.bytes -= dropped.numel() * dropped.element_size()


def digest(*arrays: Array) -> str:
    """Hex BLAKE2b-128 of the contents, shapes and dtypes of arrays."""
    state = blake2b(digest_size=16)
    for array in arrays:
        state.update(f"{array.dtype} {array.shape};".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()

"""What was computed and may be used again, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import numpy as np

Array = np.ndarray


class Memo:
    """Tensors by key, in the host's memory; the least recently used go when they take more than `limit_mb` together."""

    def __init__(self, limit_mb: float) -> None:
        self._limit = limit_mb * 1e6
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self.bytes = 0
        self.hits = 0

    def get(self, key: str | None, device: Any, make: Callable[[], Any]) -> Any:
        """The tensor of `key` on `device`, from `make` when it is not here; without a key it is not kept."""
        if key is None:
            return make()
        if key in self._kept:
            self._kept.move_to_end(key)
            self.hits += 1
            return self._kept[key].to(device)
        value = make()
        self._keep(key, value.detach().cpu().clone())
        return value

    def _keep(self, key: str, value: Any) -> None:
        size = value.numel() * value.element_size()
        if size > self._limit:
            return
        self._kept[key] = value
        self.bytes += size
        while self.bytes > self._limit:
            _, dropped = self._kept.popitem(last=False)
            self.bytes -= dropped.numel() * dropped.element_size()


def digest(*arrays: Array) -> str:
    """Digest of the contents, shapes and types of arrays."""
    state = blake2b(digest_size=16)
    for array in arrays:
        state.update(f"{array.dtype} {array.shape};".encode())
        state.update(np.ascontiguousarray(array).data)
    return state.hexdigest()

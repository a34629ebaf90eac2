"""No-reference metrics of a removal: flicker inside the hole and the visible seam on its rim."""

from __future__ import annotations

import cv2
import numpy as np

from pvtt.imaging.geometry import dilated

Array = np.ndarray


class InpaintingMetrics:
    """Accumulates the metrics frame by frame."""

    def __init__(self) -> None:
        self._last: tuple[Array, Array] | None = None
        self._inside: list[float] = []
        self._outside: list[float] = []
        self._seams: list[float] = []

    def add(self, source: Array, result: Array, hole: Array) -> None:
        """Add the next frame that has a hole.

        Parameters
        ----------
        source, result : uint8 (h, w, 3), RGB
            The frame before and after the removal.
        hole : bool (h, w)
        """
        grey = cv2.cvtColor(result, cv2.COLOR_RGB2GRAY).astype(np.float32)
        if self._last is not None:
            before, covered = self._last
            change = np.abs(grey - before)
            common = hole & covered
            around = dilated(hole | covered, 12) & ~dilated(hole | covered, 2)
            if common.any() and around.any():
                self._inside.append(float(change[common].mean()))
                self._outside.append(float(change[around].mean()))
        inner, outer = hole & dilated(~hole, 3), dilated(hole, 3) & ~hole
        if inner.any() and outer.any():
            level = cv2.blur(grey * inner, (9, 9)) / np.maximum(cv2.blur(inner.astype(np.float32), (9, 9)), 1e-6)
            step = np.abs(level - grey)[outer & (cv2.blur(inner.astype(np.float32), (9, 9)) > 0.05)]
            if step.size:
                self._seams.append(float(np.median(step)))
        self._last = (grey, hole)

    def measures(self) -> dict[str, float]:
        """The metrics, in grey levels (0-255); 0 where nothing was measured.

        `flicker`: mean change from frame to frame inside the hole; `flicker_beside`: in a ring of 2-12 px around it;
        `seam`: median step across the rim, averaged over the frames.
        """
        return {
            "flicker": round(float(np.mean(self._inside)), 3) if self._inside else 0.0,
            "flicker_beside": round(float(np.mean(self._outside)), 3) if self._outside else 0.0,
            "seam": round(float(np.mean(self._seams)), 3) if self._seams else 0.0,
        }

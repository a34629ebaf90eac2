"""Text in a picture, by the package rapidocr: PP-OCRv6's small detector and recogniser, run by onnxruntime on the CPU.

Liao et al., "Real-time scene text detection with differentiable binarization", AAAI 2020, and Li et al., "PP-OCRv3:
More attempts for the improvement of ultra lightweight OCR system", 2022 (arXiv 2206.03001), whose design these follow.
The package brings the code; the networks' files are the registry's, so that their digests are checked and nothing is
downloaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.models import registry

MODEL = "pp-ocrv6-small"  # its id in resources/models.yaml
PACKAGES = ("rapidocr", "onnxruntime")
_LONG_SIDE = 736  # px to which the detector's input is reduced; the recogniser takes its lines from the full picture
_MIN_CONFIDENCE = 0.8  # of the recogniser; tuned on product photos, where patterns are read with less
# A ring is read as O, an earring as 8, a pair of glasses as 00: lines of fewer letters and digits that cover a larger
# share of the picture are forms; tuned on product photos (forms 5 % and more, words of a chart below 1 %).
_MIN_CHARACTERS, _LARGEST_SHORT_LINE = 3, 0.02


class TextLine(NamedTuple):
    """A line of text.

    confidence: 0 to 1, of the recogniser. polygon: float32 (4, 2), corners x and y in px of the picture.
    """

    text: str
    confidence: float
    polygon: NDArray[np.float32]


class TextReader:
    """The two networks, read from their files.

    Parameters
    ----------
    folder
        Holds both files; the model's folder when it is not given.

    Raises
    ------
    ModelError
        When a file or the package is missing, or a file is no such network.
    """

    def __init__(self, folder: Path | None = None) -> None:
        place = folder or registry.require(MODEL)
        try:
            from rapidocr import RapidOCR
        except ImportError as error:
            raise registry.ModelError(f"package {error.name} is not installed; run: make text") from error
        one_thread = {f"EngineConfig.onnxruntime.{kind}_op_num_threads": 1 for kind in ("intra", "inter")}
        options = {"Global.use_cls": False, "Global.log_level": "error", "Global.text_score": _MIN_CONFIDENCE}
        options |= {"Det.limit_type": "max", "Det.limit_side_len": _LONG_SIDE}
        options |= {f"{part}.model_path": str(place / f"{part.lower()}.onnx") for part in ("Det", "Rec")}
        self._engine: Any = RapidOCR(params=one_thread | options)

    def read(self, image: NDArray[np.uint8]) -> list[TextLine]:
        """Lines of text in a picture.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB, 0 to 255

        Returns
        -------
        list of TextLine
            Those that are read with a confidence of at least 0.8, without large ones of one or two characters.
        """
        found = self._engine(np.ascontiguousarray(image[..., ::-1]))
        if found.txts is None or found.boxes is None:
            return []
        lines = [
            TextLine(text, float(score), np.asarray(box, np.float32))
            for text, score, box in zip(found.txts, found.scores, found.boxes, strict=True)
        ]
        largest = _LARGEST_SHORT_LINE * image.shape[0] * image.shape[1]
        return [line for line in lines if _letters(line.text) >= _MIN_CHARACTERS or _area(line) < largest]


def _letters(text: str) -> int:
    return sum(map(str.isalnum, text))


def _area(line: TextLine) -> float:
    return float(cv2.contourArea(line.polygon))


def text_mask(lines: Iterable[TextLine], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Pixels under lines of text, bool (h, w), for a picture of shape (h, w, ...)."""
    mask = np.zeros(shape[:2], np.uint8)
    for line in lines:
        cv2.fillPoly(mask, [np.rint(line.polygon).astype(np.int32)], 1)
    return mask > 0


def overlay_share(lines: Sequence[Sequence[TextLine]], masks: NDArray[np.bool_]) -> float:
    """Share of frames with text that is not on the product, such as titles and subtitles.

    Parameters
    ----------
    lines : sequence of n sequences of TextLine
        Lines of each frame.
    masks : bool (n, h, w)
        The product.

    Returns
    -------
    float
        0 to 1: frames with a line of which at least half lies outside the mask.
    """
    if not len(masks):
        return 0.0
    outside = [
        any((text_mask([line], mask.shape) & ~mask).sum() >= text_mask([line], mask.shape).sum() / 2 for line in found)
        for found, mask in zip(lines, masks, strict=True)
    ]
    return float(np.mean(outside))

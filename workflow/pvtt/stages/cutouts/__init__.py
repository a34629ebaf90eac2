"""Cut-outs stage: from a seller's photo to an RGBA cut-out of the product, or a reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pvtt.backends.lifecycle import WorkError, load_model
from pvtt.backends.registry import backend_class
from pvtt.config.stages.products import ProductsSettings
from pvtt.imaging.resize import fit_long_side
from pvtt.io.files import write_empty
from pvtt.io.images import read_rgba, write_png
from pvtt.io.video import MediaError
from pvtt.models import devices
from pvtt.records.media import CutOut
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.cutouts.background_model import fit_background
from pvtt.stages.cutouts.base import Matte, NoCutOutError
from pvtt.stages.cutouts.canvas import read_canvas
from pvtt.stages.cutouts.cutout_checks import alpha_measures, content_measures, reason_against
from pvtt.stages.cutouts.matting import decontaminate
from pvtt.stages.cutouts.text import TextEvidence

BEST_FIRST = ("rembg", "u2net", "classical")  # what `products.backend: auto` chooses from
_MEASURED_PX = 512  # long side at which the photo is measured
_MARGIN_PX = 2  # px around the visible box in a cut-out


def cut_out_product(
    photo: Path,
    product_id: str,
    image_index: int,
    out_png: Path,
    out_json: Path,
    settings: Mapping[str, Any],
    device: str | None = None,
) -> None:
    """Cut the product out of photo `image_index` (from 1) of a product.

    Writes `out_png` (uint8 RGBA, cropped to the alpha's box plus 2 px; 0 bytes when the photo is rejected) and
    `out_json` with status `accepted` or `rejected`, the reason, the photo's size, the box in it and the measures.
    A photo that is transparent already keeps its alpha, if that is more than a
    margin around the photo.
    """
    watch, chosen = Stopwatch(), ProductsSettings.of(settings)
    backend, *readers = used_backends(settings)
    record: dict[str, Any] = {
        "product_id": product_id,
        "image_index": image_index,
        "status": "rejected",
        "reason": "",
        "image": Path(photo).name,
        "width": None,
        "height": None,
        "box": None,
        "main": image_index == 1,
        "measures": {},
    }
    cut_out = None
    try:
        rgba = read_rgba(photo)
        record |= {"width": rgba.shape[1], "height": rgba.shape[0]}
        cut_out, found = _cut_out(rgba, backend, readers, chosen, device or devices.selected_device())
        record |= found
    except MediaError as error:
        record["reason"] = str(error)
    if cut_out is None:
        write_empty(out_png)
    else:
        write_png(out_png, cut_out)
    made = provenance(backend, settings, {"photo": photo}, watch, measured_by=_measured_by(readers))
    CutOut.of(record | {"provenance": made}).write(out_json)


def used_backends(settings: Mapping[str, Any]) -> list[Any]:
    """The backend that makes the cut-outs and, where the settings ask for one, the reader of text; none is loaded."""
    chosen = ProductsSettings.of(settings)
    backend = backend_class("products", chosen.backend)(settings)
    return [backend] if chosen.text == "none" else [backend, TextEvidence(settings)]


def version(settings: Mapping[str, Any]) -> str:
    """Versions of what makes the cut-outs and of what measures text in photos, such as `1, text 1`."""
    backend, *readers = used_backends(settings)
    return ", ".join(filter(None, [backend.version, _measured_by(readers)]))


def _measured_by(readers: Sequence[TextEvidence]) -> str:
    return ", ".join(f"text {reader.version}" for reader in readers)


def _cut_out(
    rgba: np.ndarray, backend: Any, readers: Sequence[TextEvidence], settings: ProductsSettings, device: str
) -> tuple[np.ndarray | None, dict[str, Any]]:
    """Cut-out and the record's fields; the cut-out is None when the photo is rejected."""
    canvas = read_canvas(rgba)
    height, width = canvas.image.shape[:2]
    margin = "" if (height, width) == rgba.shape[:2] else "inside the photo's transparent margin: "
    if min(height, width) < settings.min_side_px:
        reason = f"too small: {width}x{height} pixels, the short side must have {settings.min_side_px} (min_side_px)"
        return None, {"reason": margin + reason}
    small = fit_long_side(canvas.image, _MEASURED_PX)
    background = fit_background(small) if canvas.alpha is None else None
    measures: dict[str, float] = {"ground_uniformity": round(background.uniformity, 4) if background else 1.0}
    try:
        matte = Matte(canvas.alpha) if canvas.alpha is not None else _run(backend, canvas.image, device)
    except NoCutOutError as error:
        return None, {"reason": margin + str(error), "measures": measures | error.measures}
    except WorkError as error:
        return None, {"reason": str(error), "measures": measures}
    measures |= {
        **matte.measures,
        **alpha_measures(matte.alpha),
        **content_measures(small, background, matte.alpha, settings),
    }
    reason = reason_against(measures, settings)
    for reader in readers if not reason else []:
        with load_model(reader, device) as ready:
            measures |= ready.measure(canvas.image, matte.alpha)
        reason = reader.reason_against(measures)
    if reason:
        return None, {"reason": margin + reason, "measures": measures}
    x0, y0, x1, y1 = _alpha_box(matte.alpha)
    crop = np.s_[y0:y1, x0:x1]
    cut = np.dstack([decontaminate(canvas.image[crop], matte.alpha[crop]), matte.alpha[crop]])
    left, top = canvas.box[:2]
    box = [x0 + left, y0 + top, x1 + left, y1 + top]
    return cut, {"status": "accepted", "box": box, "measures": measures}


def _run(backend: Any, image: np.ndarray, device: str) -> Matte:
    """Matte from a backend, at the photo's size though the backend may have a limit."""
    height, width = image.shape[:2]
    reduced = fit_long_side(image, backend.limits.max_side_px or max(height, width))
    with load_model(backend, device) as ready:
        matte: Matte = ready.cut_out(reduced)
    if matte.alpha.shape == (height, width):
        return matte
    return Matte(cv2.resize(matte.alpha, (width, height)), matte.measures)


def _alpha_box(alpha: np.ndarray) -> list[int]:
    """Box [x0, y0, x1, y1] (ends exclusive) of what is visible, 2 px wider on each side, inside the photo."""
    rows, columns = np.flatnonzero((alpha > 8).any(1)), np.flatnonzero((alpha > 8).any(0))
    height, width = alpha.shape
    return [
        max(0, int(columns[0]) - _MARGIN_PX),
        max(0, int(rows[0]) - _MARGIN_PX),
        min(width, int(columns[-1]) + 1 + _MARGIN_PX),
        min(height, int(rows[-1]) + 1 + _MARGIN_PX),
    ]

"""Cut-outs: the alpha of every photo against the true one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pvtt.io.images import read_rgba, write_png
from pvtt.metrics import alpha_error, base_band, mask_iou
from pvtt.records.media import CutOut
from pvtt.stages.cutouts import cut_out_product
from pvtt.stages.cutouts.matting import decontaminate
from stages.common import Options, Outcome, backend_name, truth_provenance

Array = np.ndarray


def measure_photo(options: Options, product: str, index: int, photo: Path) -> Iterator[Outcome]:
    """One outcome per backend for one photo; the cut-outs stay under work/products, for the other stages."""
    truth = options.world.alpha(product, index)
    for settings in options.settings("products"):
        name = backend_name("products", settings)
        path = options.out / "work" / "products" / name / product / f"{index}.png"
        cut_out_product(photo, product, index, path, path.with_suffix(".json"), settings)
        record = CutOut.read(path.with_suffix(".json"))
        accepted = record.status == "accepted"
        figures: dict[str, float | None] = {"accepted": float(accepted), "seconds": record.provenance.seconds}
        if accepted and truth.is_file():
            true = true_alpha(truth)
            found = placed(read_rgba(path)[..., 3], record.box, true.shape)
            figures |= {"iou": mask_iou(found > 127, true > 127), "alpha_mae": alpha_error(found, true)["mae"]}
            figures |= {"base band": base_band(found > 127, true > 127)}
        facts = {"reason": record.reason}
        yield Outcome("products", name, "isolated", f"{product}/{index}", figures, facts)


def true_alpha(path: Path) -> Array:
    """True alpha of a photo, uint8 (h, w)."""
    return np.ascontiguousarray(read_rgba(path)[..., 0])


def placed(alpha: Array, box: list[int], shape: tuple[int, ...]) -> Array:
    """A cut-out's alpha back in its place in the photo."""
    full = np.zeros(shape, np.uint8)
    full[box[1] : box[3], box[0] : box[2]] = alpha
    return full


def true_cutout(options: Options, product: str, index: int = 1) -> tuple[Path, CutOut]:
    """The photo with its true alpha as a cut-out, made once: file and record as the products stage writes them."""
    path = options.out / "work" / "products" / "true" / product / f"{index}.png"
    photo = dict(options.world.photos(product))[index]
    if not path.is_file():
        image, alpha = read_rgba(photo)[..., :3], true_alpha(options.world.alpha(product, index))
        rows, columns = np.flatnonzero((alpha > 8).any(1)), np.flatnonzero((alpha > 8).any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        write_png(path, np.dstack([decontaminate(np.ascontiguousarray(image[part]), alpha[part]), alpha[part]]))
        known = {"product_id": product, "image_index": index, "status": "accepted", "reason": "", "image": photo.name}
        box = [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
        known |= {"width": image.shape[1], "height": image.shape[0], "box": box, "main": index == 1, "measures": {}}
        CutOut.of(known | {"provenance": truth_provenance()}).write(path.with_suffix(".json"))
    return path, CutOut.read(path.with_suffix(".json"))


def own_cutout(options: Options, product: str, index: int = 1) -> tuple[Path, CutOut]:
    """The cut-out that the products stage made, and its record."""
    name = backend_name("products", options.settings("products")[0])
    path = options.out / "work" / "products" / name / product / f"{index}.png"
    return path, CutOut.read(path.with_suffix(".json"))

"""Checks whether a cut-out shows a product, for every backend, and the measures they use."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from pvtt.config.stages.products import ProductsSettings
from pvtt.imaging.colour import to_lab
from pvtt.imaging.morphology import components
from pvtt.stages.cutouts.background_model import BackgroundFit

_SMALL_PART = 0.01  # of the product's area; smaller parts are not counted
_GROUND_DISTANCE = 2.5  # CIE76 difference up to which a pixel looks like the ground; at least 2.5 times its noise
_MARK_DISTANCE = 9.0  # CIE76 difference from which a pixel is a mark on paper
_RIM_DISTANCE, _MARKED_DISTANCE = 10.0, 15.0  # CIE76 differences to the rim's colour: plain rim, marked middle
_RIM_DEPTH = 0.3  # of half the width: how wide the rim is
_MIN_PLAIN_RIM, _MIN_MARKED = 0.85, 0.02  # shares of the rim and of the middle that make a card
_MIN_CARD_FILL, _MIN_SHEET_FILL = 0.92, 0.9  # of the smallest rectangle around a cut-out: card in a scene, sheet
_MIN_SHEET_GROUND = 0.5  # share of a cut-out that looks like the ground, from which it is a sheet with marks
_MIN_SHEET_MARKS = 12  # separate marks on a sheet; two of its three signs make one
# Of strokes of outline drawings, relative to the root of the area that they enclose, and the share of it that they
# cover. Bracelets and hoops of real photos have 0.055 to 0.16, outlines of glass 0.026, tables 0.003.
_MAX_LINE_WIDTH, _MAX_LINE_SHARE = 0.035, 0.3


def alpha_measures(alpha: np.ndarray) -> dict[str, float]:
    """Measures of an alpha.

    Parameters
    ----------
    alpha : uint8 (h, w)
        128 and more is product.

    Returns
    -------
    dict of float
        `area`: share of the photo; `border_contact`: share of the photo's border; `main_part`: share of the largest
        component in the area; `parts`: number of components of at least 1 % of the area; `softness`: share of
        half-transparent pixels among the visible ones. Shares are in [0, 1].
    """
    mask = alpha >= 128
    rim = np.concatenate([mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]])
    areas = components(mask, 8).areas[1:]
    total = int(areas.sum())
    visible = int((alpha > 8).sum())
    soft = int(((alpha > 8) & (alpha < 247)).sum())
    return {
        "area": round(float(mask.mean()), 5),
        "border_contact": round(float(rim.mean()), 4),
        "main_part": round(float(areas.max() / total), 4) if total else 0.0,
        "parts": int((areas >= _SMALL_PART * total).sum()) if total else 0,
        "softness": round(soft / visible, 4) if visible else 0.0,
    }


def content_measures(
    image: np.ndarray, background: BackgroundFit | None, alpha: np.ndarray, settings: ProductsSettings
) -> dict[str, float]:
    """Measures of a cut-out and of what it shows.

    Parameters
    ----------
    image : uint8 (h, w, 3) RGB
        The photo, reduced.
    background : BackgroundFit or None
        The fitted ground of `image`; None where the photo has none.
    alpha : uint8
        Of the photo's own size; 128 and more is product.
    settings : ProductsSettings

    Returns
    -------
    dict of float
        `filled`: share of the silhouette, holes included, that is product; `line_width`: mean width of its strokes,
        relative to the root of the silhouette's area; `rectangle_fill`: share of the smallest rectangle around the
        largest part. On a plain ground: `ground_share`, the share that looks like the ground, and `marks`, the
        number of separate parts of the whole photo that do not. In a scene: `plain_rim`, the share of a rim that has
        one colour, and `marked_middle`, the share of the middle that has another.
    """
    size = (image.shape[1], image.shape[0])
    mask = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA) >= 128
    outlines = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    if not outlines:
        return {}
    silhouette = np.zeros(mask.shape, np.uint8)
    cv2.drawContours(silhouette, outlines, -1, 1, -1)
    edge_px = sum(
        len(line) for line in cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0]
    )
    area, enclosed = float(mask.sum()), float(silhouette.sum())
    largest = max(outlines, key=cv2.contourArea)
    _, (width, height), _ = cv2.minAreaRect(largest)
    measures = {
        "filled": area / enclosed,
        "line_width": 2 * area / edge_px / enclosed**0.5,
        "rectangle_fill": cv2.contourArea(largest) / max(1.0, width * height),
    }
    if background is not None:
        is_plain = background.is_plain(settings.min_ground_uniformity)
        measures |= _marks_on_ground(background, mask) if is_plain else _rim_and_middle(to_lab(image), mask)
    return {name: round(float(value), 4) for name, value in measures.items()}


def _marks_on_ground(background: BackgroundFit, mask: np.ndarray) -> dict[str, float]:
    like = background.distance[mask] <= max(_GROUND_DISTANCE, _GROUND_DISTANCE * background.noise)
    marks = components(background.distance > _MARK_DISTANCE, 8)
    return {"ground_share": float(like.mean()), "marks": float((marks.areas[1:] >= 4).sum())}


def _rim_and_middle(lab: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    depth = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    inner = _RIM_DEPTH * float(depth.max())
    rim, middle = (depth > 3) & (depth < inner), depth > inner
    if not rim.any() or not middle.any():
        return {}
    distance = np.linalg.norm(lab - np.median(lab[rim], axis=0), axis=2)
    return {
        "plain_rim": float((distance[rim] < _RIM_DISTANCE).mean()),
        "marked_middle": float((distance[middle] > _MARKED_DISTANCE).mean()),
    }


def reason_against(measures: Mapping[str, float], settings: ProductsSettings) -> str:
    """Why a cut-out with these measures is rejected, with the number and its limit; empty if it is accepted."""
    covers = f"the cut-out covers {measures['area']:.2%} of the photo"
    if measures["area"] < settings.min_area:
        return f"no product found: {covers} (min_area {settings.min_area:.2%})"
    if measures["area"] > settings.max_area:
        return f"no background found: {covers} (max_area {settings.max_area:.0%})"
    if measures["border_contact"] > settings.max_border_contact:
        return (
            f"the product is cut off: the cut-out touches {measures['border_contact']:.0%} of the photo's border "
            f"(max_border_contact {settings.max_border_contact:.0%})"
        )
    if measures["parts"] > settings.max_parts:
        return f"fragments: the cut-out has {measures['parts']} separate parts (max_parts {settings.max_parts})"
    if measures["main_part"] < settings.min_main_part:
        return (
            f"fragments: the largest part is {measures['main_part']:.0%} of the cut-out "
            f"(min_main_part {settings.min_main_part:.0%})"
        )
    return _no_product(measures)


def _no_product(measures: Mapping[str, float]) -> str:
    """Why a cut-out shows something else than a product; empty where it may be one."""
    filled, line, rectangle = (measures.get(name, 1.0) for name in ("filled", "line_width", "rectangle_fill"))
    if line < _MAX_LINE_WIDTH and filled < _MAX_LINE_SHARE:
        return (
            f"only outlines were found, of something clear or as pale as the ground: they cover {filled:.0%} of what "
            f"they enclose (at least {_MAX_LINE_SHARE:.0%})"
        )
    ground, marks = measures.get("ground_share", 0.0), measures.get("marks", 0.0)
    signs = ground > _MIN_SHEET_GROUND, rectangle > _MIN_SHEET_FILL, marks >= _MIN_SHEET_MARKS
    if sum(signs) >= 2:
        return (
            f"a sheet with marks, such as a chart: {ground:.0%} of the cut-out looks like the ground, it fills "
            f"{rectangle:.0%} of a rectangle, and the photo has {marks:.0f} separate marks"
        )
    if (
        rectangle > _MIN_CARD_FILL
        and measures.get("plain_rim", 0.0) > _MIN_PLAIN_RIM
        and measures.get("marked_middle", 0.0) > _MIN_MARKED
    ):
        return (
            f"the product lies on a card or in a box: the outline fills {rectangle:.0%} of a rectangle with a plain rim"
        )
    return ""

"""Probe the files of one product: whether they can be read, their size, a fingerprint of what they show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pvtt.backends.registry import backend_class
from pvtt.config.stages.catalogue import CatalogueSettings
from pvtt.imaging import letterbox
from pvtt.io import images
from pvtt.io import video as media
from pvtt.io.files import file_digest
from pvtt.records.media import Probe
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.catalogue.base import Fingerprinter
from pvtt.stages.catalogue.rows import Row


def probe_product(row: Row | Mapping[str, Any], settings: Mapping[str, Any]) -> Probe:
    """Decode the video and photos of a row.

    Parameters
    ----------
    row : Row or mapping
        A row, or plain values: `product_id`, `video` (a path or nothing) and `images` (paths).
    settings : mapping
        The settings `checks`.

    Returns
    -------
    Probe
        Video and photos have a status each, with the reason when they cannot be used.
    """
    product_id, video, images = _product_files(row)
    watch, chosen = Stopwatch(), CatalogueSettings.of(settings)
    backend: Fingerprinter = backend_class("catalogue", chosen.backend)(settings)
    record: dict[str, Any] = {"product_id": product_id, "video": None, "images": []}
    inputs = {f"image_{index}": image for index, image in enumerate(images, start=1)}
    backend.load()
    try:
        if video:
            record["video"] = _probe_video(video, backend, chosen)
            inputs["video"] = video
        for index, image in enumerate(images, start=1):
            record["images"].append({"index": index} | _probe_image(image, backend, chosen))
    finally:
        backend.close()
    return Probe.of(record | {"provenance": provenance(backend, settings, inputs, watch)})


def _product_files(row: Row | Mapping[str, Any]) -> tuple[str, Path | None, list[Path]]:
    """Product id, video and photos of a row."""
    if isinstance(row, Row):
        return row.product_id, row.video, list(row.images)
    video = row["video"]
    return row["product_id"], Path(video) if video else None, [Path(image) for image in row["images"]]


def _probe_video(path: Path, backend: Fingerprinter, settings: CatalogueSettings) -> dict[str, Any]:
    try:
        info = media.probe(path)
        count = min(settings.fingerprint_frames, info.n_frames)
        wanted = [(2 * k + 1) * info.n_frames // (2 * count) for k in range(count)]
        frames = [frame for _, frame in media.read_some(path, wanted)]
        if not frames:
            raise media.MediaError(f"{path.name}: no frame can be decoded")
        x, y, w, h = rect = letterbox.detect_letterbox(frames)
        prints = [backend.fingerprint(frame[y : y + h, x : x + w]) for frame in frames]
        short = min(w, h)
        least = settings.min_video_side_px
        reason = f"{path.name}: {w}x{h} pixels inside its bars, under {least}" if short < least else ""
        found = info.record() | {"content_rect": list(rect), "digest": file_digest(path), "fingerprint": prints}
    except media.MediaError as error:
        reason, found = str(error), {"digest": file_digest(path) if path.is_file() else None, "fingerprint": []}
    return {"path": path.name, "status": "rejected" if reason else "accepted", "reason": reason} | found


def _probe_image(path: Path, backend: Fingerprinter, settings: CatalogueSettings) -> dict[str, Any]:
    try:
        image = images.read_rgb(path)
        height, width = image.shape[:2]
        least = settings.min_image_side_px
        reason = f"{path.name}: {width}x{height} pixels, under {least}" if min(width, height) < least else ""
        found = {"width": width, "height": height, "digest": file_digest(path)}
        found["fingerprint"] = [backend.fingerprint(image)]
    except media.MediaError as error:
        reason = str(error)
        found = {"width": 0, "height": 0, "digest": file_digest(path) if path.is_file() else None, "fingerprint": []}
    return {"path": path.name, "status": "rejected" if reason else "accepted", "reason": reason} | found

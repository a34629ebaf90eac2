"""The catalogue table: every row with its status, reason and roles; duplicates are found by content."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pvtt.backends.registry import backend_class
from pvtt.config.stages.catalogue import CatalogueSettings
from pvtt.records.media import Probe, ProbedPhoto, ProbedVideo
from pvtt.records.tables import CatalogueRow, columns
from pvtt.stages.catalogue.base import Fingerprinter
from pvtt.stages.catalogue.rows import Row

if TYPE_CHECKING:
    import pandas as pd

CATALOGUE_COLUMNS = columns(CatalogueRow)
# Re-encoding may drop or add a frame or two; another cut of the same material is another video.
_MAX_LENGTH_DIFFERENCE = 0.03  # of the longer video's duration


@dataclass
class _KnownContent:
    """Content seen so far: videos of sources, and photos with their product."""

    videos: list[tuple[str, ProbedVideo]] = field(default_factory=list)
    images: list[tuple[str, ProbedPhoto]] = field(default_factory=list)


def build_catalogue(rows: Sequence[Row], probes: Iterable[Probe], settings: Mapping[str, Any]) -> pd.DataFrame:
    """Table of `catalogue.tsv` with `CATALOGUE_COLUMNS`: one line for every row, accepted or rejected with a reason.

    `probes` are in any order. Roles: `source` for a readable video that is no duplicate of
    an earlier one (and, unless the row is marked empty, `target` for at least one readable photo). A row without a role
    is rejected. The reason of an accepted row says what of it cannot be used. `same_as` names the earlier products that
    share a photo or the video with it.
    """
    import pandas as pd

    backend = backend_class("catalogue", CatalogueSettings.of(settings).backend)(settings)
    by_id = {probe.product_id: probe for probe in probes}
    known = _KnownContent()
    lines = [_table_row(row, by_id.get(row.product_id), known, backend) for row in rows]
    table = pd.DataFrame(lines, columns=list(CATALOGUE_COLUMNS))
    for column in ("n_images", "width", "height", "n_frames"):
        table[column] = table[column].astype("Int64")
    return table


def _table_row(row: Row, probe: Probe | None, known: _KnownContent, backend: Fingerprinter) -> dict[str, Any]:
    row_values: dict[str, Any] = {
        "product_id": row.product_id,
        "category": row.category,
        "subcategory": row.subcategory,
        "title": row.title,
        "platform": row.platform,
        "video": str(row.video or ""),
        "images": ";".join(map(str, row.images)),
        "empty": row.empty,
        "n_images": 0,
        "fps": "",
        "video_digest": "",
        "duplicate_of": "",
        "same_as": "",
    }
    if row.status == "rejected" or probe is None:
        reason = row.reason or "it was not probed: its record is missing; run the catalogue stage again"
        return row_values | {"status": "rejected", "reason": reason, "roles": ""}
    roles, notes = [], []
    if probe.video:
        problem, fields = _video(row, probe.video, known, backend)
        row_values |= fields
        notes += [problem] if problem else []
        roles += [] if problem else ["source"]
    good = [image for image in probe.images if image.status == "accepted"]
    notes += [image.reason for image in probe.images if image.status != "accepted"]
    duplicates = _duplicate_photos(row.product_id, good, known, backend)
    notes += [f"photo {index} is also photo {there} of {other}" for index, other, there in duplicates]
    others = {other for _, other, _ in duplicates} | {row_values["duplicate_of"]}
    row_values["same_as"] = ";".join(sorted(others - {""}))
    row_values["n_images"] = len(good)
    if good and not row.empty:
        roles.append("target")
    elif row.empty and not probe.video:
        notes.insert(0, "marked empty, but it has no video")
    return row_values | {
        "status": "accepted" if roles else "rejected",
        "reason": "; ".join(notes) or ("" if roles else "nothing in it can be used"),
        "roles": ";".join(roles),
    }


def _video(row: Row, video: ProbedVideo, known: _KnownContent, backend: Fingerprinter) -> tuple[str, dict[str, Any]]:
    """Why the video is no source (empty if it is one), and its columns."""
    fields: dict[str, Any] = {"video_digest": video.digest or "", "duplicate_of": ""}
    if video.fps is not None:
        fields |= {key: getattr(video, key) for key in ("width", "height", "fps", "n_frames")}
    if video.status != "accepted":
        return video.reason, fields
    for other, earlier in known.videos:
        if _same_video(earlier, video, backend):
            fields["duplicate_of"] = other
            return f"duplicate of the video of {other}", fields
    known.videos.append((row.product_id, video))
    return "", fields


def _same_video(first: ProbedVideo, second: ProbedVideo, backend: Fingerprinter) -> bool:
    if first.digest == second.digest:
        return True
    lengths = [(video.n_frames or 0) / Fraction(video.fps or 1) for video in (first, second)]
    alike = abs(lengths[0] - lengths[1]) <= _MAX_LENGTH_DIFFERENCE * max(lengths)
    return bool(alike and backend.is_duplicate(first.fingerprint, second.fingerprint))


def _duplicate_photos(
    product_id: str, images: Sequence[ProbedPhoto], known: _KnownContent, backend: Fingerprinter
) -> list[tuple[int, str, int]]:
    """(photo, earlier product, its photo) of each repeated photo; the photos are added to the known ones."""
    found = []
    for image in images:
        for other, earlier in known.images:
            is_duplicate = image.digest == earlier.digest or backend.is_duplicate(
                image.fingerprint, earlier.fingerprint
            )
            if is_duplicate and other != product_id:
                found.append((image.index, other, earlier.index))
                break
    known.images += [(product_id, image) for image in images]
    return found

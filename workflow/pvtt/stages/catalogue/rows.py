"""Reading a catalogue: a CSV or TSV with one product per row, or a folder with one product per subfolder.

Only names of files are read here, never what is in them.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pvtt.records import ids

_LOG = logging.getLogger(__name__)

_COLUMNS = ("id", "category", "subcategory", "title", "platform", "video", "images", "empty")
_VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm", ".mkv", ".avi", ".gif")
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif")
_TRUE, _FALSE = ("true", "1", "yes", "y"), ("false", "0", "no", "n", "")


class CatalogueError(ValueError):
    """A catalogue that cannot be read at all; the message says where it was looked for and what to do."""


@dataclass(frozen=True)
class Row:
    """One product of a catalogue. `line` is its last line in the file (from 1), or its place in the folder.

    A row with status rejected and an id that cannot be used goes under the stand-in `row-<line>`.
    """

    product_id: str
    category: str = "unknown"
    subcategory: str = ""
    title: str = ""
    platform: str = ""
    video: Path | None = None
    images: tuple[Path, ...] = ()
    empty: bool = False
    line: int = 0
    status: str = "accepted"
    reason: str = ""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files of the row that exist, video first: what a job that probes it depends on."""
        named = (*([self.video] if self.video else []), *self.images)
        return tuple(path for path in named if path.is_file())


def read_catalogue(path: str | Path) -> list[Row]:
    """Rows of a catalogue file or folder, in its order, each accepted or rejected with a reason.

    Paths inside are relative to the catalogue's folder. CatalogueError when there is no such catalogue, it is not text,
    or it has no `id` column or no rows.
    """
    path = Path(path)
    if path.is_dir():
        rows = list(_folder_rows(path))
        if not rows:
            raise CatalogueError(
                f"catalogue {path}: no product folders in it; expected <ID>/video.mp4, <ID>/image_1.jpg"
            )
    else:
        rows = [_row(cells, path.parent, line) for line, cells in _table_rows(path)]
        if not rows:
            raise CatalogueError(f"catalogue {path}: it has a header and no rows; add one row per product")
    return list(_unique(rows))


# ---------------------------------------------------------------- tables


def _table_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    text = _read_text(path)
    delimiter = _delimiter(path, text)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="", strict=False)
    names = [str(name).strip().lower() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown:
        _LOG.warning("catalogue %s: unknown columns are ignored: %s", path, ", ".join(map(repr, unknown)))
    try:
        for cells in reader:
            if any(str(value or "").strip() for value in cells.values()):
                yield reader.line_num, cells
    except csv.Error as error:
        raise CatalogueError(f"catalogue {path}, line {reader.line_num}: {error}; check its quotes") from error


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise CatalogueError(
            f"catalogue {path}: there is no such file; give `--config catalogue=PATH/products.csv`, or a folder"
        ) from None
    except UnicodeDecodeError as error:
        raise CatalogueError(f"catalogue {path}: not UTF-8 text (byte {error.start}); save it as CSV UTF-8") from error
    except OSError as error:
        raise CatalogueError(f"catalogue {path}: cannot be read ({error.strerror})") from error


def _delimiter(path: Path, text: str) -> str:
    """The delimiter with which the header has an `id` column; the suffix decides which is tried first."""
    header = text.split("\n", 1)[0]
    order = "\t,;" if path.suffix.lower() in (".tsv", ".tab") else ",\t;"
    for delimiter in order:
        names = [name.strip().lower() for name in next(csv.reader([header.rstrip("\r")], delimiter=delimiter), [])]
        if "id" in names:
            return delimiter
    raise CatalogueError(
        f"catalogue {path}: no column 'id' in its first line {header.strip()[:80]!r}; "
        f"expected the columns {', '.join(_COLUMNS[:-1])}, separated by commas or tabs"
    )


def _row(cells: Mapping[str, Any], folder: Path, line: int) -> Row:
    """A row from its cells, checked."""
    extra = [cell for cell in cells.get("", None) or [] if str(cell).strip()] if isinstance(cells.get(""), list) else []
    text = {name: str(cells.get(name) or "").strip() for name in _COLUMNS}
    images = [part.strip() for part in text["images"].split(";") if part.strip()]
    values: dict[str, Any] = {name: text[name] for name in ("id", "title", "platform", "video")}
    values |= {"category": text["category"].lower() or "unknown", "subcategory": text["subcategory"].lower()}
    values |= {"images": images, "empty": _truth(text["empty"])}
    problem = "more cells than the header has columns; put a title with a comma in quotes" if extra else ""
    return _checked(values, folder, line, problem)


def _truth(text: str) -> bool | str:
    """True or False; the text itself when it is neither, which is then a problem of the row."""
    return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text


# ---------------------------------------------------------------- folders


def _folder_rows(folder: Path) -> Iterator[Row]:
    products = sorted((p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=_natural)
    for place, product in enumerate(products, start=1):
        files = sorted((p for p in product.iterdir() if p.is_file() and not p.name.startswith(".")), key=_natural)
        videos = [p for p in files if p.stem.lower() == "video" and p.suffix.lower() in _VIDEO_SUFFIXES]
        images = [p for p in files if p.stem.lower().startswith("image") and p.suffix.lower() in _IMAGE_SUFFIXES]
        about, problem = _metadata(product / "metadata.json")
        values = about | {
            "id": product.name,
            "video": f"{product.name}/{videos[0].name}" if videos else "",
            "images": [f"{product.name}/{image.name}" for image in images],
        }
        yield _checked(values, folder, place, problem)


def _metadata(path: Path) -> tuple[dict[str, Any], str]:
    """Fields of a metadata.json, and what is wrong with it, or nothing. A missing file is an empty one."""
    values: Any = {}
    if path.is_file():
        try:
            values = json.loads(path.read_text(encoding="utf-8-sig"))
        except (ValueError, OSError) as error:
            return _about({}), f"metadata.json: not valid JSON ({error})"
    if not isinstance(values, dict):
        return _about({}), "metadata.json: not an object with title and category"
    return _about(values), ""


def _about(values: Mapping[str, Any]) -> dict[str, Any]:
    """Title, category and so on; a taxonomy path ("Jewelry > Rings", or a list) stands in for missing categories."""
    path: Any = next((values[key] for key in ("taxonomy", "taxonomy_path", "category_path") if values.get(key)), [])
    parts = re.split(r"\s*[>/]\s*", path.strip()) if isinstance(path, str) else path
    names = [str(part).strip() for part in parts] if isinstance(parts, list) else []
    category = str(values.get("category") or (names[0] if names else "unknown")).strip().lower()
    subcategory = str(values.get("subcategory") or (names[-1] if len(names) > 1 else "")).strip().lower()
    return {
        "category": category or "unknown",
        "subcategory": subcategory,
        "title": str(values.get("title") or "").strip(),
        "platform": str(values.get("platform") or "").strip(),
        "empty": _truth(str(values.get("empty") or "")),
    }


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Sorting key that puts image_2 before image_10."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", path.name.lower())]


# ---------------------------------------------------------------- checks


def _checked(values: Mapping[str, Any], folder: Path, line: int, problem: str) -> Row:
    """A row from its values; rejected with all that is wrong, naming line and field."""
    problems = [*([problem] if problem else []), *_problems(values)]
    reason = f"line {line} (id {values['id']!r}): {'; '.join(problems)}" if problems else ""
    return Row(
        product_id=str(values["id"]),
        category=str(values["category"]),
        subcategory=str(values["subcategory"]),
        title=str(values["title"]),
        platform=str(values["platform"]),
        video=_located(folder, str(values["video"])) if values["video"] else None,
        images=tuple(_located(folder, str(image)) for image in values["images"]),
        empty=values["empty"] is True,
        line=line,
        status="rejected" if reason else "accepted",
        reason=reason,
    )


def _problems(values: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a row, each with its field."""
    if not values["video"] and not values["images"]:
        yield "row: neither a video nor an image is given"
    if not isinstance(values["empty"], bool):
        yield "empty: not true or false"
    if not ids.is_product_id(values["id"]):
        yield f"id: {ids.PRODUCT_RULE}"


def _located(folder: Path, name: str) -> Path:
    """A file named in a catalogue; backslashes count as slashes where no file has them in its name."""
    path = folder / name
    return folder / name.replace("\\", "/") if "\\" in name and not path.exists() else path


def _unique(rows: Iterable[Row]) -> Iterator[Row]:
    """Reject ids that were used before, and give every row without a usable id of its own a stand-in."""
    rows = list(rows)
    good = {row.product_id for row in rows}
    lines: dict[str, int] = {}
    for row in rows:
        fits = ids.is_product_id(row.product_id)
        if fits and row.product_id not in lines:
            lines[row.product_id] = row.line
            yield row
            continue
        used = f"line {row.line} (id {row.product_id!r}): id: already used in line {lines.get(row.product_id)}"
        stand_in = f"row-{row.line}"
        while stand_in in good:
            stand_in += "-x"
        yield replace(row, product_id=stand_in, status="rejected", reason=row.reason if not fits else used)

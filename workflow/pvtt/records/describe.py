"""JSON schemas of the records and `docs/formats.md`, written from the types: `python -m pvtt.records.describe`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pvtt.config.settings import SCHEMAS
from pvtt.io.files import atomic_path
from pvtt.io.project_files import project_file
from pvtt.records import dataset, media, results, review, tables
from pvtt.records.base import Fields, Provenance, Record, WithReason
from pvtt.records.calibration import Calibration
from pvtt.records.canaries import Canaries, CanaryVerdicts
from pvtt.records.layout import Layout
from pvtt.records.results_format import ResultsFormat

FORMATS = project_file("docs/formats.md")
_FILES = Layout("")
_CLIP = _FILES.clip("<clip_id>")
_PAIR = _FILES.pair("<clip_id>", "<target_id>", "<k>")
_CUTOUT = _FILES.cutout("<product_id>", "<k>")
_HEAD = """# Records

Every JSON file of a results folder, field by field; a file `*.jsonl` has one record a line. This page and the JSON
schemas in `workflow/schemas/` are written from the records' types by `python -m pvtt.records.describe`; a test keeps
them so. Ids: a clip is `<product_id>_s<NN>`, a pair `<clip_id>__<target_id>_i<k>`. A field marked *optional* is absent
where it says nothing.
"""
_COLUMNS = "| field | type | what it is |\n|---|---|---|"


@dataclass(frozen=True)
class Described:
    """A record: the name of its schema, the place of its file in the results folder, its type."""

    schema: str
    file: Path
    type: type[Record]


RECORDS = (
    Described("format", _FILES.format, ResultsFormat),
    Described("probe", _FILES.probe("<product_id>"), media.Probe),
    Described("shots", _FILES.shots("<product_id>"), media.Shots),
    Described("clip", _CLIP.record, media.Clip),
    Described("product_image", _CUTOUT.record, media.CutOut),
    Described("track", _CLIP.track, results.Track),
    Described("mask_measures", _CLIP.mask_measures, results.MeasuredMasks),
    Described("mask_verdict", _CLIP.mask_verdict, results.MaskVerdict),
    Described("calibration", Path("resources/calibration/<name>.json"), Calibration),
    Described("background", _CLIP.background_record, results.Background),
    Described("insert", _PAIR.record, results.Insertion),
    Described("score", _PAIR.score, results.Score),
    Described("judge", _PAIR.judge, results.JudgeAnswers),
    Described("canaries", _FILES.canaries, Canaries),
    Described("canary_verdicts", _FILES.canary_verdicts, CanaryVerdicts),
    Described("pack", _FILES.pack("<pack>"), results.Pack),
    Described("pairs_json", _FILES.dataset.annotation("pairs"), dataset.PublishedPairs),
    Described("quality_scores", _FILES.dataset.annotation("quality_scores"), dataset.QualityScores),
    Described("statistics", _FILES.dataset.annotation("statistics"), dataset.Statistics),
    Described("review_answer", _FILES.review_answers, review.ReviewAnswer),
    Described("comparison_answer", _FILES.review_comparisons, review.ComparisonAnswer),
)


TABLES: tuple[tuple[Path, type[Fields]], ...] = (
    (_FILES.catalogue, tables.CatalogueRow),
    (_FILES.clips, tables.ClipRow),
    (_FILES.mask_verdicts, results.MaskVerdict),
    (_FILES.pairs, tables.PlannedPair),
    (_FILES.filtered, tables.JudgedPair),
)


def schema_of(record: Described) -> dict[str, Any]:
    """The JSON schema of a record."""
    found: dict[str, Any] = _tidy(record.type.model_json_schema())
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": record.file.as_posix()}
    if issubclass(record.type, WithReason):
        bad = {"properties": {"status": {"enum": ["rejected", "failed", "invalid"]}}}
        found |= {"if": bad, "then": {"properties": {"reason": {"minLength": 1}}}}
    return head | found


def schema_text(record: Described) -> str:
    """The schema's file."""
    text = yaml.safe_dump(schema_of(record), sort_keys=False, allow_unicode=True, width=120)
    return f"# Written by `python -m pvtt.records.describe`.\n{text}"


def formats() -> str:
    """The page of all records, in Markdown."""
    lines = [_HEAD, *(line for record in RECORDS for line in _section(record))]
    origin = _tidy(Provenance.model_json_schema())
    for file, kind in TABLES:
        row = _tidy(kind.model_json_schema())
        lines += [f"## `{file.as_posix()}`\n\nA table. A row: {row['description']}\n"]
        lines += [_COLUMNS.replace("field", "column"), *_rows(row, row.get("$defs", {}), ""), ""]
    lines += [f"## Provenance\n\n{origin['description']}\n", _COLUMNS, *_rows(origin, origin["$defs"], "")]
    return "\n".join(lines) + "\n"


def write() -> list[Path]:
    """Write the schemas and the page; the files' paths."""
    texts = {SCHEMAS / f"{record.schema}.schema.yaml": schema_text(record) for record in RECORDS}
    texts[FORMATS] = formats()
    for path, text in texts.items():
        with atomic_path(path) as aside:
            aside.write_text(text, encoding="utf-8")
    return list(texts)


def _tidy(value: Any) -> Any:
    """A schema without generated titles and defaults, which say nothing more."""
    if isinstance(value, Mapping):
        kept = {key: _tidy(part) for key, part in value.items() if not (key == "title" and isinstance(part, str))}
        return {key: part for key, part in kept.items() if key != "default" or isinstance(part, Mapping)}
    return [_tidy(part) for part in value] if isinstance(value, list) else value


def _section(record: Described) -> Iterator[str]:
    schema = schema_of(record)
    yield f"## `{record.file.as_posix()}`\n\n{schema['description']}\n"
    yield _COLUMNS
    yield from _rows(schema, schema.get("$defs", {}), "")
    yield ""


def _rows(part: Mapping[str, Any], parts: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, entry in part["properties"].items():
        inner, shown = _inner(entry, parts)
        optional = "" if name in part.get("required", ()) else " *(optional)*"
        said = entry.get("description") or (inner or {}).get("description", "")
        if name == "provenance":
            said = "See [provenance](#provenance)."
        said = " ".join(said.split()).replace("|", "\\|")
        path = f"{prefix}{name}{shown}"
        yield f"| `{path}`{optional} | {_type(entry, parts)} | {said} |"
        if inner and name != "provenance":
            yield from _rows(inner, parts, f"{path}.")


def _inner(entry: Mapping[str, Any], parts: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """The object inside a field, if any, and how its path goes on: `[]` for a list's items, `.*` for a mapping's."""
    if "$ref" in entry:
        found = parts[entry["$ref"].rsplit("/", 1)[1]]
        return (found, "") if "properties" in found else _inner(found, parts)
    for option in entry.get("anyOf", ()):
        inner, shown = _inner(option, parts)
        if inner:
            return inner, shown
    if isinstance(entry.get("items"), Mapping):
        inner, shown = _inner(entry["items"], parts)
        return inner, f"[]{shown}" if inner else ""
    if isinstance(entry.get("additionalProperties"), Mapping):
        inner, shown = _inner(entry["additionalProperties"], parts)
        return inner, f".*{shown}" if inner else ""
    return None, ""


def _type(entry: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    """A field's type in words."""
    if "$ref" in entry:
        found = parts[entry["$ref"].rsplit("/", 1)[1]]
        return "object" if "properties" in found else _type(found, parts)
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_type(option, parts) for option in entry["anyOf"]))
    if "enum" in entry:
        return ", ".join(f"`{value}`" if value else '`""`' for value in entry["enum"])
    if "const" in entry:
        return f"`{str(entry['const']).lower()}`"
    if entry.get("type") == "array":
        return f"list of {_type(entry.get('items', {}), parts)}"
    return str(entry.get("type", "any")) + _limits(entry)


def _limits(entry: Mapping[str, Any]) -> str:
    low, high = entry.get("minimum"), entry.get("maximum")
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    return f", at least {low:g}" if low is not None else ""


if __name__ == "__main__":
    sys.stdout.write("\n".join(map(str, write())) + "\n")

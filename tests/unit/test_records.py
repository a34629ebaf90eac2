"""Typed records: read and written whole, refused with the file's name, and described by generated pages."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from fabricated import tiny_run

from pvtt.config.settings import SCHEMAS, load_schema
from pvtt.io.files import read_json, write_json
from pvtt.io.tables import write_table
from pvtt.records import describe
from pvtt.records.base import Record, RecordError
from pvtt.records.tables import ClipRow, PlannedPair, columns, read_rows
from synthetic.records import score_record

ROOT = Path(__file__).parents[2]
FILES = {
    "clip": "clips/MUGS001_s01/clip.json",
    "track": "clips/MUGS001_s01/track.json",
    "mask_measures": "clips/MUGS001_s01/mask_measures.json",
    "mask_verdict": "clips/MUGS001_s01/mask_verdict.json",
    "background": "clips/MUGS001_s01/background.json",
    "product_image": "products/RING001/1.json",
    "insert": "pairs/MUGS001_s01/RING001_i1/insert.json",
    "score": "pairs/MUGS001_s01/RING001_i1/score.json",
}
TYPES = {one.schema: one.type for one in describe.RECORDS}


@pytest.mark.parametrize("schema", FILES)
def test_a_record_is_written_as_it_was_read(schema: str, tmp_path: Path) -> None:
    path = tiny_run().results / FILES[schema]
    TYPES[schema].read(path).write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("schema", FILES)
def test_missing_misspelt_and_wrong_fields_are_refused_with_file_and_field(schema: str, tmp_path: Path) -> None:
    record, kind, path = read_json(tiny_run().results / FILES[schema]), TYPES[schema], tmp_path / "record.json"
    for key in load_schema(schema)["required"]:
        write_json(path, {name: value for name, value in record.items() if name != key})
        with pytest.raises(RecordError, match=rf"record.json: {key}: Field required"):
            kind.read(path)
    write_json(path, record | {"reasn": ""})
    with pytest.raises(RecordError, match=r"record.json: reasn: Extra inputs are not permitted"):
        kind.read(path)
    for key in {"n_frames", "image_index"} & set(record):
        with pytest.raises(RecordError, match=f"{key}: Input should be a valid integer"):
            kind.of(record | {key: "12"})
    if "status" in record:
        bad = "rejected" if schema in ("product_image", "mask_verdict") else "failed"
        with pytest.raises(RecordError, match="needs a reason"):
            kind.of(record | {"status": bad, "reason": ""})


@pytest.mark.parametrize("schema", FILES)
def test_the_generated_schemas_say_the_same_as_the_types(schema: str) -> None:
    validator, record = (
        jsonschema.Draft202012Validator(load_schema(schema)),
        read_json(tiny_run().results / FILES[schema]),
    )
    assert validator.is_valid(record)
    assert not validator.is_valid(record | {"reasn": ""})
    for key in load_schema(schema)["required"]:
        assert not validator.is_valid({name: value for name, value in record.items() if name != key})
    if "status" in record:
        bad = "rejected" if schema in ("product_image", "mask_verdict") else "failed"
        assert not validator.is_valid(record | {"status": bad, "reason": ""})
        assert validator.is_valid(record | {"status": bad, "reason": "it moved"})


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text("{")
    with pytest.raises(ValueError, match=r"clip.json: not valid JSON"):
        TYPES["clip"].read(tmp_path / "clip.json")
    (tmp_path / "empty.json").touch()
    assert TYPES["clip"].read_if_there(tmp_path / "empty.json") is None
    assert TYPES["clip"].read_if_there(tmp_path / "none.json") is None


def test_optional_fields_stay_absent_and_numbers_keep_their_kind() -> None:
    record = read_json(tiny_run().results / FILES["background"]) | {
        "measures": {"parts": 2, "share": 2.0, "moves": True}
    }
    again = TYPES["background"].of(record).plain()
    assert "keep" not in again
    assert json.dumps(again["measures"]) == '{"parts": 2, "share": 2.0, "moves": true}'
    assert TYPES["background"].of(record | {"keep": False}).plain()["keep"] is False


def test_what_a_judge_said_and_that_a_result_is_not_kept_are_optional(tmp_path: Path) -> None:
    dimension = {"score": 3.0, "orders": {"ab": 3.0}, "difference": 0.0, "mass": 0.9}
    judge = {"name": "j", "version": "1", "rubric": "1", "model": "m", "status": "partial", "reason": "motion: no"}
    judge |= {"dimensions": {"motion": dimension}, "asked": 1, "found": 0, "requests": {"motion ab": "d"}}
    plain = score_record(judge=judge | {"seconds": 0.5}, keep=False).plain()
    assert list(plain)[-3:] == ["judge", "keep", "provenance"]
    assert "grades" not in plain["judge"] and "reason" not in plain["judge"]["dimensions"]["motion"]
    assert "judge" not in score_record().plain() and "measured_by" not in score_record().plain()["provenance"]
    with pytest.raises(RecordError, match=r"judge\.dimensions\.motion\.score: Input should be less than or equal to 5"):
        score_record(judge=judge | {"seconds": 0.5, "dimensions": {"motion": dimension | {"score": 6.0}}})


@pytest.mark.parametrize(("file", "kind"), [("pairs.parquet", PlannedPair), ("clips.tsv", ClipRow)])
def test_a_table_without_a_column_is_named(file: str, kind: type, tmp_path: Path) -> None:
    table = pd.DataFrame({name: ["1"] for name in columns(kind) if name not in ("seed", "end_frame", "pack")})
    path = tmp_path / file
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        write_table(path, table)
    with pytest.raises(RecordError, match=rf"{file}: the column (seed|end_frame) is missing"):
        read_rows(kind, path)


def test_schemas_and_the_page_of_formats_are_as_the_types_say() -> None:
    said = "run `python -m pvtt.records.describe`"
    for record in describe.RECORDS:
        written = (SCHEMAS / f"{record.schema}.schema.yaml").read_text(encoding="utf-8")
        assert written == describe.schema_text(record), said
    assert describe.FORMATS.read_text(encoding="utf-8") == describe.formats(), said


def test_every_record_is_described_once() -> None:
    def kinds(kind: type) -> set[type]:
        return {kind}.union(*map(kinds, kind.__subclasses__()))

    leaves = {kind for kind in kinds(Record) if not kind.__subclasses__()}
    assert leaves == set(TYPES.values())
    assert len(TYPES) == len(describe.RECORDS)


def test_a_job_that_finds_its_result_loads_no_types() -> None:
    code = "import sys, pvtt.execution.job, pvtt.records.layout; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "False\n"

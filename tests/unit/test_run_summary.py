"""A run read back: counts, reasons and distributions against numbers known by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import tiny_run

from pvtt.records.mask_verdicts import read_mask_verdicts, write_mask_verdicts
from pvtt.records.run_summary import Stage, distribution, funnel, main_photo, read_run, reason_list, score_values


@pytest.fixture(scope="module")
def run():
    made = tiny_run()
    return read_run(made.results, made.catalogue, made.clips, made.pairs, made.filtered)


def test_the_funnel_counts_what_passed_of_what_came_in(run) -> None:
    counts = {stage.name: (stage.count, stage.of) for stage in funnel(run)}
    kept = sum(pair["kept"] for pair in run.pairs)
    assert counts == {
        "rows of the catalogue": (3, 3),
        "videos": (2, 2),
        "shots": (2, 3),
        "masks": (2, 2),
        "backgrounds": (2, 2),
        "photos": (3, 3),
        "pairs planned": (4, 4),
        "pairs inserted": (4, 4),
        "pairs scored": (4, 4),
        "pairs kept": (kept, 4),
    }
    assert 0 < kept < 4


def test_each_rejected_item_has_its_reason(run) -> None:
    shots = next(stage for stage in funnel(run) if stage.name == "shots")
    assert shots.rejected == {"WATC001_s02": ["too short: 20 frames, 50 are the least"]}


def test_each_failed_check_of_a_mask_is_a_reason_of_its_own(tmp_path: Path) -> None:
    made = tiny_run()
    shutil.copytree(made.results, tmp_path, dirs_exist_ok=True)
    verdicts = read_mask_verdicts(tmp_path)
    rejected = {"status": "rejected", "reason": "area jumps 0.4 (at most 0.2); touches the border"}
    verdicts["MUGS001_s01"] = verdicts["MUGS001_s01"].model_copy(update=rejected)
    write_mask_verdicts(tmp_path, list(verdicts.values()))
    masks = funnel(read_run(tmp_path, made.catalogue, made.clips, made.pairs, made.filtered))[3]
    assert masks.rejected == {"MUGS001_s01": ["area jumps 0.4 (at most 0.2)", "touches the border"]}
    assert list(masks.reasons()) == ["area jumps # (at most #)", "touches the border"]


def test_a_pair_that_was_skipped_is_not_planned() -> None:
    made = tiny_run()
    pairs = made.pairs.assign(status=["skipped", *["planned"] * 3], reason=["max_pairs is 3", "", "", ""])
    run = read_run(made.results, made.catalogue, made.clips, pairs, made.filtered[1:])
    counts = {stage.name: (stage.count, stage.of) for stage in funnel(run)}
    assert counts["pairs planned"] == (3, 4)
    assert counts["pairs inserted"] == (3, 3)


def test_a_video_that_is_no_source_counts_as_rejected_though_its_row_is_accepted() -> None:
    made = tiny_run()
    catalogue = made.catalogue.assign(roles=["target", "source;target", "target"], reason=["duplicate", "", ""])
    videos = funnel(read_run(made.results, catalogue, made.clips, made.pairs, made.filtered))[1]
    assert (videos.count, videos.of, videos.rejected) == (1, 2, {"MUGS001": ["duplicate"]})


def test_rejected_rows_with_the_same_or_no_id_are_all_counted() -> None:
    made = tiny_run()
    bad = pd.DataFrame(
        [{"product_id": name, "status": "rejected", "reason": "bad id"} for name in ("../x", "../x", "")]
    )
    catalogue = pd.concat([made.catalogue, bad], ignore_index=True)
    rows = funnel(read_run(made.results, catalogue, made.clips, made.pairs, made.filtered))[0]
    assert (rows.count, rows.of, len(rows.rejected)) == (3, 6, 3)


def test_reasons_of_one_kind_are_grouped_whatever_their_numbers() -> None:
    rejected = {
        "A1": ["A1.mp4: cannot be opened", "score 0.61 < 0.7"],
        "B2": ["B2.mp4: cannot be opened"],
        "C3": ["score 0.5 < 0.7"],
        "D4": ["score 0.12 < 0.7"],
    }
    reasons = Stage("x", 0, 4, rejected).reasons()
    assert list(reasons) == ["score # < #", "#: cannot be opened"]
    assert reasons["score # < #"][1] == ("C3", "score 0.5 < 0.7")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a;b", ["a", "b"]), ("", []), (None, []), (float("nan"), []), (np.array(["a"]), ["a"]), (["a", "b"], ["a", "b"])],
)
def test_reasons_are_read_from_any_form(value: object, expected: list[str]) -> None:
    assert reason_list(value) == expected


def test_a_distribution_leaves_out_what_was_not_measured() -> None:
    found = distribution([0.0, 0.5, 1.0, None])
    assert found is not None
    assert (found["count"], found["mean"], found["quartiles"]) == (3, 0.5, [0.25, 0.5, 0.75])
    assert [found["histogram"][i] for i in (0, 10, 19)] == [1, 1, 1] and sum(found["histogram"]) == 3
    assert distribution([None]) is None


def test_scores_that_were_not_measured_stay_none(run) -> None:
    assert score_values(run, "lighting") == [None] * 4
    assert all(0 < value < 1 for value in score_values(run, "quality"))


def test_the_main_photo_is_the_marked_one(run) -> None:
    photo = main_photo(run, "MUGS001")
    assert photo is not None and photo.image_index == 1
    assert main_photo(run, "NONE") is None

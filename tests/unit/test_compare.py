"""Comparison of runs: exact figures on fabricated results folders, and a page that says what it left out."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pvtt.cli import main
from pvtt.io import images, video
from pvtt.io.files import read_json, write_json
from pvtt.io.tables import write_table
from pvtt.metrics.bootstrap import interval
from pvtt.records.mask_verdicts import write_mask_verdicts
from pvtt.records.results import MaskVerdict
from pvtt.records.results_format import mark_results
from pvtt.reporting.compare import compare
from pvtt.reporting.compare.page import write_comparison
from synthetic.records import (
    background_record,
    clip_record,
    cutout_record,
    insertion_record,
    masks_record,
    score_record,
)

CLIPS = ("AAA001_s01", "BBB001_s01")
PRODUCTS = ("AAA001", "BBB001", "CCC001")
FRAMES = 10
# Clip, target -> quality in the reference run.
QUALITY = {
    ("AAA001_s01", "BBB001"): 0.9,
    ("AAA001_s01", "CCC001"): 0.8,
    ("BBB001_s01", "AAA001"): 0.7,
    ("BBB001_s01", "CCC001"): 0.6,
}


def provenance(backend: str, seconds: float, inputs: dict, settings: dict | None = None) -> dict:
    head = {"pvtt": "0", "backend": backend, "version": "1", "models": [], "licence": "Apache-2.0", "seed": None}
    return head | {"settings": {"backend": backend} | (settings or {}), "inputs": inputs, "seconds": seconds}


def make_run(
    folder: Path,
    quality: dict,
    stages: dict[str, str] | None = None,
    seconds: float = 4.0,
    inputs: dict | None = None,
    title: str = "A ring",
    settings: dict | None = None,
    mask_scores: tuple[float, float] = (0.9, 0.4),
) -> Path:
    """A results folder. quality: (clip, target) -> quality, None for a failed pair, 'invalid', or 'unmade'.

    seconds: of every insertion; cutting takes 1 s, masks 2 s, backgrounds 3 s, a cut-out 0.5 s, scoring 1 s. stages:
    backends other than `plain`. inputs: digests other than the usual. settings: more of the masks'.
    """
    ways = dict.fromkeys(("products", "segmentation", "background", "insertion", "scoring"), "plain") | (stages or {})
    digests = {"video": "v", "masks": "m", "background": "b", "cutout": "c"} | (inputs or {})
    names = {"category": "x", "subcategory": "y", "title": title, "video": "v.mp4", "images": "a.jpg"}
    verdict = {"status": "accepted", "reason": "", "roles": "source;target"}
    mark_results(folder)
    write_table(folder / "catalogue.tsv", pd.DataFrame([{"product_id": name} | names | verdict for name in PRODUCTS]))
    head = {"status": "accepted", "reason": "", "n_frames": FRAMES, "fps": "25/1", "width": 32, "height": 16}
    write_table(folder / "clips.tsv", pd.DataFrame([{"clip_id": c, "product_id": c[:6]} | head for c in CLIPS]))
    for clip in CLIPS:
        _write_clip(folder / "clips" / clip, ways, digests, settings)
    write_mask_verdicts(
        folder,
        [
            MaskVerdict(
                clip_id=clip,
                status="accepted" if score > 0.5 else "rejected",
                reason="" if score > 0.5 else "ragged",
                score=score,
            )
            for clip, score in zip(CLIPS, mask_scores, strict=True)
        ],
    )
    for name in PRODUCTS:
        made = provenance(ways["products"], 0.5, {"photo": "p"})
        cutout_record(name, provenance=made).write(folder / "products" / name / "1.json")
        images.write_png(folder / "products" / name / "1.png", np.full((8, 8, 4), 255, np.uint8))
    rows = [
        _write_pair(folder, clip, target, value, ways, digests, seconds) for (clip, target), value in quality.items()
    ]
    pd.DataFrame([pair for pair, _ in rows]).to_parquet(folder / "pairs.parquet")
    pd.DataFrame([verdict for _, verdict in rows]).to_parquet(folder / "filtered.parquet")
    return folder


def _write_clip(place: Path, ways: dict, digests: dict, settings: dict | None) -> None:
    clip = place.name
    clip_record(clip, provenance=provenance("cutter", 1.0, {"video": "f"})).write(place / "clip.json")
    inputs = {"video": digests["video"], "reference_1": digests["cutout"]}
    made = provenance(ways["segmentation"], 2.0, inputs, settings)
    masks_record(clip, provenance=made).write(place / "mask_measures.json")
    made = provenance(ways["background"], 3.0, {"video": digests["video"], "masks": digests["masks"]})
    measures = {"seam": 2.0, "flicker": 3.0, "flicker_beside": 2.5}
    background_record(clip, measures=measures, provenance=made).write(place / "background.json")
    frames = np.full((FRAMES, 16, 32, 3), 90, np.uint8)
    video.write_video(place / "video.mp4", frames, Fraction(25))
    video.write_video(place / "background.mp4", frames, Fraction(25))
    video.write_masks(place / "masks.mkv", np.ones((FRAMES, 16, 32), bool), Fraction(25))


def _write_pair(
    folder: Path, clip: str, target: str, value: float | str | None, ways: dict, digests: dict, seconds: float
) -> tuple[dict, dict]:
    """Write a pair's records; return its rows of the plan and of the filter."""
    name, place = f"{clip}__{target}_i1", folder / "pairs" / clip / f"{target}_i1"
    pair = {"pair_id": name, "clip_id": clip, "source_id": clip[:6], "target_id": target, "image_index": 1, "seed": 1}
    scored = isinstance(value, float)
    reason = "" if scored and value >= 0.7 else f"quality_score {value} < min_quality 0.7" if scored else "failed"
    rows = (
        pair | {"difficulty": "easy", "status": "planned", "reason": ""},
        {
            "pair_id": name,
            "kept": not reason,
            "reasons": reason,
            "quality_score": value if scored else None,
            "basis": "identity;temporal" if scored else "",
        },
    )
    if value == "unmade":
        return rows
    roles = {"video.mp4": "video", "masks.mkv": "masks", "background.mp4": "background", "cutout": "cutout"}
    given = {role: digests[kind] for role, kind in roles.items()}
    done = {"status": "failed", "reason": "no room"} if value is None else {"status": "done", "reason": ""}
    made = provenance(ways["insertion"], seconds, given)
    insertion_record(name, **done, n_frames=FRAMES, provenance=made).write(place / "insert.json")
    if value is not None:
        video.write_video(place / "insert.mp4", np.full((FRAMES, 16, 32, 3), 120, np.uint8), Fraction(25))
    made = provenance(ways["scoring"], 1.0, {f"clip_{key}": given[key] for key in ("video.mp4", "masks.mkv")})
    found = {"scores": {"identity": value, "temporal": 0.5}, "measures": {"swap": 0.1}} if scored else {}
    status = {"status": "scored"} if scored else {"status": value or "failed", "reason": "no room"}
    score_record(name, **status, **found, provenance=made | {"measured_by": "1"}).write(place / "score.json")
    return rows


def shifted(steps: list[float]) -> dict:
    return {key: round(value + step, 3) for (key, value), step in zip(QUALITY.items(), steps, strict=True)}


def difference(section, figure: str, run: str = "two") -> dict:
    return next(row for row in section.differences if row["figure"] == figure and row["run"] == run)


def test_counts_acceptance_and_medians_are_exact(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    other = QUALITY | {("AAA001_s01", "CCC001"): None, ("BBB001_s01", "AAA001"): "invalid"}
    two = make_run(tmp_path / "two", other, {"insertion": "fancy"})
    [section] = compare([one, two]).sections
    first, second = section.runs
    assert section.unit == "pair" and len(section.items) == 4 and section.left_out == {}
    assert [first[key] for key in ("done", "failed", "invalid", "accepted", "acceptance")] == [4, 0, 0, 3, 0.75]
    assert [second[key] for key in ("done", "failed", "invalid", "accepted", "acceptance")] == [2, 1, 1, 1, 0.25]
    assert first["figures"]["quality"] == {"count": 4, "median": 0.75, "quartiles": [0.675, 0.825]}
    assert second["figures"]["quality"] == {"count": 2, "median": 0.75, "quartiles": [0.675, 0.825]}
    assert first["figures"]["lighting"] == {"count": 0, "median": None, "quartiles": None}
    row = difference(section, "quality")
    assert (row["count"], row["unmeasured"], row["mean"], row["win_rate"]) == (2, 2, 0.0, 0.5)
    assert difference(section, "accepted")["mean"] == -0.5


def test_paired_difference_and_win_rate_are_exact(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", shifted([0.05, 0.0, -0.2, 0.11]), {"insertion": "fancy"})
    [section] = compare([one, two]).sections
    row = difference(section, "quality")
    assert (row["count"], row["unmeasured"], row["mean"], row["win_rate"]) == (4, 0, -0.01, 0.625)
    # Two videos, drawn twice: their means are 0.025 and -0.045.
    assert (row["low"], row["high"]) == (-0.045, 0.025)
    assert difference(section, "temporal")["mean"] == 0 and difference(section, "temporal")["win_rate"] == 0.5
    accepted = difference(section, "accepted")
    assert (accepted["mean"], accepted["win_rate"]) == (0.0, 0.5)


def test_time_and_cost_count_shared_clips_and_cutouts_once(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY | {("BBB001_s01", "CCC001"): None}, {"insertion": "fancy"}, seconds=20.0)
    [section] = compare([one, two], price_per_hour=3.6).sections
    first, second = section.runs
    # 2 clips: cutting, masks, backgrounds; 3 cut-outs; 4 pairs.
    expected = {"cutting": 2, "products": 1.5, "segmentation": 4, "background": 6, "insertion": 16, "scoring": 4}
    assert first["seconds_by_stage"] == expected and first["seconds"] == 33.5
    assert second["seconds_by_stage"] == expected | {"insertion": 80} and second["seconds"] == 97.5
    assert first["stage_seconds"] == 16 and second["stage_seconds"] == 80
    assert first["seconds_per_item"] == 4 and second["seconds_per_frame"] == 2
    assert first["seconds_per_accepted"] == 11.167 and second["seconds_per_accepted"] == 32.5
    assert second["cost_per_accepted"] == 0.0325


def test_only_common_pairs_are_compared_and_the_rest_is_named(tmp_path: Path) -> None:
    names = list(QUALITY)
    one = make_run(tmp_path / "one", {key: QUALITY[key] for key in names[:3]})
    two = make_run(tmp_path / "two", {names[0]: 0.95, names[1]: "unmade", names[3]: 0.2}, {"insertion": "fancy"})
    [section] = compare([one, two]).sections
    assert [item.id for item in section.items] == ["AAA001_s01__BBB001_i1"]
    assert section.left_out == {
        "not in one": ["BBB001_s01__CCC001_i1"],
        "not in two": ["BBB001_s01__AAA001_i1"],
        "not made in two": ["AAA001_s01__CCC001_i1"],
    }
    row = difference(section, "quality")
    assert row["mean"] == 0.05 and row["low"] is None and row["high"] is None
    # Only the common pair's clip and cut-out: 1 + 2 + 3, 0.5, 4 + 1.
    assert section.runs[0]["seconds"] == 11.5


@pytest.mark.parametrize(
    ("stages", "inputs", "compared"),
    [
        ({"insertion": "fancy"}, {"video": "other"}, 0),
        ({"insertion": "fancy"}, {"background": "other"}, 0),
        ({"insertion": "fancy"}, {"cutout": "other"}, 0),
        ({"background": "fancy"}, {"background": "other"}, 4),
        ({"background": "fancy"}, {"masks": "other"}, 0),
        ({"segmentation": "fancy"}, {"masks": "other", "background": "other"}, 4),
        ({"products": "fancy"}, {"cutout": "other", "masks": "other", "background": "other"}, 4),
        ({"products": "fancy"}, {"video": "other"}, 0),
    ],
)
def test_other_inputs_are_not_compared_unless_the_stage_made_them(
    tmp_path: Path, stages: dict, inputs: dict, compared: int
) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY, stages, inputs=inputs)
    comparison = compare([one, two])
    section = comparison.sections[-1]
    assert list(comparison.stages) == list(stages)
    assert section.unit == "pair" and len(section.items) == compared
    if not compared:
        [(reason, names)] = section.left_out.items()
        role = next(iter(inputs))
        assert reason.startswith("made from other inputs: ") and role in reason and len(names) == 4
        write_comparison(comparison, tmp_path / "out")
        page = (tmp_path / "out" / "index.html").read_text()
        assert "No pair can be compared" in page and "4 pairs left out: made from other inputs" in page


def test_masks_are_compared_by_clip_and_the_rest_by_pair(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY, {"segmentation": "sam"}, mask_scores=(0.8, 0.7), inputs={"masks": "n"})
    comparison = compare([one, two])
    clips, pairs = comparison.sections
    assert (clips.unit, pairs.unit) == ("clip", "pair")
    assert [run["accepted"] for run in clips.runs] == [1, 2]
    assert clips.runs[0]["seconds_by_stage"] == {"cutting": 2, "segmentation": 4, "background": 6}
    assert clips.runs[0]["stage_seconds"] == 4
    row = difference(clips, "mask_score")
    assert (row["mean"], row["low"], row["high"], row["win_rate"]) == (0.1, -0.1, 0.3, 0.5)
    write_comparison(comparison, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    cards = re.findall(r'<article class="pair".*?</article>', page, re.S)
    assert ['id="BBB001_s01"' in card for card in cards] == [True, False]  # the verdicts differ
    assert "ragged" in cards[0] and cards[0].count("<video") == 3


def test_backgrounds_are_compared_by_their_measures_and_less_is_better(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY, {"background": "painter"}, inputs={"background": "n"})
    for clip, seam in zip(CLIPS, (1.0, 1.5), strict=True):
        path = two / "clips" / clip / "background.json"
        record = read_json(path)
        write_json(path, record | {"measures": {"seam": seam, "flicker": 1.0, "flicker_beside": 2.5}})
    clips, _ = compare([one, two]).sections
    seam, flicker = difference(clips, "seam"), difference(clips, "flicker_gap")
    assert (seam["mean"], seam["win_rate"], seam["better"]) == (-0.75, 1.0, "less")
    assert (flicker["mean"], flicker["win_rate"]) == (1.0, 0.0)
    assert "mask_score" not in clips.runs[0]["figures"]
    assert clips.runs[0]["stage_seconds"] == 6


def test_scores_of_other_scorers_are_not_subtracted(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY, {"scoring": "dinov2"})
    comparison = compare([one, two])
    assert comparison.sections[0].differences == []
    assert comparison.sections[0].runs[1]["figures"]["quality"]["count"] == 4
    assert any("scored in different ways" in note for note in comparison.notes)


def test_qualities_that_rest_on_other_scores_are_not_subtracted(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY, {"insertion": "fancy"})
    verdicts = pd.read_parquet(two / "filtered.parquet")
    verdicts.loc[verdicts.pair_id == "AAA001_s01__BBB001_i1", "basis"] = "identity"
    verdicts.to_parquet(two / "filtered.parquet")
    [section] = compare([one, two]).sections
    assert (difference(section, "quality")["count"], difference(section, "quality")["unmeasured"]) == (3, 1)
    assert difference(section, "identity")["count"] == 4


def test_what_differs_is_told_in_words(tmp_path: Path) -> None:
    one = make_run(tmp_path / "a" / "run", QUALITY, settings={"steps": 4, "same": 1})
    two = make_run(tmp_path / "b" / "run", QUALITY, settings={"steps": 8, "same": 1})
    comparison = compare([one, two])
    assert [run.name for run in comparison.runs] == ["a/run", "b/run"]
    assert comparison.stages == {"segmentation": ["plain 1 (steps 4)", "plain 1 (steps 8)"]}
    assert compare([one, make_run(tmp_path / "c", QUALITY, settings={"steps": 4, "same": 1})]).stages == {}


def test_notes_warn_of_mixed_runs_other_filters_and_missing_verdicts(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", QUALITY, {"insertion": "fancy"})
    path = two / "pairs/AAA001_s01/BBB001_i1/insert.json"
    record = read_json(path)
    write_json(path, record | {"provenance": record["provenance"] | {"version": "2"}})
    verdicts = pd.read_parquet(two / "filtered.parquet")
    verdicts.loc[3, "reasons"] = "quality_score 0.6 < min_quality 0.8"
    verdicts.to_parquet(two / "filtered.parquet")
    notes = compare([one, two]).notes
    assert any("two mixes results" in note and "insertion" in note for note in notes)
    assert any("min_quality is 0.7 and 0.8" in note for note in notes)
    (two / "filtered.parquet").unlink()
    comparison = compare([one, two])
    assert any("two has no verdicts" in note for note in comparison.notes)
    assert comparison.sections[-1].items == []


def test_titles_cannot_run(tmp_path: Path) -> None:
    title = '"><script>alert(1)</script>'
    one = make_run(tmp_path / "one", QUALITY, title=title)
    two = make_run(tmp_path / "two", QUALITY, {"insertion": "<b>fancy</b>"}, title=title)
    write_comparison(compare([one, two]), tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "<script>alert" not in page and "<b>fancy" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and page.count("<script>") == 1


def test_the_page_stands_alone_is_limited_and_has_the_greatest_difference_first(tmp_path: Path) -> None:
    one = make_run(tmp_path / "one", QUALITY)
    two = make_run(tmp_path / "two", shifted([0.01, 0.02, -0.05, 0.03]), {"insertion": "fancy"})
    three = make_run(tmp_path / "three", QUALITY | {("AAA001_s01", "BBB001"): None}, {"insertion": "other"})
    status = main(["compare", str(one), str(two), str(three), "--out", str(tmp_path / "out"), "--limit", "3"])
    assert status == 0
    out = tmp_path / "out"
    page = (out / "index.html").read_text()
    assert not re.search(r"https?://|@import", page)
    ids = re.findall(r'<article class="pair"[^>]* id="([^"]+)"', page)
    # Verdicts differ on the failed one (0.9 to 0) and on the one under the threshold (0.05).
    assert ids == ["AAA001_s01__BBB001_i1", "BBB001_s01__AAA001_i1", "BBB001_s01__CCC001_i1"]
    assert "3 of 4 pairs" in page
    named = set(re.findall(r'(?:src|poster)="([^"]+)"', page))
    assert named and all((out / name).stat().st_size for name in named)
    assert page.count('<p class="absent">no result</p>') == 1
    record = json.loads((out / "compare.json").read_text())
    assert [run["accepted"] for run in record["sections"][0]["runs"]] == [3, 2, 2]
    table = pd.read_csv(out / "compare.tsv", sep="\t")
    assert list(table["run"]) == ["one", "two", "three"] and table["quality_median"][0] == 0.75
    assert table["quality_difference"][1] == 0.0025 and table["quality_compared"][2] == 3


def test_what_cannot_be_compared_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one, two = str(make_run(tmp_path / "one", QUALITY)), str(make_run(tmp_path / "two", QUALITY))
    out = str(tmp_path / "out")
    for folders, said in (([one], "two or more different"), ([one, one], "different"), ([one, "no"], "no: no results")):
        assert main(["compare", *folders, "--out", out]) == 1
        assert said in capsys.readouterr().err
    assert main(["compare", one, two, "--out", one]) == 1
    assert "one of the runs" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_intervals_draw_groups_not_values() -> None:
    assert interval(["a", "a"], [1.0, 2.0]) is None
    assert interval(["a", "b"], [1.0, 1.0]) == (1.0, 1.0)
    groups, values = ["a"] * 50 + ["b"] * 50, [0.0] * 50 + [1.0] * 50
    assert interval(groups, values) == (0.0, 1.0)
    low, high = interval([str(k) for k in range(100)], values) or (0, 0)
    assert 0.38 < low < 0.42 and 0.58 < high < 0.62


@pytest.mark.parametrize(
    ("stage", "kept", "gone"),
    [
        ("scoring", "pairs/AAA001_s01/BBB001_i1/insert.json", "pairs/AAA001_s01/BBB001_i1/score.json"),
        ("insertion", "clips/AAA001_s01/background.mp4", "pairs/AAA001_s01/BBB001_i1/insert.json"),
        ("background", "clips/AAA001_s01/masks.mkv", "clips/AAA001_s01/background.json"),
        ("segmentation", "products/AAA001/1.png", "clips/AAA001_s01/masks.mkv"),
        ("products", "clips/AAA001_s01/video.mp4", "products/AAA001/1.json"),
    ],
)
def test_a_fork_links_what_does_not_depend_on_a_stage(tmp_path: Path, stage: str, kept: str, gone: str) -> None:
    one, two = make_run(tmp_path / "one", QUALITY), tmp_path / "two"
    assert main(["fork", str(one), str(two), "--stage", stage]) == 0
    assert (two / kept).stat().st_ino == (one / kept).stat().st_ino
    assert (two / kept).stat().st_mtime_ns == (one / kept).stat().st_mtime_ns
    assert (one / gone).exists() and not (two / gone).exists() and not (two / "filtered.parquet").exists()
    assert (two / "pairs.parquet").exists() == (stage in ("scoring", "insertion", "background"))
    assert main(["fork", str(one), str(two), "--stage", stage]) == 1
    assert main(["fork", str(one), str(one / "inside"), "--stage", stage]) == 1


def test_a_fork_has_none_of_the_raters_answers(tmp_path: Path) -> None:
    one, two = make_run(tmp_path / "one", QUALITY), tmp_path / "two"
    write_json(one / "review" / "answers.jsonl", {})
    assert main(["fork", str(one), str(two), "--stage", "scoring"]) == 0
    assert not (two / "review").exists()


def test_the_former_name_of_fork_works_and_says_the_new_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = make_run(tmp_path / "one", QUALITY), tmp_path / "two"
    assert main(["share", str(one), str(two), "--stage", "scoring"]) == 0
    assert "pvtt fork" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert "fork" in shown and "share" not in shown

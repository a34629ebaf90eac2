"""Queue and answers of the review, agreement of raters, and the blind comparison's result."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pvtt.cli import main
from pvtt.metrics.agreement import cohen_kappa
from pvtt.records.base import RecordError
from pvtt.records.layout import Layout
from pvtt.records.review import REASONS, ComparisonAnswer, ReviewAnswer
from pvtt.reporting.review import queue
from pvtt.reporting.review.answers import AnswerFile, standing
from pvtt.reporting.review.form import REASON_LABELS, comparison_rows, rows_of
from pvtt.reporting.review.summary import agreement, contest, raters, review_text

KEEP = {"verdict": "keep", "reasons": []}
HALO = {"verdict": "reject", "reasons": ["halo"]}
HEAD = {"rater": "anna", "seed": 0, "time": "2026-11-28T12:00:00Z", "seconds": 15.0, "status": "judged"}
HEAD |= {"duplicate": False, "n_frames": 50, "seen": [[0, 50]]}


def candidate(number: int, **kind: str) -> queue.Candidate:
    clip = f"P{number % 5}_s01"
    known = {"difficulty": "easy", "category": "bags", "backend": "x", "clip": clip, "score": "1", "verdict": "kept"}
    return queue.Candidate(f"{clip}__T{number}_i1", clip, f"T{number}", 1, known | kind)


def answer(clip: str = "A_s01", target: str = "B", scales: Any = (5, 4, 3), **changes: Any) -> Any:
    pair = {"clip_id": clip, "pair_id": f"{clip}__{target}_i1", "task": "pair", "digest": "d"}
    if isinstance(scales, tuple):
        scales = dict(zip(("product", "realism", "rest"), scales, strict=True))
    graded = {"scales": scales}
    return ReviewAnswer.of(HEAD | pair | graded | {"verdicts": {"forward": KEEP, "reverse": KEEP}} | changes)


def comparison(clip: str, left: str, preference: str, grades: tuple[int, int] = (2, 3), **changes: Any) -> Any:
    names = ("quality", "fidelity", "smoothness", "diversity")
    sides = {"left": left, "right": "a" if left == "b" else "b"}
    given = {side: dict.fromkeys(names, grade) for side, grade in zip(("left", "right"), grades, strict=True)}
    pair = {"clip_id": clip, "pair_id": f"{clip}__B_i1", "against": "../b", "sides": sides}
    rest = {"digests": {"left": "x", "right": "y"}, "grades": given, "preference": preference}
    return ComparisonAnswer.of(HEAD | pair | rest | changes)


# ---------------------------------------------------------------- queue


def test_rare_kinds_are_asked_about_nearly_as_often_as_frequent_ones() -> None:
    pairs = [candidate(n, verdict="rejected" if n % 13 == 0 else "kept", backend="xy"[n % 9 == 3]) for n in range(200)]
    chosen = queue.choose(pairs, seed=0, limit=20)
    # By chance 1.6 of the 20 would be rejected, and 2.2 of backend y.
    assert Counter(pair.kind["verdict"] for pair in chosen)["rejected"] in (8, 9, 10, 11, 12)
    assert Counter(pair.kind["backend"] for pair in chosen)["y"] in (8, 9, 10, 11, 12)
    assert set(Counter(pair.kind["clip"] for pair in chosen).values()) <= {3, 4, 5}
    assert len({pair.pair_id for pair in chosen}) == 20


def test_more_questions_are_the_same_ones_and_more() -> None:
    pairs = [candidate(n, difficulty=("easy", "hard", "expert")[n % 3]) for n in range(40)]
    few, many = queue.choose(pairs, 3, 10), queue.choose(list(reversed(pairs)), 3, 30)
    assert many[:10] == few
    assert queue.choose(pairs, 4, 10) != few
    assert queue.choose([], 0, 10) == [] and len(queue.choose(pairs, 0, 1000)) == 40


def test_raters_see_the_same_pairs_in_orders_of_their_own() -> None:
    chosen = queue.choose([candidate(n) for n in range(60)], 0, 30)
    anna, ben = queue.build(chosen, "anna", 0), queue.build(chosen, "ben", 0)
    assert {each.key for each in anna} == {each.key for each in ben} and anna != ben
    assert queue.build(chosen, "anna", 0) == anna


@pytest.mark.parametrize("count", [1, 2, 3, 10, 50])
def test_a_share_is_asked_again_later(count: int) -> None:
    chosen = queue.choose([candidate(n) for n in range(count)], 0, count)
    questions = queue.build(chosen, "anna", 0, duplicates=0.5)
    again = [each for each in questions if each.duplicate]
    assert len(again) == round(0.5 * count) and len({each.key for each in questions}) == len(questions)
    places = {each.key: place for place, each in enumerate(questions)}
    for key, place in places.items():
        if key[1]:
            assert place > places[key[0], False]
    steps = [places[each.key] - places[each.key[0], False] for each in again]
    # Another repetition between the two only moves them further apart.
    assert all(step > min(8, count // 2) for step in steps)


def test_the_background_of_a_clip_is_asked_about_once_before_its_first_pair(tmp_path: Path) -> None:
    for clip in ("P0_s01", "P1_s01"):
        path = Layout(tmp_path).clip(clip).background
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x" if clip == "P0_s01" else b"")
    questions = queue.build(queue.choose([candidate(n) for n in (0, 1, 5, 6)], 0, 4), "anna", 0, 0.5)
    found = queue.with_backgrounds(questions, tmp_path)
    assert [each.key for each in found if each.task == "background"] == [("P0_s01", False)]
    place = [each.task for each in found].index("background")
    assert found[place + 1].clip_id == "P0_s01"
    assert all(each.clip_id != "P0_s01" for each in found[:place])
    assert [each for each in found if each.task == "pair"] == questions


# ---------------------------------------------------------------- records and their file


def test_an_answer_must_be_whole() -> None:
    for wrong, message in (
        ({"verdicts": {"forward": KEEP}}, "needs a verdict for each of forward, reverse"),
        ({"verdicts": {"forward": KEEP, "reverse": KEEP | {"verdict": "reject"}}}, "a rejection needs a reason"),
        ({"verdicts": {"forward": KEEP, "reverse": HALO | {"verdict": "keep"}}}, "only a rejection has one"),
        ({"verdicts": {"forward": KEEP, "reverse": {"verdict": "reject", "reasons": ["ugly"]}}}, "Input should be"),
        ({"scales": None}, "needs its three scales"),
        ({"scales": {"product": 6, "realism": 1, "rest": 1}}, "less than or equal to 5"),
        ({"scales": {"product": True, "realism": 1, "rest": 1}}, "valid integer"),
        ({"status": "skipped"}, "verdict"),
        ({"pair_id": None}, "a pair has a pair_id"),
        ({"rater": "a\nb"}, "rater"),
    ):
        with pytest.raises(RecordError, match=message):
            answer(**wrong)
    background = {"task": "background", "pair_id": None, "scales": None, "verdicts": {"insert": KEEP, "remove": HALO}}
    assert answer(**background).task == "background"
    assert answer(status="skipped", scales=None, verdicts={}).scales is None
    with pytest.raises(RecordError, match="one of each run"):
        comparison("A_s01", "a", "left", sides={"left": "a", "right": "a"})
    with pytest.raises(RecordError, match="needs grades for left and right"):
        comparison("A_s01", "a", "left", grades=(1, 2)).of(comparison("A_s01", "a", "left").plain() | {"grades": {}})


def test_the_form_offers_what_the_records_take() -> None:
    assert set(REASON_LABELS) == set(REASONS)
    offered = {
        reason["value"] for task in ("pair", "background") for row in rows_of(task) for reason in row.get("reasons", ())
    }
    assert offered == set(REASONS)
    assert all(len(row.get("reasons", ())) <= 9 for task in ("pair", "background") for row in rows_of(task))
    assert [row["id"] for row in comparison_rows()][:3] == ["left.quality", "right.quality", "left.fidelity"]


def test_answers_are_appended_and_read_back(tmp_path: Path) -> None:
    file = AnswerFile(Layout(tmp_path).review_answers, ReviewAnswer)
    assert file.read() == ([], [])
    first, second = answer(rater="Zoë"), answer(target="C")
    file.append(first)
    before = file.path.read_bytes()
    file.append(second)
    assert file.path.read_bytes().startswith(before) and file.path.read_bytes().count(b"\n") == 2
    assert file.read() == ([first, second], [])


def test_a_half_written_line_is_reported_and_costs_nothing_else(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.jsonl", ReviewAnswer)
    file.append(answer())
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + whole[:70])
    assert file.read() == ([answer()], [f"{file.path}: line 2 is half written and was left out"])
    file.append(answer(target="C"))
    assert file.path.read_bytes().startswith(whole + whole[:70] + b"\n")
    answers, notes = file.read()
    assert answers == [answer(), answer(target="C")] and len(notes) == 1


def test_several_raters_write_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"

    def rate(name: str) -> None:
        for number in range(20):
            AnswerFile(path, ReviewAnswer).append(answer(rater=name, target=f"T{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(rate, ("anna", "ben", "cleo", "dan")))
    answers, notes = AnswerFile(path, ReviewAnswer).read()
    assert Counter(each.rater for each in answers) == dict.fromkeys(("anna", "ben", "cleo", "dan"), 20) and not notes


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text(json.dumps(answer().plain() | {"seconds": -1.0}) + "\n")
    with pytest.raises(RecordError, match=r"answers.jsonl: line 1: seconds"):
        AnswerFile(path, ReviewAnswer).read()


def test_the_last_answer_counts_and_can_be_withdrawn() -> None:
    other = answer(target="C")
    changed = answer(scales=(1, 1, 1))
    withdrawn = answer(status="withdrawn", scales=None, verdicts={})
    assert standing([answer(), other, changed]) == [other, changed]
    assert standing([answer(), other, withdrawn]) == [other]
    others = [answer(duplicate=True), answer(rater="ben"), answer(seed=1)]
    assert standing([answer(), *others]) == [answer(), *others]


# ---------------------------------------------------------------- agreement


def test_kappa_of_worked_examples() -> None:
    # The 3 x 3 table of Cohen 1960, of 100 items; its rows sum to 50, 30 and 20, its columns to 60, 30 and 10.
    counts = {"aa": 44, "ab": 5, "ac": 1, "ba": 7, "bb": 20, "bc": 3, "ca": 9, "cb": 5, "cc": 6}
    first, second = zip(*(pair for pair, count in counts.items() for _ in range(count)), strict=True)
    expected = (0.60 * 0.50) + (0.30 * 0.30) + (0.10 * 0.20)
    assert cohen_kappa(first, second, "abc") == pytest.approx((0.70 - expected) / (1 - expected))


def test_kappa_of_extremes() -> None:
    assert cohen_kappa([1, 2, 3], [1, 2, 3], range(1, 6), "linear") == 1
    assert cohen_kappa([1, 1, 5, 5], [1, 5, 1, 5], range(1, 6)) == 0
    assert cohen_kappa([1, 5], [5, 1], range(1, 6)) == -1
    assert cohen_kappa([], [], range(1, 6)) is None
    assert cohen_kappa([4, 4], [4, 4], range(1, 6)) is None


def test_linear_weights_forgive_near_answers() -> None:
    first, near, far = [1, 2, 4, 5], [2, 1, 5, 4], [5, 4, 2, 1]
    plain = cohen_kappa(first, near, range(1, 6))
    weighted = cohen_kappa(first, near, range(1, 6), "linear")
    assert plain < 0 < weighted
    # Mean distance 1; by chance the mean over all 16 combinations of {1, 2, 4, 5}: 2 * (1+3+4+2+3+1) / 16.
    assert weighted == pytest.approx(1 - 1 / (28 / 16))
    assert cohen_kappa(first, far, range(1, 6), "linear") < 0


def test_kappa_agrees_with_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    first, second = [1, 2, 2, 5, 4, 3, 3, 1, 5], [1, 3, 2, 4, 4, 3, 2, 2, 5]
    for ours, theirs in (("none", None), ("linear", "linear")):
        assert cohen_kappa(first, second, range(1, 6), ours) == pytest.approx(
            metrics.cohen_kappa_score(first, second, weights=theirs, labels=[1, 2, 3, 4, 5])
        )


def test_raters_are_counted_and_compared() -> None:
    reject = {"verdicts": {"forward": HALO, "reverse": KEEP}}
    answers = [
        answer(target="B"),
        answer(target="C", scales=(1, 1, 5), **reject),
        answer(target="C", scales=(1, 2, 5), duplicate=True, **reject),
        answer(target="D", status="skipped", scales=None, verdicts={}),
        answer(target="B", rater="ben", scales=(5, 5, 3), seconds=30.0),
        answer(target="C", rater="ben", scales=(2, 1, 5), **reject),
        answer(target="E", rater="ben", digest="another video"),
        answer(task="background", pair_id=None, scales=None, verdicts={"insert": KEEP, "remove": HALO}),
    ]
    anna, ben = raters(answers)
    assert (anna["pairs"], anna["repeated"], anna["backgrounds"], anna["skipped"]) == (3, 1, 1, 1)
    assert anna["pairs/min"] == 3.0 and anna["keep forward"] == 0.33 and anna["keep remove"] == 0.0
    assert (ben["pairs"], ben["pairs/min"], ben["keep insert"]) == (3, 3.0, None)
    found = {(row["raters"], row["answer"]): row for row in agreement(answers)}
    assert found["anna twice", "realism"] == {
        "raters": "anna twice", "answer": "realism", "count": 1, "same": 0.0, "kappa": 0.0
    }  # fmt: skip
    assert found["anna, ben", "forward"]["count"] == 2 and found["anna, ben", "forward"]["kappa"] == 1.0
    assert found["anna, ben", "product"]["same"] == 0.5
    assert ("ben twice", "product") not in found
    assert "anna twice" in review_text(answers) and review_text([]) == "no answers yet"


def test_judgements_of_another_video_are_not_compared() -> None:
    answers = [answer(digest="old"), answer(rater="ben", digest="new")]
    assert agreement(answers) == []


def test_a_comparison_is_unblinded() -> None:
    answers = [
        comparison("A_s01", "a", "right", (1, 4)),
        comparison("B_s01", "b", "left", (4, 1)),
        comparison("C_s01", "b", "right", (2, 2)),
        comparison("D_s01", "a", "tie", (3, 3)),
        comparison("D_s01", "a", "right", (1, 1), against="../c"),
        skipped_comparison(),
    ]
    found = contest(answers, "../b")
    assert (found["count"], found["wins"], found["ties"], found["losses"]) == (4, 2, 1, 1)
    assert found["win_rate"] == 0.625
    low, high = found["interval"]
    assert 0 <= low < 0.625 < high <= 1
    assert found["grades"]["quality"]["a"] == pytest.approx((1 + 1 + 2 + 3) / 4)
    assert found["grades"]["quality"]["difference"] == pytest.approx(1.5)
    same_video = [comparison("A_s01", "a", "right"), comparison("A_s02", "a", "left")]
    assert contest(same_video, "../b")["interval"] is None
    assert contest([], "../b")["win_rate"] is None


def skipped_comparison() -> ComparisonAnswer:
    whole = comparison("E_s01", "a", "right").plain()
    return ComparisonAnswer.of(whole | {"status": "skipped", "grades": {}, "preference": None})


def test_the_summary_is_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "a"
    assert main(["review", str(run), "--summary"]) == 0
    assert "no answers yet" in capsys.readouterr().out
    file = AnswerFile(Layout(run).review_answers, ReviewAnswer)
    file.append(answer())
    file.path.write_bytes(file.path.read_bytes() + b"{")
    AnswerFile(Layout(run).review_comparisons, ComparisonAnswer).append(comparison("A_s01", "b", "left"))
    assert main(["review", str(run), "--summary"]) == 0
    said = capsys.readouterr()
    assert "anna" in said.out and "line 2 is half written" in said.err
    assert main(["review", str(run), "--against", str(tmp_path / "b"), "--summary"]) == 0
    assert "b better 1, tie 0, a better 0" in capsys.readouterr().out
    assert main(["review", str(run), "--limit", "0"]) == 1

"""The review's web server: what it shows, what becomes of answers, and what it refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fabricated import tiny_run

pytest.importorskip("starlette", reason="the review's web server is not installed (envs/review.txt)")

from review_client import KEEP, Client, make_run, served, values_for

from pvtt.cli import main
from pvtt.io import video
from pvtt.io.files import file_digest
from pvtt.io.tables import write_table
from pvtt.records.layout import Layout
from pvtt.records.review import ComparisonAnswer, ReviewAnswer
from pvtt.reporting.review.answers import AnswerFile
from pvtt.reporting.review.modes import ComparisonSession, ReviewSession, relative


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for tests that only look."""
    return make_run(tmp_path_factory.mktemp("review") / "results")


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serve sessions until the test ends."""
    with ExitStack() as stack:
        yield lambda session: stack.enter_context(served(session))


# ---------------------------------------------------------------- what it shows


def test_a_question_says_nothing_of_scores_verdicts_and_backends(run: Path, serve: Any) -> None:
    session = ReviewSession(run, "anna", 0, 20, 0.5)
    client = serve(session)
    assert {"pair", "background"} == {each.task for each in session.questions}
    assert any(each.duplicate for each in session.questions)
    for index in range(len(session.questions)):
        shown = session._shown(index)
        names = "index task title fps n_frames views alternate judged masks photos digest rows values"
        assert set(shown) == set(names.split())
        text = json.dumps({name: value for name, value in shown.items() if name != "rows"})
        assert not re.search(r"score|kept|quality|backend|duplicate|identity|reject", text)
    assert set(client.state()) == {"rater", "done", "total", "pairs_per_minute", "can_undo", "question"}


def test_videos_come_in_ranges(run: Path, serve: Any) -> None:
    client = serve(ReviewSession(run, "anna", 0, 2, 0))
    question = client.state()["question"]
    whole = client.get(f"video/{question['index']}/source")
    part = client.get(f"video/{question['index']}/source", Range="bytes=100-299")
    assert whole.status == 200 and whole.headers.get("Content-Type") == "video/mp4"
    assert part.status == 206 and part.body == whole.body[100:300]
    assert part.headers.get("Content-Range") == f"bytes 100-299/{len(whole.body)}"
    assert client.get(f"video/{question['index']}/source", Range=f"bytes={len(whole.body)}-").status == 416


def test_outlines_enclose_the_mask(run: Path, serve: Any) -> None:
    session = ReviewSession(run, "anna", 0, 3, 0)
    client = serve(session)
    index = next(i for i, each in enumerate(session.questions) if each.pair)
    masks = video.read_masks(session.files(index).masks["result"]).any(0)
    frames = client.get(f"mask/{index}/result").json
    assert len(frames) == len(masks) and masks[20].any()
    drawn = np.zeros(masks[20].shape, np.uint8)
    cv2.fillPoly(drawn, [np.array(points).reshape(-1, 1, 2) for points in frames[20]], 1)
    assert (drawn.astype(bool) != masks[20]).mean() < 0.002


def test_photos_are_small_jpegs_and_a_lost_one_is_a_cut_out(run: Path, serve: Any, tmp_path: Path) -> None:
    session = ReviewSession(run, "anna", 0, 3, 0)
    index = next(i for i, each in enumerate(session.questions) if each.pair)
    assert session.files(index).photos[0].suffix == ".jpg"
    photo = serve(session).get(f"photo/{index}/0")
    image = cv2.imdecode(np.frombuffer(photo.body, np.uint8), cv2.IMREAD_COLOR)
    assert photo.headers.get("Content-Type") == "image/jpeg" and max(image.shape) <= 800
    lost = make_run(tmp_path / "results")
    write_table(Layout(lost).catalogue, tiny_run().catalogue.assign(images="gone.jpg"))
    other = ReviewSession(lost, "anna", 0, 3, 0)
    assert other.files(index).photos[0].parent.parent.name == "products"


# ---------------------------------------------------------------- answers


def test_an_answer_becomes_a_line_and_the_next_question_comes(serve: Any, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "results")
    client, written = (
        serve(ReviewSession(folder, "anna", 7, 3, 0)),
        AnswerFile(Layout(folder).review_answers, ReviewAnswer),
    )
    total = client.state()["total"]
    for number in range(total):
        question = client.state()["question"]
        reply = client.judge(question)
        assert reply.status == 200, reply.body
        assert reply.json["done"] == number + 1
    assert client.state()["question"] is None
    answers, notes = written.read()
    assert len(answers) == total and not notes
    pair = next(one for one in answers if one.task == "pair")
    assert (pair.rater, pair.seed, pair.seconds, pair.seen, pair.scales.rest) == ("anna", 7, 12.0, [[0, 5]], 3)
    row = tiny_run().pairs.set_index("pair_id").loc[pair.pair_id]
    assert pair.digest == file_digest(Layout(folder).pair_of(row).video)
    background = next(one for one in answers if one.task == "background")
    assert background.digest == file_digest(Layout(folder).clip(background.clip_id).background)
    assert set(background.verdicts) == {"insert", "remove"}


def test_a_session_goes_on_where_it_was_left(tmp_path: Path, serve: Any) -> None:
    folder = make_run(tmp_path / "results")
    first = serve(ReviewSession(folder, "anna", 0, 4, 0.5))
    question = first.state()["question"]
    first.judge(question)
    first.judge(first.state()["question"], status="skipped")
    left = first.state()
    again = serve(ReviewSession(folder, "anna", 0, 4, 0.5)).state()
    assert again == left and again["done"] == 2
    assert serve(ReviewSession(folder, "ben", 0, 4, 0.5)).state()["done"] == 0
    assert serve(ReviewSession(folder, "anna", 1, 4, 0.5)).state()["done"] == 0


def test_undo_withdraws_the_last_answer_and_fills_it_in(tmp_path: Path, serve: Any) -> None:
    folder = make_run(tmp_path / "results")
    client = serve(ReviewSession(folder, "anna", 0, 2, 0))
    assert client.post("api/undo", {}).status == 409
    question = client.state()["question"]
    client.judge(question)
    undone = client.post("api/undo", {}).json
    assert undone["done"] == 0 and undone["question"]["index"] == question["index"]
    assert undone["question"]["values"] == values_for(question)
    lines = Layout(folder).review_answers.read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["judged", "withdrawn"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"values": {}}, 400),
        ({"values": {"insert": KEEP, "remove": {"verdict": "reject", "reasons": []}}}, 400),
        ({"status": "withdrawn"}, 400),
        ({"seconds": -1}, 400),
        ({"seen": [[0, 1, 2]]}, 400),
        ({"rater": "ben"}, 400),
        ({"digest": "another"}, 409),
        ({"index": 99}, 404),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_written(
    changes: dict, status: int, tmp_path: Path, serve: Any
) -> None:
    folder = make_run(tmp_path / "results")
    client = serve(ReviewSession(folder, "anna", 0, 2, 0))
    question = client.state()["question"]
    reply = client.judge(question, **changes)
    assert reply.status == status, reply.body
    assert not Layout(folder).review_answers.exists() and client.state()["done"] == 0


def test_a_video_that_was_made_again_is_not_judged_unseen(tmp_path: Path, serve: Any) -> None:
    folder = make_run(tmp_path / "results")
    session = ReviewSession(folder, "anna", 0, 2, 0)
    client = serve(session)
    question = client.state()["question"]
    path = session.files(question["index"]).videos[question["judged"][0]]
    path.write_bytes(path.read_bytes() + b"\0" * 8)
    assert client.judge(question).status == 409
    assert client.judge(client.state()["question"]).status == 200


def test_the_command_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "results")
    command = [sys.executable, "-m", "pvtt", "review", str(folder), "--rater", "anna", "--limit", "2"]
    # A process that a script started in the background ignores SIGINT, and its children do.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    signal.signal(signal.SIGINT, before)
    with process:
        try:
            said = [process.stdout.readline() for _ in range(2)]
            client = Client(said[1].split()[-1])
            assert "0 answered" in said[0] and client.judge(client.state()["question"]).status == 200
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130 and "Traceback" not in process.stderr.read()
    assert len(Layout(folder).review_answers.read_text().splitlines()) == 1


def test_what_cannot_be_reviewed_is_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        ((str(tmp_path),), "no results of a run"),
        ((str(run), "--against", str(tmp_path)), "no results of a run"),
        ((str(run), "--against", str(run)), "there is no pair to judge"),
        ((str(run), "--rater", "two\nlines"), "a rater's name"),
        ((str(run), "--duplicates", "2"), "--duplicates from 0 to 1"),
    ):
        assert main(["review", *arguments]) == 1
        assert message in capsys.readouterr().err


# ---------------------------------------------------------------- two runs


def test_two_runs_side_by_side_in_hidden_order(tmp_path: Path, serve: Any, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    session = ComparisonSession(a, b, "anna", 0, 10, 0)
    assert session.questions == []
    changed = sorted(Layout(b).pair_folders.rglob("*.mp4"))
    for path in filter(lambda each: each.stat().st_size, changed):
        path.write_bytes(path.read_bytes() + b"\0" * 8)
    session = ComparisonSession(a, b, "anna", 0, 10, 0)
    client = serve(session)
    for _ in session.questions:
        question = client.state()["question"]
        assert [view["name"] for view in question["views"]] == ["source", "left", "right"]
        assert client.judge(question).status == 200
    answers, _ = AnswerFile(Layout(a).review_comparisons, ComparisonAnswer).read()
    assert len(answers) == len(session.questions) > 3
    assert {answer.sides["left"] for answer in answers} == {"a", "b"}
    for answer in answers:
        row = tiny_run().pairs.set_index("pair_id").loc[answer.pair_id]
        for side, results in ((side, {"a": a, "b": b}[answer.sides[side]]) for side in ("left", "right")):
            assert answer.digests[side] == file_digest(Layout(results).pair_of(row).video)
    assert not Layout(b).review.exists() and relative(b, a) == "../b"
    wins = sum(answer.sides["left"] == "b" for answer in answers)
    assert main(["review", str(a), "--against", str(b), "--summary"]) == 0
    assert f"b better {wins}, tie 0, a better {len(answers) - wins}" in capsys.readouterr().out

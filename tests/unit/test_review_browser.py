"""The review's page in a real browser: a rater at the keyboard, frames in step, small screens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import Browser, chromium

pytest.importorskip("starlette", reason="the review's web server is not installed (envs/review.txt)")

from review_client import EVIL, KEEP, Client, make_run, served

from pvtt.io import video
from pvtt.records.layout import Layout
from pvtt.records.review import ComparisonAnswer, ReviewAnswer
from pvtt.reporting.review.answers import AnswerFile
from pvtt.reporting.review.modes import ComparisonSession, ReviewSession

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for tests that only look. It has no backgrounds, so that only pairs are asked about."""
    return without_backgrounds(make_run(tmp_path_factory.mktemp("review") / "results"))


@pytest.fixture
def serve() -> Iterator[Any]:
    """Serve sessions until the test ends."""
    with ExitStack() as stack:
        yield lambda session: stack.enter_context(served(session))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = chromium()
    if program is None:
        pytest.skip("there is no Chromium on this machine")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def without_backgrounds(folder: Path) -> Path:
    for path in Layout(folder).clip_folders.glob("*/background.mp4"):
        path.write_bytes(b"")
    return folder


def open_question(browser: Browser, client: Client) -> None:
    browser.open(client.address)
    browser.wait("document.body?.dataset.ready !== undefined")


def test_a_rater_judges_by_keyboard(tmp_path: Path, serve: Any, browser: Browser) -> None:
    folder = without_backgrounds(make_run(tmp_path / "results"))
    client = serve(ReviewSession(folder, "anna", 0, 2, 0))
    open_question(browser, client)
    assert browser.run("document.getElementById('progress').textContent") == "0 of 2 · anna"
    browser.keys("5", "4", "Enter")
    assert client.state()["done"] == 0
    browser.keys("3", "k", "k", "Enter")
    browser.wait("document.body.dataset.ready === '1'")
    browser.keys("2", "1", "5", "r", "2", "4", "Enter", "r", "4", "Enter")
    browser.wait("!document.getElementById('end').hidden")
    answers, _ = AnswerFile(Layout(folder).review_answers, ReviewAnswer).read()
    first, second = (answer.plain() for answer in answers)
    assert first["scales"] == {"product": 5, "realism": 4, "rest": 3}
    assert first["verdicts"] == {"forward": KEEP, "reverse": KEEP}
    assert second["scales"] == {"product": 2, "realism": 1, "rest": 5}
    # The second rejection begins with the reasons of the first; 4 takes one away again.
    assert second["verdicts"]["forward"] == {"verdict": "reject", "reasons": ["halo", "contact"]}
    assert second["verdicts"]["reverse"] == {"verdict": "reject", "reasons": ["halo"]}
    assert all(answer.seen and 0 < answer.seconds < 120 for answer in answers)
    browser.keys("u")
    browser.wait("!document.getElementById('work').hidden")
    browser.wait("document.querySelectorAll('#rows .filled').length === 5")
    assert browser.run("window.evil") is None and not browser.errors
    assert EVIL in browser.run("document.getElementById('title').textContent")


def test_two_runs_are_compared_by_keyboard(tmp_path: Path, serve: Any, browser: Browser) -> None:
    a, b = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    for path in Layout(b).pair_folders.rglob("*.mp4"):
        if path.stat().st_size:
            path.write_bytes(path.read_bytes() + b"\0" * 8)
    session = ComparisonSession(a, b, "anna", 0, 1, 0)
    open_question(browser, serve(session))
    views = "[...document.querySelectorAll('#views figcaption')].map((one) => one.textContent).join()"
    assert browser.run(views) == "Source,Left,Right"
    browser.keys("1", "2", "3", "4", "5", "4", "3", "2", "1", "r", "Enter")  # there is no 5
    browser.wait("!document.getElementById('end').hidden")
    [answer], _ = AnswerFile(Layout(a).review_comparisons, ComparisonAnswer).read()
    plain = answer.plain()
    assert list(plain["grades"]["left"].values()) == [1, 3, 4, 2] and answer.preference == "right"
    assert list(plain["grades"]["right"].values()) == [2, 4, 3, 1]
    assert answer.sides == session._sides(session.questions[0])


def test_all_views_show_the_frame_that_is_named(run: Path, serve: Any, browser: Browser) -> None:
    session = ReviewSession(run, "frames", 0, 1, 0)
    open_question(browser, serve(session))
    browser.keys(" ", "Home")
    for _ in range(17):
        browser.keys("ArrowRight")
    browser.wait("document.getElementById('frame').textContent.startsWith('18 /')")
    for view, path in session.files(0).videos.items():
        shown = canvas(browser, f'[data-view="{view}"] canvas')
        frames = video.read_video(path).astype(int)
        errors = np.abs(frames - shown).mean((1, 2, 3))
        # The browser's conversion of colours differs by up to two levels; frames of a moving scene differ by more.
        assert errors.argmin() == 17 and errors[17] < 3, (view, errors[15:20])
    inside = video.read_masks(session.files(0).masks["result"]).any(0)[17]
    before = canvas(browser, '[data-view="result"] canvas')
    browser.keys("m")
    browser.wait("document.querySelector('[data-act=mask]').getAttribute('aria-pressed') === 'true'")
    change = np.abs(canvas(browser, '[data-view="result"] canvas') - before).mean(2)
    assert inside.any() and change[inside].mean() > 15 and change[~inside].mean() < 3
    browser.keys("+")
    scale = "[...document.querySelectorAll('#views canvas')].map((one) => one.style.transform).join()"
    assert browser.run(scale) == "scale(1.5),scale(1.5)"
    browser.keys("0", "m", "d")
    browser.wait("document.querySelectorAll('#views canvas').length === 1")
    browser.wait("document.getElementById('frame').textContent.startsWith('18 /')")
    source, result = (video.read_video(session.files(0).videos[view])[17].astype(int) for view in ("source", "result"))
    wanted = np.minimum(255, 4 * np.abs(source - result))
    assert np.abs(canvas(browser, "#views canvas") - wanted).mean() < 8
    assert not browser.errors


def test_playing_keeps_the_videos_together(run: Path, serve: Any, browser: Browser) -> None:
    session = ReviewSession(run, "playing", 0, 2, 0)
    open_question(browser, serve(session))
    count = session._shown(0)["n_frames"]
    browser.wait("Number(document.getElementById('slider').value) > 10")
    browser.keys(" ")
    frame = browser.run("Number(document.getElementById('slider').value)")
    assert 10 < frame < count
    assert browser.run("document.body.classList.contains('playing')") is False


def test_a_phone_shows_everything_without_scrolling_sideways(run: Path, serve: Any, browser: Browser) -> None:
    client = serve(ReviewSession(run, "phone", 0, 2, 0))
    browser.size(390, 844, 2, mobile=True)
    try:
        open_question(browser, client)
        assert browser.run("document.documentElement.scrollWidth") == 390
        small = (
            "[...document.querySelectorAll('main button')].filter((b) => b.offsetParent && b.offsetHeight < 32).length"
        )
        assert browser.run(small) == 0
    finally:
        browser.size(1440, 900)


def canvas(browser: Browser, selector: str) -> np.ndarray:
    """Pixels of a canvas of the page, int (h, w, 3), RGB."""
    script = (
        f"(() => {{ const c = document.querySelector({json.dumps(selector)});"
        "return [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]; })()"
    )
    width, height, values = browser.run(script)
    return np.array(values).reshape(height, width, 4)[..., :3]

"""`pvtt review`: judge pairs on a local web page, alone or against those of another run, and sum the answers up."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

INSTALL = "pvtt review needs Starlette and uvicorn; install them: pip install 'pvtt[review]'"


def add_command(groups: Any) -> None:
    """Add the command to an argument parser."""
    text = "judge pairs on a local web page; --summary shows what raters said and how far they agree"
    command = groups.add_parser("review", help=text, description=text)
    command.add_argument("results", type=Path, metavar="RESULTS", help="results folder of a run")
    command.add_argument(
        "--against", type=Path, metavar="RESULTS", help="compare blindly with the same pairs of another run"
    )
    command.add_argument("--summary", action="store_true", help="print what was answered, and end")
    command.add_argument("--rater", help="who judges (default: the user's name)")
    command.add_argument("--seed", type=int, default=0, help="raters with the same seed get the same pairs (default 0)")
    command.add_argument("--limit", type=int, default=60, help="pairs of the queue (default 60)")
    command.add_argument(
        "--duplicates", type=float, default=0.1, metavar="SHARE", help="share that is asked again (default 0.1)"
    )
    command.add_argument("--port", type=int, default=0, help="port of 127.0.0.1 (default: a free one)")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.limit < 1 or options.seed < 0 or not 0 <= options.duplicates <= 1:
        raise ValueError("--limit is at least 1, --seed at least 0, --duplicates from 0 to 1")
    return _summary(options) if options.summary else _serve(options)


def _serve(options: argparse.Namespace) -> int:
    from pvtt.reporting.review.modes import ComparisonSession, ReviewSession

    try:
        from pvtt.reporting.review.server import serve
    except ImportError as error:
        raise ValueError(f"{INSTALL} ({error})") from error
    queue = (options.rater or getpass.getuser(), options.seed, options.limit, options.duplicates)
    session: ReviewSession | ComparisonSession
    if options.against is None:
        session = ReviewSession(options.results, *queue)
    else:
        session = ComparisonSession(options.results, options.against, *queue)
    for note in session.notes:
        print(f"note: {note}", file=sys.stderr)
    state = session.state()
    if not state["total"]:
        raise ValueError(f"{options.results}: there is no pair to judge")
    print(f"{state['total']} questions for {state['rater']}, {state['done']} answered; answers: {session.path}")

    def tell(address: str) -> None:
        print(f"open in a browser on this machine: {address}\nCtrl-C ends; the same command goes on later", flush=True)

    serve(session, options.port, tell)
    return 0


def _summary(options: argparse.Namespace) -> int:
    from pvtt.records.layout import Layout
    from pvtt.records.review import ComparisonAnswer, ReviewAnswer
    from pvtt.reporting.review.answers import AnswerFile
    from pvtt.reporting.review.modes import relative
    from pvtt.reporting.review.summary import contest_text, review_text

    files = Layout(options.results)
    if options.against is None:
        answers, notes = AnswerFile(files.review_answers, ReviewAnswer).read()
        text = review_text(answers)
    else:
        compared, notes = AnswerFile(files.review_comparisons, ComparisonAnswer).read()
        text = contest_text(
            compared, str(options.results), str(options.against), relative(options.against, options.results)
        )
    print(text)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    return 0

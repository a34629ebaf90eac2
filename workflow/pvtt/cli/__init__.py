"""The command `pvtt` (or `python -m pvtt`): models, comparisons, reviews, estimates, timelines and the result cache."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pvtt import __version__
from pvtt.cli import calibrate, compare, estimate, models, review, store, timeline
from pvtt.config.settings import SettingsError
from pvtt.models.registry import ModelError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status: 1 on an error, 130 if interrupted."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ModelError, SettingsError, ValueError, OSError) as error:
        print(f"pvtt: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("pvtt: interrupted; finished files are kept, run the same command again to continue", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pvtt", description="Product Video Template Transfer: tools beside the workflow"
    )
    parser.add_argument("--version", action="version", version=f"pvtt {__version__}")
    groups = parser.add_subparsers(required=True, metavar="COMMAND")
    models.add_command(groups)
    compare.add_commands(groups)
    review.add_command(groups)
    calibrate.add_command(groups)
    timeline.add_command(groups)
    estimate.add_command(groups)
    store.add_command(groups)
    return parser

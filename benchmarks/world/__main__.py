"""Render a world: `python -m world OUT --size demo --seed 0` (with benchmarks/ on PYTHONPATH)."""

from __future__ import annotations

import argparse

from world.generate import default_jobs, make_world
from world.plans import SIZES


def main() -> None:
    """Parse the command line and render."""
    parser = argparse.ArgumentParser(prog="python -m world", description="Render a product feed with its truth.")
    parser.add_argument("out", help="folder to write to")
    parser.add_argument("--size", choices=sorted(SIZES), default="demo")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=default_jobs())
    parser.add_argument("--no-depth", action="store_true", help="leave the depth maps out: they are most of the bytes")
    arguments = parser.parse_args()
    print(make_world(arguments.out, arguments.seed, arguments.size, arguments.jobs, not arguments.no_depth))


if __name__ == "__main__":
    main()

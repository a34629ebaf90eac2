"""Draw a feed: `python -m pvtt.synthetic OUT --size demo --seed 0`."""

from __future__ import annotations

import argparse

from pvtt.synthetic.feed import PLANS, make_feed


def main() -> None:
    """Parse the command line and draw."""
    parser = argparse.ArgumentParser(prog="python -m pvtt.synthetic", description="Draw a generated product feed.")
    parser.add_argument("out", help="folder to write to")
    parser.add_argument("--size", choices=sorted(PLANS), default="demo")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(make_feed(arguments.out, arguments.seed, arguments.size))


if __name__ == "__main__":
    main()

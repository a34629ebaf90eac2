"""Learn a calibration that ships with the project from benchmarks on rendered worlds.

    python benchmarks/calibrate.py masks WORLD/bench/bench.json ... --out resources/calibration/masks-classical.json
    python benchmarks/calibrate.py forward WORLD/bench/bench.json ... \\
        --out resources/calibration/pairs-composite-forward.json

The worlds must not be those on which the calibration is measured afterwards. Clips of one video stay together.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pvtt.config.settings import stage_defaults
from pvtt.io.files import read_json
from pvtt.records.ids import clip_product
from pvtt.reporting.calibration import BETTER, SMALL_ERROR
from pvtt.stages.verdicts.fitting import fit_calibration
from pvtt.stages.verdicts.masks import WORDS
from stages.segmentation import GOOD_J

# What a clip must be for any use, however good its masks are; their limits stay in force.
FEASIBLE = ("visible_share", "mean_area", "largest_area", "side_to_side")
OPINION = {"second_opinion": 1, "photo_match": 1}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the calibration and print what it is worth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["masks", "forward", "reverse"])
    parser.add_argument("benches", type=Path, nargs="+", help="bench.json of worlds")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--precision", type=float, default=0.9)
    asked = parser.parse_args(arguments)
    masks = asked.kind == "masks"
    found = list(mask_items(asked.benches) if masks else pair_items(asked.benches))
    limits = stage_defaults("verdicts")["masks"]
    better = {name: 1 if limits[name]["good"] > limits[name]["reject"] else -1 for name in WORDS} | OPINION
    about: dict[str, Any] = {"good": f"error to the true swap at most {SMALL_ERROR}"}
    if masks:
        about = {"good": f"mean J over {GOOD_J}", "requires": list(OPINION), "limits": list(FEASIBLE)}
    calibration = fit_calibration(
        asked.out.stem,
        [item["measures"] for item in found],
        [item["good"] for item in found],
        [item["group"] for item in found],
        {name: side for name, side in better.items() if name not in FEASIBLE} if masks else BETTER,
        asked.precision,
        backend=found[0]["backend"],
        versions={"segmentation" if masks else "scoring": found[0]["version"]},
        data={"worlds": sorted({item["world"] for item in found})},
        **about,
    )
    calibration.write(asked.out)
    print(calibration.model_dump_json(indent=1, include={"offset", "terms", "threshold", "validation"}))
    return 0


def pair_items(benches: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Scored results of the chain's backend, on true inputs and on our own."""
    for path in benches:
        bench = read_json(path)
        world = f"{bench['world']['size']} {bench['world']['seed']}"
        for outcome in bench["outcomes"]:
            facts = outcome["facts"]
            if outcome["stage"] == "scoring" and facts.get("true_error") is not None and facts["status"] == "scored":
                yield {
                    "measures": facts["measures"],
                    "good": facts["true_error"] <= SMALL_ERROR,
                    "group": f"{world} {clip_product(outcome['item'].partition('__')[0])}",
                    "world": world,
                    "backend": outcome["backend"],
                    "version": facts["version"],
                }


def mask_items(benches: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Measured masks of clips whose product has a photo; those of a clip without a product are bad."""
    for path in benches:
        bench = read_json(path)
        world = f"{bench['world']['size']} {bench['world']['seed']}"
        for outcome in bench["outcomes"]:
            facts = outcome["facts"]
            if outcome["stage"] == "segmentation" and OPINION.keys() <= facts.get("measures", {}).keys():
                yield {
                    "measures": facts["measures"],
                    "good": not facts["empty"] and outcome["figures"]["j"] > GOOD_J,
                    "group": f"{world} {clip_product(outcome['item'])}",
                    "world": world,
                    "backend": outcome["backend"],
                    "version": facts["version"],
                }


if __name__ == "__main__":
    sys.exit(main())

"""Measure every stage on a rendered world, and on a feed of real videos where there is one.

    python benchmarks/bench.py --world DIR [--feed DIR] --out DIR [--stages shots,segmentation,...] [--jobs 2]
        [--configfile config/presets/small-models.yaml] [--clips N | --only CLIP,...]
        [--backend insertion=composite --backend insertion=package.module:Class ...]

Each stage runs on true inputs (`isolated`) and on what the stages before it made (`chained`). Writes bench.json (every
figure of every item, and the summary), bench.md (one table) and pictures; working files stay under OUT/work.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2

import plots
from pvtt.config.settings import read
from pvtt.io.files import write_json
from pvtt.io.progress import progress
from stages import background, feed, insertion, products, segmentation, shots, tracks
from stages.common import Options, Outcome, guarded, make_true_clip
from summary import MODES, STAGES, markdown, meaning, summarise
from truth import Clip, World, select

Job = tuple[Callable[..., list[Outcome]], tuple[Any, ...]]
HEADLINE = {
    "shots": ("hard_f1", "gradual_f1"),
    "segmentation": ("j", "accepted", "j_accepted", "qa_auroc", "empty_rejected"),
    "background": ("psnr_inside", "shadow_residue", "psnr_outside"),
    "products": ("iou", "base band", "accepted"),
    "tracks": ("aj", "delta", "oa"),
    "insertion": ("psnr_inside", "ssim_inside", "ssim_coarse", "position", "scale", "colour", "shadow"),
    "scoring": (
        "spearman quality_score",
        "auroc quality_score",
        "filter_precision",
        "filter_recall",
        "verdict precision [forward]",
        "verdict recall [forward]",
        "auroc p_good [forward]",
        "kept [true_swap]",
        "kept [unchanged]",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 when an item could not be measured."""
    options, asked = parse(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["TQDM_DISABLE"] = "1"  # of the workers: this process shows one bar for all
    shutil.rmtree(options.out / "work", ignore_errors=True)
    started = time.perf_counter()
    outcomes: list[Outcome] = []
    with pool_of(asked.jobs) if asked.jobs > 1 else nullcontext() as pool:
        for title, jobs in phases(options, asked):
            outcomes += run(title, jobs, pool)
    bench = report(options, asked, outcomes, time.perf_counter() - started)
    return 1 if bench["errors"] else 0


def pool_of(jobs: int) -> ProcessPoolExecutor:
    """Processes of one thread each, as the workflow's jobs are."""
    return ProcessPoolExecutor(jobs, get_context("spawn"), cv2.setNumThreads, (1,))


def parse(arguments: Sequence[str] | None = None) -> tuple[Options, argparse.Namespace]:
    """Options of the stages and the rest of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--world", type=Path, help="a rendered world")
    parser.add_argument("--feed", type=Path, help="a feed of real videos with truth/cuts.json and truth/masks.json")
    parser.add_argument("--feed-results", type=Path, help="a finished run on the feed, instead of running the stages")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", default=",".join(STAGES), help="of " + ", ".join(STAGES))
    parser.add_argument("--backend", action="append", default=[], metavar="STAGE=NAME", help="instead of the default")
    parser.add_argument("--configfile", type=Path, help="a run's configuration, such as a preset")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--clips", type=int, help="at most so many clips, evenly spread")
    parser.add_argument("--only", default="", help="clip ids (of a feed alone: product ids), with commas")
    parser.add_argument("--swaps", type=int, default=1, help="true swaps per clip")
    asked = parser.parse_args(arguments)
    stages = frozenset(asked.stages.split(","))
    if not asked.world and not asked.feed:
        parser.error("--world or --feed is needed")
    if unknown := stages - set(STAGES):
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    backends: dict[str, list[str]] = {"insertion": ["composite", insertion.PASTE]}
    given: dict[str, list[str]] = {}
    for choice in asked.backend:
        stage, _, name = choice.partition("=")
        if stage not in STAGES or not name:
            parser.error(f"--backend {choice}: write STAGE=NAME")
        given.setdefault(stage, []).append(name)
    world = World((asked.world or asked.feed).resolve())
    config = read([asked.configfile]) if asked.configfile else {}
    return Options(world, asked.out.resolve(), stages, backends | given, asked.swaps, config), asked


def phases(options: Options, asked: argparse.Namespace) -> Iterator[tuple[str, list[Job]]]:
    """What is run, in order: a later phase needs the files of the one before."""
    if asked.world:
        clips = select(options.world.clips(), asked.only.split(",") if asked.only else [], asked.clips)
        shown = {clip.product_id for clip in clips}
        everything = not asked.only and asked.clips is None
        if "shots" in options.stages:
            chosen = [product for product in options.world.cuts if everything or product in shown]
            yield "shots", [(measure_video, (options, product)) for product in chosen]
        if options.stages & {"products", "segmentation", "insertion", "scoring"}:
            needed = shown | {target for clip in clips for target in insertion.chosen_swaps(options, clip)}
            chosen = [product for product in options.world.rows if everything or product in needed]
            photos = [(product, *photo) for product in chosen for photo in options.world.photos(product)]
            yield "cut-outs", [(measure_photo, (options, *photo)) for photo in photos]
        if options.stages - {"shots", "products"}:
            longest = sorted(clips, key=lambda clip: -len(clip.swaps))
            yield "clips", [(measure_clip, (options, clip)) for clip in longest]
    if asked.feed:
        only = [] if asked.world or not asked.only else asked.only.split(",")
        yield "feed", feed.jobs(options, asked.feed.resolve(), asked.feed_results, only)


def measure_video(options: Options, product: str) -> list[Outcome]:
    """Shots of one video."""
    return guarded("shots", product, lambda: shots.measure_video(options, product))


def measure_photo(options: Options, product: str, index: int, photo: Path) -> list[Outcome]:
    """Cut-out of one photo."""
    return guarded("products", f"{product}/{index}", lambda: products.measure_photo(options, product, index, photo))


def measure_clip(options: Options, clip: Clip) -> list[Outcome]:
    """Everything that is measured on one clip, stage by stage: the chain runs through them."""
    true: list[Path] = []
    outcomes = guarded("clip", clip.clip_id, lambda: true.append(make_true_clip(options, clip)) or [])
    if not true:
        return outcomes
    stages: list[tuple[str, Any]] = [("segmentation", segmentation)]
    if clip.has_product:
        stages += [("background", background), ("tracks", tracks), ("insertion", insertion)]
    for name, module in stages:
        if name in options.stages or (name == "insertion" and "scoring" in options.stages):
            outcomes += guarded(name, clip.clip_id, lambda m=module: m.measure_clip(options, clip, true[0]))
    return outcomes


def run(title: str, jobs: Sequence[Job], pool: Executor | None) -> list[Outcome]:
    """Run jobs in the pool's processes, or here without one; outcomes in the order of the jobs."""
    if pool is None:
        return [outcome for function, arguments in progress(jobs, title) for outcome in function(*arguments)]
    running = [pool.submit(function, *arguments) for function, arguments in jobs]
    for _ in progress(as_completed(running), title, len(running)):
        pass
    return [outcome for one in running for outcome in one.result()]


def report(options: Options, asked: argparse.Namespace, outcomes: list[Outcome], seconds: float) -> dict[str, Any]:
    """Write bench.json, bench.md and the pictures, print the headline; return the content of bench.json."""
    rows = summarise(outcomes)
    errors = [outcome for outcome in outcomes if outcome.mode == "error"]
    world = options.world.info if asked.world else {}
    bench = {
        "world": {key: world.get(key) for key in ("seed", "size", "version")},
        "seconds": round(seconds, 1),
        "cpu_s": cpu_seconds(outcomes),
        "summary": rows,
        "outcomes": [asdict(outcome) for outcome in outcomes if outcome.mode in MODES],
        "errors": [asdict(outcome) for outcome in errors],
    }
    write_json(options.out / "bench.json", bench)
    (options.out / "bench.md").write_text("\n".join([*markdown(rows), ""]), encoding="utf-8")
    plots.draw_all(options, outcomes)
    print(*headline(rows), sep="\n")
    for stage, note in sorted({(o.stage, o.facts["note"]) for o in outcomes if "note" in o.facts}):
        print(f"{stage}: not measured, {note}")
    for outcome in errors:
        print(f"not measured: {outcome.stage} of {outcome.item}: {outcome.facts['error']}", file=sys.stderr)
    parts = ", ".join(f"{stage} {spent:.0f}" for stage, spent in bench["cpu_s"].items())
    print(f"{seconds:.0f} s (processor seconds: {parts}); table in {options.out / 'bench.md'}")
    return bench


def cpu_seconds(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Processor time per stage; scoring's is in insertion's, whose results it scores at once."""
    spent: dict[str, float] = {}
    for outcome in outcomes:
        if outcome.mode == "timing":
            spent[outcome.stage] = round(spent.get(outcome.stage, 0.0) + outcome.facts["cpu_s"], 1)
    return spent


def headline(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The figures that matter most, a line each."""
    lines = []
    for row in rows:
        if row["metric"] in HEADLINE[row["stage"]] and row["value"] is not None:
            spread = f"  [{row['p10']:.3g} to {row['p90']:.3g}]" if "p10" in row else ""
            head = f"{row['stage']:13}{row['backend']:15}{row['mode']:10}{meaning(row['metric']):45}"
            lines.append(f"{head}{row['value']:8.3f}  n={row['n']}{spread}")
    return lines


if __name__ == "__main__":
    sys.exit(main())

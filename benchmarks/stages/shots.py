"""Shots: hard cuts and gradual transitions of every video against the truth, and speed against plain decoding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pvtt.io import video as media
from pvtt.metrics import Detections, match_cuts, match_gradual
from pvtt.records.media import Shots
from pvtt.records.provenance import Stopwatch
from pvtt.stages.shots import detect_shots
from stages.common import Options, Outcome, backend_name

KINDS = ("hard", "gradual")


def measure_video(options: Options, product: str) -> Iterator[Outcome]:
    """One outcome per backend for a product's video."""
    video, truth = options.world.video(product), options.world.cuts[product]
    for settings in options.settings("shots"):
        out = options.out / "work" / "shots"
        yield measure_file(video, product, truth, settings, "isolated", out)


def measure_file(
    video: Path, product: str, truth: Mapping[str, Any], settings: Mapping[str, Any], mode: str, out: Path
) -> Outcome:
    """Detect the shots of one video, time it and plain decoding, and compare with `truth`, its entry of cuts.json."""
    watch = Stopwatch()
    frames = sum(1 for _ in media.read_frames(video))
    decoding = watch.seconds
    record = detect_shots(video, product, settings)
    seconds = record.provenance.seconds
    name = backend_name("shots", settings)
    record.write(out / name / f"{product}.json")
    figures = {"frames_per_s": frames / seconds, "s_per_frame": seconds / frames, "times_decoding": seconds / decoding}
    counts = compare(record, truth)
    facts = {kind: [c.hits, c.false, c.missed] for kind, c in counts.items()}
    for kind, counted in counts.items():
        figures |= {f"{kind}_video_f1": counted.f1}
    return Outcome("shots", name, mode, product, figures, facts)


def compare(record: Shots, truth: Mapping[str, Any]) -> dict[str, Detections]:
    """Counts of hard cuts and gradual transitions of a shots record."""
    gradual = [(g["first_frame"], g["last_frame"]) for g in truth["gradual"]]
    return {
        "hard": match_cuts(record.cuts, truth["hard"], gradual),
        "gradual": match_gradual([(a, b) for a, b in record.gradual], gradual),
    }


def pooled(outcomes: Iterable[Outcome]) -> dict[str, tuple[float | None, int]]:
    """Precision, recall and F1 over all videos together, with the number of true transitions."""
    figures: dict[str, tuple[float | None, int]] = {}
    chosen = [outcome for outcome in outcomes if outcome.facts]
    for kind in KINDS:
        total = sum((Detections(*outcome.facts[kind]) for outcome in chosen), Detections())
        true = total.hits + total.missed
        figures[f"{kind}_precision"] = total.precision, true
        figures[f"{kind}_recall"] = total.recall, true
        figures[f"{kind}_f1"] = total.f1, true
    return figures

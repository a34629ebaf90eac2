"""Pictures of a benchmark: how the figures spread, and one pair from source to result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np

from pvtt.io import images, video
from pvtt.records.layout import ClipFiles, PairFiles
from pvtt.reporting.calibration import SMALL_ERROR
from stages.background import chained_folder
from stages.common import Options, Outcome, backend_name, clip_folder, pair_folder
from stages.scoring import CONTROLS
from stages.segmentation import GOOD_J
from summary import MODES
from truth import Clip

mpl.use("Agg")
from matplotlib import pyplot as plt

Array = np.ndarray
_ACCEPTED, _REJECTED = "#2a7f62", "#c8553d"
_COLOURS = ("#2f5d8a", "#d9a441", "#8a5a83", "#5f7f3f")


def draw_all(options: Options, outcomes: Sequence[Outcome]) -> list[Path]:
    """Draw every picture for which there are outcomes into OUT; return their files."""
    drawings: dict[str, Callable[[Sequence[Outcome]], plt.Figure | None]] = {
        "segmentation_j.png": j_per_clip,
        "segmentation_qa.png": qa_against_j,
        "background_psnr.png": background_psnr,
        "insertion.png": insertion_figures,
        "scoring.png": score_against_error,
    }
    written = []
    for name, draw in drawings.items():
        figure = draw([outcome for outcome in outcomes if outcome.mode in MODES])
        if figure is not None:
            figure.savefig(options.out / name, dpi=110, bbox_inches="tight")
            plt.close(figure)
            written.append(options.out / name)
    if (pair := typical_pair(outcomes)) is not None:
        images.write_png(options.out / "contact.png", contact(options, *pair))
        written.append(options.out / "contact.png")
    return written


def _of(outcomes: Sequence[Outcome], stage: str, figure: str, *modes: str) -> list[Outcome]:
    return [o for o in outcomes if o.stage == stage and o.mode in modes and o.figures.get(figure) is not None]


def j_per_clip(outcomes: Sequence[Outcome]) -> plt.Figure | None:
    """Region J of every clip, sorted, coloured by the verdict."""
    chosen = sorted(_of(outcomes, "segmentation", "j", "isolated", "feed"), key=lambda o: o.figures["j"] or 0)
    if not chosen:
        return None
    figure, axes = plt.subplots(figsize=(max(6, 0.28 * len(chosen)), 3.4))
    colours = [_ACCEPTED if o.facts["status"] == "accepted" else _REJECTED for o in chosen]
    axes.bar([_named(o) for o in chosen], [o.figures["j"] or 0 for o in chosen], color=colours)
    axes.axhline(GOOD_J, color="0.4", linewidth=0.8, linestyle=":")
    axes.set(ylabel="region J", ylim=(0, 1), title="Masks per clip: green accepted, red rejected by the QA")
    axes.tick_params(axis="x", labelrotation=90, labelsize=7)
    return figure


def qa_against_j(outcomes: Sequence[Outcome]) -> plt.Figure | None:
    """QA score against region J."""
    chosen = _of(outcomes, "segmentation", "j", "isolated", "feed")
    if not chosen:
        return None
    figure, axes = plt.subplots(figsize=(4.4, 4))
    for status, colour in (("accepted", _ACCEPTED), ("rejected", _REJECTED)):
        some = [o for o in chosen if o.facts["status"] == status]
        axes.scatter([o.facts["score"] for o in some], [o.figures["j"] for o in some], s=22, color=colour, label=status)
    axes.axhline(GOOD_J, color="0.4", linewidth=0.8, linestyle=":")
    axes.set(xlabel="QA score", ylabel="region J", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(frameon=False, loc="lower right")
    return figure


def background_psnr(outcomes: Sequence[Outcome]) -> plt.Figure | None:
    """PSNR inside the hole and what is left of the shadow, per clip."""
    chosen = _of(outcomes, "background", "psnr_inside", "isolated", "chained", "feed")
    if not chosen:
        return None
    best = {o.item: o.figures["psnr_inside"] or 0 for o in reversed(chosen)}
    places = {item: place for place, item in enumerate(sorted(best, key=lambda item: best[item]))}
    figure, (upper, lower) = plt.subplots(2, 1, figsize=(max(6, 0.3 * len(places)), 5), sharex=True)
    groups = sorted({(o.backend, o.mode) for o in chosen}, key=lambda g: (g[1] != "isolated", g))
    for (backend, mode), colour in zip(groups, _COLOURS * 4, strict=False):
        some = [o for o in chosen if (o.backend, o.mode) == (backend, mode)]
        label = f"{backend}, {mode}"
        at = [places[o.item] for o in some]
        upper.scatter(at, [o.figures["psnr_inside"] for o in some], s=20, color=colour, label=label)
        left = [(place, o) for place, o in zip(at, some, strict=True) if o.figures.get("shadow_residue") is not None]
        lower.scatter([p for p, _ in left], [o.figures["shadow_residue"] for _, o in left], s=20, color=colour)
    upper.set(ylabel="PSNR inside, dB")
    upper.legend(frameon=False, fontsize=8)
    lower.set(ylabel="shadow left", ylim=(0, None), xticks=list(places.values()), xticklabels=list(places))
    lower.axhline(0.25, color="0.4", linewidth=0.8, linestyle=":")
    lower.tick_params(axis="x", labelrotation=90, labelsize=7)
    return figure


def insertion_figures(outcomes: Sequence[Outcome]) -> plt.Figure | None:
    """Every figure of insertion, a box per backend and mode."""
    chosen = _of(outcomes, "insertion", "psnr_inside", "isolated", "chained")
    if not chosen:
        return None
    names = ("ssim_inside", "ssim_coarse", "iou", "position", "scale", "colour", "shadow", "flicker")
    groups = sorted({(o.mode, o.backend) for o in chosen}, key=lambda g: (g[0] != "isolated", g[1]))
    figure, axes = plt.subplots(2, 4, figsize=(12, 5.6))
    for place, name in zip(axes.flat, names, strict=True):
        values = [[o.figures[name] for o in chosen if (o.mode, o.backend) == g] for g in groups]
        kept = [[value for value in column if value is not None] for column in values]
        place.boxplot(kept, tick_labels=[f"{backend}\n{mode}" for mode, backend in groups], widths=0.6, showfliers=True)
        place.set_title(name)
        place.tick_params(axis="x", labelsize=7)
    figure.tight_layout()
    return figure


def score_against_error(outcomes: Sequence[Outcome]) -> plt.Figure | None:
    """Quality score against the true error, with the filter's decision."""
    chosen = [o for o in outcomes if o.stage == "scoring" and o.facts["scores"].get("quality_score") is not None]
    chosen = [o for o in chosen if o.facts["true_error"] is not None and o.facts["insertion"] not in CONTROLS]
    if not chosen:
        return None
    figure, axes = plt.subplots(figsize=(5, 4))
    for insertion, marker in zip(sorted({o.facts["insertion"] for o in chosen}), "osD^v*", strict=False):
        for kept, colour in ((True, _ACCEPTED), (False, _REJECTED)):
            some = [o for o in chosen if o.facts["insertion"] == insertion and o.facts["kept"] == kept]
            at = [o.facts["true_error"] for o in some], [o.facts["scores"]["quality_score"] for o in some]
            axes.scatter(*at, s=22, marker=marker, color=colour, label=f"{insertion}, {'kept' if kept else 'dropped'}")
    axes.axvline(SMALL_ERROR, color="0.4", linewidth=0.8, linestyle=":")
    axes.set(xlabel="true error, 1 - coarse SSIM inside", ylabel="quality score")
    axes.legend(frameon=False, fontsize=8)
    return figure


def typical_pair(outcomes: Sequence[Outcome]) -> tuple[str, str, str] | None:
    """Clip, target and backend of the result with the median coarse SSIM; from the chain where one is there."""
    for mode in ("chained", "isolated"):
        chosen = _of(outcomes, "insertion", "ssim_coarse", mode)
        chosen = [o for o in chosen if o.backend == chosen[0].backend]
        if chosen:
            ranked = sorted(chosen, key=lambda o: o.figures["ssim_coarse"] or 0)
            middle = ranked[len(ranked) // 2]
            return middle.facts["clip_id"], middle.facts["target_id"], f"{middle.backend}_{mode}"
    return None


def contact(options: Options, clip_id: str, target: str, result: str) -> Array:
    """Source, mask, true and our background, true and our swap at the middle frame, uint8 (h, w, 3) RGB."""
    clip = Clip(options.world.root, options.world.info["clips"][clip_id])
    chained = result.endswith("_chained")
    true = clip_folder(options, clip, "true")
    background = backend_name("background", options.settings("background")[0])
    own = chained_folder(options, clip) if chained else clip_folder(options, clip, f"background_{background}")
    masks = video.read_masks(ClipFiles(own if chained else true).masks).any(0)
    shown = np.flatnonzero(masks.any((1, 2)))
    frame = int(shown[len(shown) // 2]) if len(shown) else 0
    source, mask = _frame(ClipFiles(true).video, frame), masks[frame]
    tinted = source.copy()
    tinted[mask] = tinted[mask] // 2 + np.array([127, 0, 60], np.uint8)
    made = ClipFiles(own).background
    tiles = {
        "source": source,
        "our mask" if chained else "true mask": tinted,
        "true background": _frame(clip.folder / "background.mp4", frame),
        "our background": _frame(made if made.is_file() else ClipFiles(true).background, frame),
        "true swap": _frame(clip.folder / "swaps" / f"{target}.mp4", frame),
        "our swap": _frame(PairFiles(pair_folder(options, clip, target, result)).video, frame),
    }
    labelled = [_labelled(image, text) for text, image in tiles.items()]
    return np.concatenate([np.concatenate(labelled[row::2], 1) for row in (0, 1)])


def _frame(path: Path, index: int) -> Array:
    return next(image for _, image in video.read_some(path, [index]))


def _labelled(image: Array, text: str) -> Array:
    height, width = image.shape[:2]
    tile = cv2.resize(image, (480, round(height * 480 / width)), interpolation=cv2.INTER_AREA)
    tile = cv2.copyMakeBorder(tile, 24, 4, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return cv2.putText(tile, text, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)


def _named(outcome: Outcome) -> str:
    return outcome.item if outcome.mode != "feed" else f"{outcome.item} (feed)"

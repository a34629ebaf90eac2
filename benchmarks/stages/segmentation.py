"""Segmentation: J and F of DAVIS per clip, presence, and what the QA's verdict and score are worth.

J and F are means over the frames in which the truth or the result has a product; whether a frame has one at all is the
presence accuracy. DAVIS counts frames that both leave empty as right, which flatters clips with late entries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from pvtt.io import video
from pvtt.metrics import auroc, boundary_f, mask_iou, presence_accuracy, selective
from pvtt.records.layout import ClipFiles
from pvtt.records.results import MeasuredMasks
from pvtt.stages.segmentation import segment_clip
from stages.common import Options, Outcome, backend_name, clip_folder, cutout_paths, take, verdict_facts
from truth import Clip

Array = np.ndarray

GOOD_J = 0.8
BUCKETS = ((0.002, "<0.2 %"), (0.01, "0.2-1 %"), (0.05, "1-5 %"), (0.15, "5-15 %"), (0.35, "15-35 %"), (1.0, ">35 %"))


def measure_clip(options: Options, clip: Clip, true: Path) -> Iterator[Outcome]:
    """One outcome per backend; masks stay in the clip's folder `segmentation_<backend>`."""
    truth = clip.masks()
    for settings in options.settings("segmentation"):
        name = backend_name("segmentation", settings)
        files = ClipFiles(clip_folder(options, clip, f"segmentation_{name}"))
        folder = take(true, files.folder, files.video.name, files.record.name)
        references = cutout_paths(options, clip.product_id)[: settings["references"]]
        title = options.world.rows[clip.product_id]["title"]
        segment_clip(folder, references, title, settings)
        record = MeasuredMasks.read(files.mask_measures)
        masks = video.read_masks(files.masks).any(0)
        facts = verdict_facts(options, folder) | {"empty": not clip.has_product}
        facts |= {"mean_area": clip.record["mean_area"], "tags": clip.record.get("tags", [])}
        facts |= {
            "measures": record.measures,
            "version": f"{record.provenance.version}, {record.provenance.measured_by}",
        }
        figures = mask_figures(masks, truth) if clip.has_product else {}
        figures["s_per_frame"] = record.provenance.seconds / len(truth)
        yield Outcome("segmentation", name, "isolated", clip.clip_id, figures, facts)


def mask_figures(masks: Array, truth: Array) -> dict[str, float | None]:
    """`j`, `f`, their mean `jf` and `presence` of masks bool (n, h, w)."""
    shown = np.flatnonzero(masks.any((1, 2)) | truth.any((1, 2)))
    j = float(np.mean([mask_iou(masks[i], truth[i]) for i in shown]))
    f = float(np.mean([boundary_f(masks[i], truth[i]) for i in shown]))
    return {"j": j, "f": f, "jf": (j + f) / 2, "presence": presence_accuracy(masks, truth)}


def bucket(area: float) -> str:
    """Name of the bucket of a mean area (share of the frame)."""
    return next(name for limit, name in BUCKETS if area <= limit)


def pooled(outcomes: Iterable[Outcome]) -> dict[str, tuple[float | None, int]]:
    """Figures over clips together: verdicts, ranking by the QA score, buckets; each with the number of clips."""
    every = list(outcomes)
    shown = [o for o in every if not o.facts["empty"]]
    empty = [o for o in every if o.facts["empty"]]
    figures: dict[str, tuple[float | None, int]] = {}
    if shown:
        j = np.array([o.figures["j"] for o in shown], float)
        accepted = np.array([o.facts["status"] == "accepted" for o in shown])
        chosen = selective(j, accepted)
        figures["accepted"] = chosen["share"], len(shown)
        figures["j_accepted"] = chosen["accepted"], int(accepted.sum())
        figures["j_accepted_worst"] = (float(j[accepted].min()) if accepted.any() else None), int(accepted.sum())
        figures["qa_auroc"] = auroc([o.facts["score"] for o in shown], j > GOOD_J), len(shown)
        figures |= _buckets(shown)
    if empty:
        figures["empty_rejected"] = float(np.mean([o.facts["status"] == "rejected" for o in empty])), len(empty)
    return figures


def _buckets(shown: list[Outcome]) -> dict[str, tuple[float | None, int]]:
    figures: dict[str, tuple[float | None, int]] = {}
    for _, name in BUCKETS:
        of_size: list[Any] = [o for o in shown if bucket(o.facts["mean_area"]) == name]
        if of_size:
            figures[f"j [{name}]"] = float(np.mean([o.figures["j"] for o in of_size])), len(of_size)
            taken = [o.facts["status"] == "accepted" for o in of_size]
            figures[f"accepted [{name}]"] = float(np.mean(taken)), len(of_size)
    return figures

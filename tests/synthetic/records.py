"""Whole records for tests, each field at a plain value unless it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pvtt.records.calibration import Calibration, Term, Validation
from pvtt.records.ids import clip_product
from pvtt.records.media import Clip, CutOut, Shots
from pvtt.records.results import Background, Insertion, MaskVerdict, MeasuredMasks, Score, Track

PROVENANCE = {
    "pvtt": "0",
    "backend": "fabricated",
    "version": "1",
    "models": [],
    "licence": "Apache-2.0",
    "settings": {},
    "seed": None,
    "inputs": {},
    "seconds": 1.25,
}
_SIZE = {"fps": "25/1", "n_frames": 2, "width": 64, "height": 48}


def shots_record(product_id: str = "A", **changes: Any) -> Shots:
    """A video without a shot."""
    known = {"product_id": product_id, "status": "accepted", "reason": "", "detector": "fabricated:none"} | _SIZE
    known |= {"cuts": [], "gradual": [], "shots": [], "provenance": PROVENANCE}
    return Shots.of(known | changes)


def clip_record(clip_id: str = "A_s01", **changes: Any) -> Clip:
    """A clip of 2 frames."""
    source = {"video": "A.mp4", "start_frame": 0, "end_frame": 2, "width": 64, "height": 48}
    known = {"clip_id": clip_id, "product_id": clip_product(clip_id), "source": source, "content_rect": [0, 0, 64, 48]}
    return Clip.of(known | _SIZE | {"empty": False, "provenance": PROVENANCE} | changes)


def track_record(clip_id: str = "A_s01", **changes: Any) -> Track:
    """A track without frames, objects and points."""
    return Track.of({"clip_id": clip_id} | _SIZE | {"frames": [], "objects": [], "points": []} | changes)


def track_frame(box: list[int] | None, area: float = 0.1) -> dict[str, Any]:
    """A frame of a track; no box: the product is not seen."""
    return {"visible": box is not None, "box": box, "area": area if box else 0.0}


def masks_record(clip_id: str = "A_s01", **changes: Any) -> MeasuredMasks:
    """Measured masks."""
    known = {"clip_id": clip_id, "status": "measured", "reason": "", "measures": {}, "provenance": PROVENANCE}
    return MeasuredMasks.of(known | changes)


def mask_verdict_record(clip_id: str = "A_s01", **changes: Any) -> MaskVerdict:
    """Masks that were accepted."""
    return MaskVerdict.of({"clip_id": clip_id, "status": "accepted", "reason": "", "score": 0.95} | changes)


def term(measure: str, low: float, high: float, weight: float = 1.0, absent: float = 0.25) -> Term:
    """A term of a calibration."""
    return Term(measure=measure, low=low, high=high, weight=weight, absent=absent)


def calibration(
    *terms: Term, offset: float = 0.0, isotonic: Sequence[Sequence[float]] = (), threshold: float = 0.5
) -> Calibration:
    """A calibration that was learnt from nothing."""
    nothing: dict[str, Any] = dict.fromkeys(Validation.model_fields, 0) | {"reliability": []}
    nothing |= dict.fromkeys(("precision_interval", "recall_interval"))
    return Calibration(
        name="drawn",
        good="drawn",
        backend=PROVENANCE["backend"],
        versions={},
        data=None,
        offset=offset,
        terms=list(terms),
        isotonic=[list(knot) for knot in isotonic],
        threshold=threshold,
        precision=0.9,
        validation=Validation(**nothing),
    )


def background_record(clip_id: str = "A_s01", **changes: Any) -> Background:
    """A background that was made."""
    known = {"clip_id": clip_id, "status": "done", "reason": "", "measures": {}, "provenance": PROVENANCE}
    return Background.of(known | changes)


def cutout_record(product_id: str = "B", image_index: int = 1, **changes: Any) -> CutOut:
    """An accepted cut-out."""
    known = {"product_id": product_id, "image_index": image_index, "status": "accepted", "reason": ""}
    about = {"image": "1.jpg", "width": 64, "height": 64, "box": [0, 0, 64, 64], "main": image_index == 1}
    return CutOut.of(known | about | {"measures": {}, "provenance": PROVENANCE} | changes)


def insertion_record(pair_id: str = "A_s01__B_i1", **changes: Any) -> Insertion:
    """An insertion that was made."""
    clip, rest = pair_id.split("__")
    target, image = rest.rsplit("_i", 1)
    known = {"pair_id": pair_id, "clip_id": clip, "source_id": clip_product(clip), "target_id": target}
    known |= {"image_index": int(image), "seed": 1, "status": "done", "reason": "", "control": "boxes", "measures": {}}
    return Insertion.of(known | _SIZE | {"boxes": [], "provenance": PROVENANCE} | changes)


def score_record(pair_id: str = "A_s01__B_i1", **changes: Any) -> Score:
    """A score without measures; `scores` need not name all."""
    scores = dict.fromkeys(("identity", "temporal", "lighting", "overall")) | changes.pop("scores", {})
    known = {"pair_id": pair_id, "status": "scored", "reason": "", "scores": scores, "measures": {}}
    return Score.of(known | {"provenance": PROVENANCE} | changes)

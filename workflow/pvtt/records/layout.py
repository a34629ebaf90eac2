"""Names of all files and folders of a results folder. The rules name them too; a test holds the two together.

A name can hold wildcards: `Layout("<results>").clip("{clip}").masks` is a pattern of a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ClipFiles:
    """Files of a clip, from its folder."""

    folder: Path

    @property
    def video(self) -> Path:
        """The clip's frames."""
        return self.folder / "video.mp4"

    @property
    def record(self) -> Path:
        """What the clip is and where it was cut."""
        return self.folder / "clip.json"

    @property
    def masks(self) -> Path:
        """Masks of the product's objects, lossless."""
        return self.folder / "masks.mkv"

    @property
    def track(self) -> Path:
        """Boxes, areas and points of the product, per frame."""
        return self.folder / "track.json"

    @property
    def mask_measures(self) -> Path:
        """Measures of the masks."""
        return self.folder / "mask_measures.json"

    @property
    def mask_verdict(self) -> Path:
        """The verdict on the masks."""
        return self.folder / "mask_verdict.json"

    @property
    def background(self) -> Path:
        """The clip without the product."""
        return self.folder / "background.mp4"

    @property
    def region(self) -> Path:
        """Where the background differs from the clip, lossless."""
        return self.folder / "region.mkv"

    @property
    def model(self) -> Path:
        """Trajectory, light and occluders of the clip, for its insertions."""
        return self.folder / "clip_model.npz"

    @property
    def flow(self) -> Path:
        """Optical flow of the clip, for the scores of its insertions."""
        return self.folder / "source_flow.npz"

    @property
    def background_record(self) -> Path:
        """How the background was made."""
        return self.folder / "background.json"


@dataclass(frozen=True)
class CutOutFiles:
    """Files of a photo's cut-out."""

    image: Path

    @property
    def record(self) -> Path:
        """The verdict on the cut-out and its measures."""
        return self.image.with_suffix(".json")


@dataclass(frozen=True)
class PairFiles:
    """Files of a pair, from its folder."""

    folder: Path

    @property
    def video(self) -> Path:
        """The clip with the target product."""
        return self.folder / "insert.mp4"

    @property
    def mask(self) -> Path:
        """Mask of the inserted product, lossless."""
        return self.folder / "insert_mask.mkv"

    @property
    def record(self) -> Path:
        """How the video was made."""
        return self.folder / "insert.json"

    @property
    def score(self) -> Path:
        """Scores and measures."""
        return self.folder / "score.json"

    @property
    def judge(self) -> Path:
        """Raw answers of a judge; there only where one was asked."""
        return self.folder / "judge.json"


@dataclass(frozen=True)
class DatasetFiles:
    """Files of the published dataset, from its folder."""

    folder: Path

    @property
    def card(self) -> Path:
        """The dataset card."""
        return self.folder / "README.md"

    def annotation(self, name: str) -> Path:
        """An annotation file: `pairs`, `quality_scores` or `statistics`."""
        return self.folder / "annotations" / f"{name}.json"

    def masks(self, clip: str) -> Path:
        """Folder of a clip's mask images."""
        return self.folder / "masks" / clip


class Layout:
    """Files of a results folder, whose path can be a pattern such as `<results>`."""

    def __init__(self, results: str | Path) -> None:
        self.results = Path(results)

    @property
    def catalogue(self) -> Path:
        """Table of all rows of the catalogue, accepted or rejected."""
        return self.results / "catalogue.tsv"

    @property
    def clips(self) -> Path:
        """Table of all shots, accepted or rejected."""
        return self.results / "clips.tsv"

    @property
    def mask_verdicts(self) -> Path:
        """Table of the verdicts on the masks of all clips."""
        return self.results / "mask_verdicts.tsv"

    @property
    def format(self) -> Path:
        """Which format the records have."""
        return self.results / "format.json"

    @property
    def pairs(self) -> Path:
        """Table of all candidate pairs, planned or not."""
        return self.results / "pairs.parquet"

    @property
    def packs(self) -> Path:
        """Ledger of the packs: which pair is in which. It only grows."""
        return self.results / "packs.tsv"

    @property
    def filtered(self) -> Path:
        """Table of the verdicts on the scored pairs."""
        return self.results / "filtered.parquet"

    @property
    def canaries(self) -> Path:
        """What was measured on results whose right verdict is known."""
        return self.results / "canaries.json"

    @property
    def canary_verdicts(self) -> Path:
        """The verdicts on these results."""
        return self.results / "canary_verdicts.json"

    @property
    def dataset(self) -> DatasetFiles:
        """The published dataset."""
        return DatasetFiles(self.results / "dataset")

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.results / "report"

    @property
    def review(self) -> Path:
        """Folder of what raters answered."""
        return self.results / "review"

    @property
    def review_answers(self) -> Path:
        """Answers of all raters, one a line. It only grows."""
        return self.review / "answers.jsonl"

    @property
    def review_comparisons(self) -> Path:
        """Answers on the same pairs of two runs, one a line. It only grows."""
        return self.review / "ab_answers.jsonl"

    @property
    def store(self) -> Path:
        """Folder of the results cache, unless the settings name another."""
        return self.results / "store"

    @property
    def logs(self) -> Path:
        """Folder of the jobs' logs."""
        return self.results / "logs"

    def probe(self, product: str) -> Path:
        """What probing a product's video and photos found."""
        return self.results / "catalogue" / f"{product}.json"

    def shots(self, product: str) -> Path:
        """Shots of a product's video."""
        return self.results / "shots" / f"{product}.json"

    @property
    def clip_folders(self) -> Path:
        """Folder of the clips' folders."""
        return self.results / "clips"

    @property
    def pair_folders(self) -> Path:
        """Folder of the pairs' folders."""
        return self.results / "pairs"

    @property
    def serving_logs(self) -> Path:
        """Folder of what the brokers of warm workers note."""
        return self.logs / "serving"

    def clip(self, clip: str) -> ClipFiles:
        """Files of a clip."""
        return ClipFiles(self.clip_folders / clip)

    def cutouts(self, product: str) -> Path:
        """Folder of a product's cut-outs."""
        return self.results / "products" / product

    def cutout(self, product: str, image: int | str) -> CutOutFiles:
        """Files of the cut-out of a product's photo, from 1."""
        return CutOutFiles(self.cutouts(product) / f"{image}.png")

    def pair(self, clip: str, target: str, image: int | str) -> PairFiles:
        """Files of the pair that puts photo `image` (from 1) of `target` into a clip."""
        return PairFiles(self.pair_folders / clip / f"{target}_i{image}")

    def pair_of(self, row: Mapping[str, Any]) -> PairFiles:
        """Files of a pair, a row of the plan."""
        return self.pair(str(row["clip_id"]), str(row["target_id"]), int(row["image_index"]))

    def pack(self, pack: str) -> Path:
        """Sums of a pack."""
        return self.results / "packs" / f"{pack}.json"


def report_page(folder: Path) -> Path:
    """The page of a report or of a comparison."""
    return folder / "index.html"


def report_summary(folder: Path) -> Path:
    """The short page of a report, without media."""
    return folder / "summary.html"


def require_run(results: Path) -> None:
    """Raise ValueError when `results` is no results folder of a run."""
    table = Layout(results).clips
    if not table.is_file():
        raise ValueError(f"{results}: no results of a run ({table.name} is missing)")


@cache
def _patterns() -> dict[str, tuple[str, ...]]:
    """Stage -> patterns (with `*`) of the files and folders that it makes, relative to the results folder."""
    files = Layout("")
    clip, pair, cutout = files.clip("*"), files.pair("*", "*", "*"), files.cutout("*", "*")
    made: dict[str, tuple[Path, ...]] = {
        "catalogue": (files.probe("*"), files.catalogue),
        "shots": (files.shots("*"), files.clips),
        "cutting": (clip.video, clip.record),
        "products": (cutout.image, cutout.record),
        "segmentation": (clip.masks, clip.track, clip.mask_measures),
        "background": (clip.background, clip.region, clip.background_record),
        "mask_verdicts": (clip.mask_verdict, files.mask_verdicts),
        "pairs": (files.pairs,),
        "scoring": (clip.flow, pair.score, pair.judge, files.pack("*"), files.canaries),
        "insertion": (clip.model, pair.folder / "*"),
        "verdicts": (files.filtered, files.canary_verdicts),
        "dataset": (files.dataset.folder / "*",),
        "report": (files.report / "*",),
    }
    return {stage: tuple(path.as_posix() for path in paths) for stage, paths in made.items()}


def stage_of(name: Path) -> str | None:
    """The stage that makes a file, from its path relative to the results folder; None for a file of no stage."""
    text = name.as_posix()
    found = (stage for stage, patterns in _patterns().items() if any(fnmatchcase(text, each) for each in patterns))
    return next(found, None)

"""Planned pairs of a catalogue, by the planning of the pipeline, and the results that exist already.

Catalogue rows, clips, masks and cut-outs come from the results folder. What is not there is assumed: a number of clips
per video, accepted masks and photos, and no infeasible clip. Before a run, the number of pairs is therefore an upper
bound; after `snakemake plan`, it is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pvtt.backends import registry, stages
from pvtt.config.run import RunSettings
from pvtt.config.stages.verdicts import MaskVerdictSettings
from pvtt.records.canaries import Canaries
from pvtt.records.ids import clip_id
from pvtt.records.layout import ClipFiles, Layout
from pvtt.records.media import Clip, CutOut, Shots
from pvtt.records.results import Background, Insertion, MeasuredMasks, Score, Track
from pvtt.records.results_format import check_results
from pvtt.reporting.estimate.existing_results import (
    ExistingResult,
    Result,
    StageSpec,
    of_canaries,
    read_existing,
    stage_specs,
)
from pvtt.reporting.estimate.load_times import read_loads
from pvtt.reporting.estimate.schedule import PAIR_STAGES
from pvtt.reporting.estimate.unit_costs import Figure, assumption, reads_clip_model
from pvtt.stages.catalogue import Row, read_catalogue, read_table
from pvtt.stages.pairs import MaskedClip, Photo, plan_from_records
from pvtt.stages.pairs.packs import assign_packs, read_ledger
from pvtt.stages.pairs.taxonomy import Taxonomy, read_taxonomy
from pvtt.stages.scoring.canaries import canary_settings
from pvtt.stages.verdicts import judge_mask

Key = tuple[str, ...]
# Stage of clips -> type of its record, and its files of a clip, the record first.
_CLIP_RESULTS: dict[str, tuple[type[Result], Callable[[ClipFiles], tuple[Path, ...]]]] = {
    "cutting": (Clip, lambda clip: (clip.record, clip.video)),
    "segmentation": (MeasuredMasks, lambda clip: (clip.mask_measures, clip.masks, clip.track)),
    "background": (Background, lambda clip: (clip.background_record, clip.background, clip.region)),
}
# Features of a clip that nobody has masked yet, such that every pair of it is feasible.
_FEATURES = {"box_coverage": 0.0, "box_y_std_px": 0.0, "visible_share": 1.0}


@dataclass(frozen=True)
class Work:
    """Items of a stage by key, each with its existing result or None."""

    items: dict[Key, ExistingResult | None]

    @property
    def made(self) -> list[ExistingResult]:
        """Existing results, of any settings."""
        return [one for one in self.items.values() if one]

    @property
    def there(self) -> list[ExistingResult]:
        """Existing results that will not be recomputed."""
        return [one for one in self.made if one.current]

    def missing(self) -> int:
        """Number of items to compute or recompute."""
        return len(self.items) - len(self.there)

    def stale(self, *key: str) -> bool:
        """Whether an item exists and will be recomputed."""
        one = self.items.get(key)
        return one is not None and not one.current


@dataclass(frozen=True)
class Feed:
    """A catalogue with its planned pairs.

    plan: all candidates, as in pairs.parquet, with their packs. work: items by stage. assumed_clips: number of clips
    that no run has found yet. verdicts: rows of filtered.parquet whose insertion is current. loads: from `read_loads`.
    """

    products: int
    photos: int
    clips: int
    assumed_clips: int
    clips_per_video: Figure
    plan: pd.DataFrame
    work: dict[str, Work]
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)
    loads: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def packs(self) -> list[int]:
        """Number of pairs to compute in each incomplete pack, in the order of the packs."""
        planned = self.planned()
        done = {key[0] for key in self.work["insertion"].items if all(self._stays(stage, key) for stage in PAIR_STAGES)}
        return [int(count) for count in planned.pack[~planned.pair_id.isin(done)].value_counts(sort=False).sort_index()]

    def _stays(self, stage: str, key: Key) -> bool:
        one = self.work[stage].items[key]
        return one is not None and one.current

    def planned(self) -> pd.DataFrame:
        """Pairs with the status `planned`."""
        return self.plan[self.plan.status == "planned"]


def read_feed(config: Mapping[str, Any], clips_per_video: float | None = None) -> Feed:
    """Plan the pairs of a catalogue with the existing results.

    Parameters
    ----------
    config
        Resolved settings.
    clips_per_video : float or None
        For videos without shot detection. None: the mean of the other videos, or the value in `costs.yaml`.
    """
    chosen = RunSettings.of(config)
    results = Path(chosen.results)
    check_results(results)
    files = Layout(results)
    rows = [row for row in read_catalogue(chosen.catalogue) if row.status == "accepted"]
    catalogue = _catalogue(rows, _table(files.catalogue))
    found = _table(files.clips)
    rate = _clips_per_video(found, clips_per_video)
    clips = _clips(catalogue, found, rate.value)
    photos = [(row.product_id, index) for row in rows for index, image in enumerate(row.images, 1) if image.is_file()]
    masked = [_masked(files.clip(clip["clip_id"]), clip, chosen.verdicts.masks) for clip in clips]
    plan = plan_from_records(
        catalogue,
        Taxonomy(read_taxonomy(chosen.pairs.taxonomy)),
        [clip for clip in masked if clip],
        _photos(files, photos),
        chosen.pairs,
        chosen.max_pairs,
        registry.selected_backends("insertion", config["insertion"])[0].limits.max_frames,
    )
    plan, _ = assign_packs(plan, read_ledger(files.packs), chosen.pairs.pack_pairs)
    planned = plan[plan.status == "planned"]
    videos = [row.product_id for row in rows if row.video and row.video.is_file()]
    work = _work(results, config, videos, clips, [(product, str(index)) for product, index in photos], planned)
    return Feed(
        products=len(rows),
        photos=len(photos),
        clips=len(clips),
        assumed_clips=sum(clip["assumed"] for clip in clips),
        clips_per_video=rate,
        plan=plan,
        work=work,
        verdicts=_verdicts(results, planned, work["insertion"]),
        loads=read_loads(results),
    )


def _table(path: Path) -> pd.DataFrame | None:
    return read_table(path) if path.is_file() and path.stat().st_size else None


def _catalogue(rows: Sequence[Row], known: pd.DataFrame | None) -> pd.DataFrame:
    """Catalogue table for planning; rows that were not checked yet have the roles that their files allow."""
    checked = {} if known is None else {entry["product_id"]: entry for entry in known.to_dict("records")}
    entries = []
    for row in rows:
        photos = any(image.is_file() for image in row.images) and not row.empty
        roles = ["source"] * bool(row.video and row.video.is_file()) + ["target"] * photos
        promised = {"status": "accepted" if roles else "rejected", "roles": ";".join(roles), "same_as": ""}
        about = {name: getattr(row, name) for name in ("product_id", "category", "subcategory", "empty")}
        entry = checked.get(row.product_id, promised)
        entries.append(about | {name: entry[name] for name in promised} | {"checked": row.product_id in checked})
    names = ["product_id", "category", "subcategory", "empty", "status", "roles", "same_as", "checked"]
    return pd.DataFrame(entries, columns=names)


def _clips_per_video(found: pd.DataFrame | None, asked: float | None) -> Figure:
    if asked is not None:
        return Figure(asked, "assumption", "as asked")
    accepted = [] if found is None else found[found.status == "accepted"]
    if not len(accepted):
        return assumption("clips_per_video")
    videos = found.product_id.nunique()  # type: ignore[union-attr]
    return Figure(len(accepted) / videos, "measured", "accepted clips of the videos so far", videos)


def _clips(catalogue: pd.DataFrame, found: pd.DataFrame | None, per_video: float) -> list[dict[str, Any]]:
    """Accepted clips; for videos without shot detection, `per_video` clips on average are assumed."""
    wanted = set(catalogue.product_id)
    clips: list[dict[str, Any]] = []
    if found is not None:
        accepted = found[(found.status == "accepted") & found.product_id.isin(wanted)]
        clips = [
            {"clip_id": clip, "product_id": product, "n_frames": int(frames), "assumed": False}
            for clip, product, frames in zip(accepted.clip_id, accepted.product_id, accepted.n_frames, strict=True)
        ]
    known = found is not None
    unseen = [
        entry
        for entry in catalogue.to_dict("records")
        if "source" in entry["roles"].split(";") and not (known and entry["checked"])
    ]
    empty = dict(zip(catalogue["product_id"], catalogue["empty"], strict=True))
    for place, entry in enumerate(unseen):
        product = entry["product_id"]
        count = int((place + 1) * per_video + 1e-9) - int(place * per_video + 1e-9)
        for number in range(1, count + 1):
            clips.append({"clip_id": clip_id(product, number), "product_id": product, "n_frames": 0, "assumed": True})
    return [clip | {"empty": bool(empty[clip["product_id"]])} for clip in clips]


def _masked(files: ClipFiles, clip: Mapping[str, Any], limits: MaskVerdictSettings) -> MaskedClip | None:
    """A clip with accepted masks, None for rejected ones; where there are no masks yet, what a good clip would be."""
    measures, track = MeasuredMasks.read_if_there(files.mask_measures), Track.read_if_there(files.track)
    if not measures or not track:
        return MaskedClip(clip["clip_id"], clip["empty"], clip["n_frames"], _FEATURES)
    accepted = judge_mask(measures, limits).status == "accepted"
    return MaskedClip.of(track, measures.status == "empty") if accepted else None


def _photos(files: Layout, photos: Iterable[tuple[str, int]]) -> Iterator[Photo]:
    """Accepted photos; those that were not cut out yet are taken as accepted."""
    for product, index in photos:
        record = CutOut.read_if_there(files.cutout(product, index).record)
        if record is None:
            yield Photo(product, index)
        elif record.status == "accepted":
            yield Photo.of(record)


def _work(
    results: Path,
    config: Mapping[str, Any],
    videos: Sequence[str],
    clips: Sequence[Mapping[str, Any]],
    photos: Sequence[Key],
    planned: pd.DataFrame,
) -> dict[str, Work]:
    """Items of every stage with their existing results; a result of stale upstream results is stale."""
    specs, files = stage_specs(config), Layout(results)
    pictures = {key: files.cutout(*key) for key in photos}
    used = list(dict.fromkeys(planned.clip_id))
    work = {
        "shots": Work({(name,): read_existing(Shots, files.shots(name), [], specs["shots"]) for name in videos}),
        "products": Work(
            {key: read_existing(CutOut, cut.record, [cut.image], specs["products"]) for key, cut in pictures.items()}
        ),
    }
    product = {str(clip["clip_id"]): str(clip["product_id"]) for clip in clips}
    for stage in stages.TABLE:
        if stage.item == "clip":
            names = used if stage.name == "background" else list(product)
            work[stage.name] = _clip_work(stage, files, specs, {name: product[name] for name in names}, work)
    work |= {rule: Work({}) for rule in stages.CLIP_RULES}
    if reads_clip_model(config):
        work["measure_clip"] = _of_files(work["background"], {name: files.clip(name).model for name in used})
    work["measure_flow"] = _of_files(work["cutting"], {name: files.clip(name).flow for name in used})
    work |= _pair_work(results, specs, planned, work)
    canaries = min(int(config["canaries"]), len(used))
    work |= {rule: _canary_work(files, config, canaries, work) for rule in stages.CANARY_RULES}
    masks = {name: files.dataset.masks(name) for name in used}
    published: dict[Key, ExistingResult | None] = {(name,): _published(folder) for name, folder in masks.items()}
    return work | {"dataset": Work(published)}


def _clip_work(
    stage: stages.Stage,
    files: Layout,
    specs: Mapping[str, StageSpec],
    clips: Mapping[str, str],
    before: Mapping[str, Work],
) -> Work:
    """What a stage made of clips, given as id and product; `before` has what the stages before it made."""
    kind, files_of = _CLIP_RESULTS[stage.name]
    # A clip knows its product; which cut-outs it was masked by is not followed.
    upstream = [(name, stages.BY_NAME[name].item) for name in stage.after if stages.BY_NAME[name].item != "photo"]
    found: dict[Key, ExistingResult | None] = {}
    for clip, product in clips.items():
        stale = any(before[name].stale(clip if item == "clip" else product) for name, item in upstream)
        record, *media = files_of(files.clip(clip))
        found[(clip,)] = read_existing(kind, record, media, specs[stage.name], not stale)
    return Work(found)


def _of_files(before: Work, paths: Mapping[str, Path]) -> Work:
    """Results of a rule that leaves a file without a record for each clip; stale where `before` is."""
    found: dict[Key, ExistingResult | None] = {}
    for name, path in paths.items():
        current = not before.stale(name)
        size = path.stat().st_size if path.is_file() else None
        found[(name,)] = None if size is None else ExistingResult(0.0, size, "-", frozenset(), current)
    return Work(found)


def _pair_work(
    results: Path, specs: Mapping[str, StageSpec], planned: pd.DataFrame, before: Mapping[str, Work]
) -> dict[str, Work]:
    inserted: dict[Key, ExistingResult | None] = {}
    scored: dict[Key, ExistingResult | None] = {}
    for pair in planned[["pair_id", "clip_id", "target_id", "image_index"]].to_dict("records"):
        files, key = Layout(results).pair_of(pair), (str(pair["pair_id"]),)
        photo = (str(pair["target_id"]), str(pair["image_index"]))
        fresh = not (before["background"].stale(pair["clip_id"]) or before["products"].stale(*photo))
        inserted[key] = insert = read_existing(
            Insertion, files.record, [files.video, files.mask], specs["insertion"], fresh
        )
        fresh = fresh and (insert is None or insert.current)
        scored[key] = read_existing(Score, files.score, [], specs["scoring"], fresh, [files.judge])
    return {"insertion": Work(inserted), "scoring": Work(scored)}


def _canary_work(files: Layout, config: Mapping[str, Any], count: int, before: Mapping[str, Work]) -> Work:
    """Canaries of `count` clips; those of a clip are stale where its pair is."""
    spec = stage_specs({**config, "scoring": canary_settings(config["scoring"])})["scoring"]
    record = Canaries.read_if_there(files.canaries)
    scored: dict[str, list[Score]] = {}
    for canary in record.canaries if record else ():
        if canary.score and not before["insertion"].stale(canary.pair_id):
            scored.setdefault(canary.clip_id, []).append(canary.score)
    found: dict[Key, ExistingResult | None] = {(clip,): of_canaries(scores, spec) for clip, scores in scored.items()}
    there = list(found.items())[:count]
    return Work(dict(there) | {(f"canaries {k}",): None for k in range(count - len(there))})


def _published(folder: Path) -> ExistingResult | None:
    """Masks of a clip in the dataset, the only part that is not a link."""
    if not folder.is_dir():
        return None
    size = sum(path.stat().st_size for path in folder.iterdir())
    return ExistingResult(seconds=0.0, bytes=size, backend="-", models=frozenset(), current=True)


def _verdicts(results: Path, planned: pd.DataFrame, insertion: Work) -> pd.DataFrame:
    """Verdicts on planned pairs whose insertion is current."""
    path = Layout(results).filtered
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame({"pair_id": [], "kept": [], "status": []})
    table = pd.read_parquet(path, columns=["pair_id", "kept", "status"])
    stays = {key[0] for key, one in insertion.items.items() if one and one.current}
    return table[table.pair_id.isin(set(planned.pair_id) & stays)]

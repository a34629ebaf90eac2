"""The pairs that a feed would give, by the pipeline's own planning, and what of them and before them is made.

What the results folder knows is taken from there: rows of the catalogue, clips, masks and cut-outs. The rest is
assumed: a video gives so many clips, every clip's masks and every photo are accepted, and no clip is infeasible. So
before a run the count is an upper bound, and after `snakemake plan` it is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pvtt.backends import registry, stages
from pvtt.records.ids import clip_id
from pvtt.records.layout import ClipFiles, Layout
from pvtt.records.media import Clip, CutOut, Shots
from pvtt.records.results import Background, Insertion, MeasuredMasks, Score, Track
from pvtt.records.results_format import check_results
from pvtt.reporting.estimate.existing_results import Made, Result, Way, read_made, ways
from pvtt.reporting.estimate.load_times import read_loads
from pvtt.reporting.estimate.schedule import PAIR_STAGES
from pvtt.reporting.estimate.unit_costs import Figure, assumption, reads_clip_model
from pvtt.stages.catalogue import Row, read_catalogue, read_table
from pvtt.stages.pairs import MaskedClip, Photo, plan_from_records
from pvtt.stages.pairs.packs import assign_packs, read_ledger
from pvtt.stages.pairs.taxonomy import Taxonomy, read_taxonomy
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
    """The items of a stage by key: what is made of each, None where nothing is."""

    items: dict[Key, Made | None]

    @property
    def made(self) -> list[Made]:
        """Results that are there, of whatever settings."""
        return [one for one in self.items.values() if one]

    @property
    def there(self) -> list[Made]:
        """Results that stay."""
        return [one for one in self.made if one.current]

    def missing(self) -> int:
        """Items that are still to be made, or made again."""
        return len(self.items) - len(self.there)

    def stale(self, *key: str) -> bool:
        """Whether an item is there and will be made again."""
        one = self.items.get(key)
        return one is not None and not one.current


@dataclass(frozen=True)
class Feed:
    """A planned feed. plan: every candidate, as in pairs.parquet, with its pack. work: stage -> its items.

    assumed_clips: of the accepted clips, those that no run has found yet. verdicts: rows of filtered.parquet whose
    insertion is current. loads: as `read_loads` gives them.
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
        """Pairs to make of each pack that lacks some, in the packs' order."""
        planned = self.planned()
        done = {key[0] for key in self.work["insertion"].items if all(self._stays(stage, key) for stage in PAIR_STAGES)}
        return [int(count) for count in planned.pack[~planned.pair_id.isin(done)].value_counts(sort=False).sort_index()]

    def _stays(self, stage: str, key: Key) -> bool:
        one = self.work[stage].items[key]
        return one is not None and one.current

    def planned(self) -> pd.DataFrame:
        """The pairs that are to be made."""
        return self.plan[self.plan.status == "planned"]


def read_feed(config: Mapping[str, Any], clips_per_video: float | None = None) -> Feed:
    """Plan the feed of resolved settings, with what its results folder knows.

    clips_per_video: for videos whose shots nobody has found; None takes the mean of those found, or the plan's.
    """
    results = Path(config["results"])
    check_results(results)
    files = Layout(results)
    rows = [row for row in read_catalogue(config["catalogue"]) if row.status == "accepted"]
    catalogue = _catalogue(rows, _table(files.catalogue))
    found = _table(files.clips)
    rate = _clips_per_video(found, clips_per_video)
    clips = _clips(catalogue, found, rate.value)
    photos = [(row.product_id, index) for row in rows for index, image in enumerate(row.images, 1) if image.is_file()]
    masked = [_masked(files.clip(clip["clip_id"]), clip, config["verdicts"]["masks"]) for clip in clips]
    plan = plan_from_records(
        catalogue,
        Taxonomy(read_taxonomy(config["pairs"]["taxonomy"])),
        [clip for clip in masked if clip],
        _photos(files, photos),
        config["pairs"],
        config["max_pairs"],
        registry.selected_backends("insertion", config["insertion"])[0].limits.max_frames,
    )
    plan, _ = assign_packs(plan, read_ledger(files.packs), config["pairs"]["pack_pairs"])
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
    """The table that planning reads; rows that were not checked yet have the roles that their files promise."""
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
    """Accepted clips; those of videos without found shots are assumed, `per_video` on average."""
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


def _masked(files: ClipFiles, clip: Mapping[str, Any], limits: Mapping[str, Any]) -> MaskedClip | None:
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
    """Every stage's items with what is made of them. What was made from something stale is stale."""
    way, files = ways(config), Layout(results)
    pictures = {key: files.cutout(*key) for key in photos}
    used = list(dict.fromkeys(planned.clip_id))
    work = {
        "shots": Work({(name,): read_made(Shots, files.shots(name), [], way["shots"]) for name in videos}),
        "products": Work(
            {key: read_made(CutOut, cut.record, [cut.image], way["products"]) for key, cut in pictures.items()}
        ),
    }
    product = {str(clip["clip_id"]): str(clip["product_id"]) for clip in clips}
    for stage in stages.TABLE:
        if stage.item == "clip":
            names = used if stage.name == "background" else list(product)
            work[stage.name] = _clip_work(stage, files, way, {name: product[name] for name in names}, work)
    work |= {rule: Work({}) for rule in stages.CLIP_RULES}
    if reads_clip_model(config):
        work["measure_clip"] = _of_files(work["background"], {name: files.clip(name).model for name in used})
    work["measure_flow"] = _of_files(work["cutting"], {name: files.clip(name).flow for name in used})
    work |= _pair_work(results, way, planned, work)
    masks = {name: files.dataset.masks(name) for name in used}
    published: dict[Key, Made | None] = {(name,): _published(folder) for name, folder in masks.items()}
    return work | {"dataset": Work(published)}


def _clip_work(
    stage: stages.Stage, files: Layout, way: Mapping[str, Way], clips: Mapping[str, str], before: Mapping[str, Work]
) -> Work:
    """What a stage made of clips, given as id and product; `before` has what the stages before it made."""
    kind, files_of = _CLIP_RESULTS[stage.name]
    # A clip knows its product; which cut-outs it was masked by is not followed.
    upstream = [(name, stages.BY_NAME[name].item) for name in stage.after if stages.BY_NAME[name].item != "photo"]
    found: dict[Key, Made | None] = {}
    for clip, product in clips.items():
        stale = any(before[name].stale(clip if item == "clip" else product) for name, item in upstream)
        record, *media = files_of(files.clip(clip))
        found[(clip,)] = read_made(kind, record, media, way[stage.name], not stale)
    return Work(found)


def _of_files(before: Work, paths: Mapping[str, Path]) -> Work:
    """What is made of clips by a rule that leaves a file without a record; stale where `before` is."""
    return Work(
        {
            (name,): Made(0.0, path.stat().st_size, "-", frozenset(), not before.stale(name))
            if path.is_file()
            else None
            for name, path in paths.items()
        }
    )


def _pair_work(
    results: Path, way: Mapping[str, Way], planned: pd.DataFrame, before: Mapping[str, Work]
) -> dict[str, Work]:
    inserted: dict[Key, Made | None] = {}
    scored: dict[Key, Made | None] = {}
    for pair in planned[["pair_id", "clip_id", "target_id", "image_index"]].to_dict("records"):
        files, key = Layout(results).pair_of(pair), (str(pair["pair_id"]),)
        photo = (str(pair["target_id"]), str(pair["image_index"]))
        fresh = not (before["background"].stale(pair["clip_id"]) or before["products"].stale(*photo))
        inserted[key] = insert = read_made(Insertion, files.record, [files.video, files.mask], way["insertion"], fresh)
        fresh = fresh and (insert is None or insert.current)
        scored[key] = read_made(Score, files.score, [], way["scoring"], fresh, [files.judge])
    return {"insertion": Work(inserted), "scoring": Work(scored)}


def _published(folder: Path) -> Made | None:
    """A clip's masks in the dataset, its one part that is no link."""
    if not folder.is_dir():
        return None
    size = sum(path.stat().st_size for path in folder.iterdir())
    return Made(seconds=0.0, bytes=size, backend="-", models=frozenset(), current=True)


def _verdicts(results: Path, planned: pd.DataFrame, insertion: Work) -> pd.DataFrame:
    """The filter's verdicts on planned pairs whose insertion stays."""
    path = Layout(results).filtered
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame({"pair_id": [], "kept": [], "status": []})
    table = pd.read_parquet(path, columns=["pair_id", "kept", "status"])
    stays = {key[0] for key, one in insertion.items.items() if one and one.current}
    return table[table.pair_id.isin(set(planned.pair_id) & stays)]

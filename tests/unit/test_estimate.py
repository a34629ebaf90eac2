"""Estimates: exact figures on small fabricated folders, packs and nodes by hand, and the plan's table."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import ROOT
from pvtt.backends import registry as backends
from pvtt.cli import main
from pvtt.config import settings
from pvtt.io.tables import write_table
from pvtt.models import registry as models
from pvtt.records.base import Provenance, Record
from pvtt.records.canaries import Canaries, Canary
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.records.results_format import mark_results
from pvtt.reporting import estimate
from pvtt.reporting.estimate import EstimateOptions, Nodes, estimate_feed, estimate_preset, presets, text, unit_costs
from pvtt.reporting.estimate.existing_results import stage_specs
from pvtt.reporting.estimate.load_times import read_loads
from pvtt.reporting.estimate.planned_work import read_feed
from pvtt.reporting.estimate.schedule import Pack, makespan, pack_of, wall_time
from pvtt.reporting.estimate.unit_costs import Figure, Price, backend_prices, costs
from pvtt.stages.pairs import plan_pairs
from pvtt.stages.pairs.taxonomy import Taxonomy
from pvtt.stages.scoring.canaries import canary_settings
from synthetic.records import (
    background_record,
    clip_record,
    cutout_record,
    insertion_record,
    masks_record,
    score_record,
    shots_record,
    track_frame,
    track_record,
)

# id, category, subcategory, video. A ring and a necklace are medium, both to a tote are expert.
PRODUCTS = [("A", "jewelry", "ring", True), ("B", "jewelry", "necklace", True), ("C", "bags", "tote", False)]
CLIPS = ("A_s01", "A_s02", "B_s01")


@pytest.fixture
def feed(tmp_path):
    """Two products with a video and one without, two photos each; nothing is run."""
    lines = ["id,category,subcategory,title,platform,video,images"]
    for name, category, subcategory, video in PRODUCTS:
        lines.append(
            f"{name},{category},{subcategory},T,shop,{f'{name}.mp4' if video else ''},{name}_1.jpg;{name}_2.jpg"
        )
        for file in (f"{name}.mp4",) * video + (f"{name}_1.jpg", f"{name}_2.jpg"):
            (tmp_path / file).write_bytes(b"x")
    (tmp_path / "products.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def config_of(feed: Path, **config: object) -> dict:
    given = {"catalogue": str(feed / "products.csv"), "results": str(feed / "results")}
    return settings.resolve(settings.read() | given | config)


def origin(stage: str, config: dict, seconds: float) -> Provenance:
    """Provenance as the stage writes it."""
    backend = backends.selected_backends(stage, config[stage])[0]
    return provenance(backend, config[stage], {}, Stopwatch()).model_copy(update={"seconds": seconds})


def put(folder: Path, record: str, made: Record, **media: int) -> None:
    """A record with its media, files of so many bytes: `insert__mp4=9` is insert.mp4."""
    made.write(folder / record)
    for name, size in media.items():
        (folder / name.replace("__", ".")).write_bytes(b"x" * size)


def run_to_the_plan(feed: Path, config: dict) -> Path:
    """Results after `snakemake plan`: mask QA took one of A's two clips and B's one; C's photo 2 was refused."""
    results = feed / "results"
    rows = [
        {"product_id": name, "category": c, "subcategory": s, "status": "accepted", "same_as": ""}
        | {"roles": "source;target" if video else "target"}
        for name, c, s, video in PRODUCTS
    ]
    mark_results(results)
    write_table(results / "catalogue.tsv", pd.DataFrame(rows))
    shots = [{"clip_id": clip, "product_id": clip[0], "n_frames": 60, "status": "accepted"} for clip in CLIPS]
    write_table(results / "clips.tsv", pd.DataFrame(shots))
    for name in "AB":
        shots_record(name, provenance=origin("shots", config, 1.0)).write(results / "shots" / f"{name}.json")
    for clip in CLIPS:
        folder, accepted = results / "clips" / clip, clip != "A_s02"
        put(folder, "clip.json", clip_record(clip, provenance=origin("shots", config, 2.0)), video__mp4=1000)
        track = track_record(clip, n_frames=60, width=10, height=10, frames=[track_frame([0, 0, 3, 3])])
        track.write(folder / "track.json")
        found = {"measures": {"confidence": 1.0}} if accepted else {"status": "failed", "reason": "none"}
        masks = masks_record(clip, provenance=origin("segmentation", config, 30.0), **found)
        put(folder, "mask_measures.json", masks, masks__mkv=100)
    for name, *_ in PRODUCTS:
        for index in (1, 2):
            status = {"status": "rejected", "reason": "blurred"} if (name, index) == ("C", 2) else {}
            record = cutout_record(name, index, provenance=origin("products", config, 0.5), **status)
            put(results / "products" / name, f"{index}.json", record, **{f"{index}__png": 10})
    return results


def finish_pairs(results: Path, config: dict, **seconds: float) -> None:
    """Insert and score pairs of a run, `A_s01__B_i1=10.0`; scoring takes a tenth."""
    for pair, took in seconds.items():
        clip, target = pair.split("__")
        background = background_record(clip, provenance=origin("background", config, 7.0))
        put(results / "clips" / clip, "background.json", background, background__mp4=500, region__mkv=5)
        for name in ("clip_model.npz", "source_flow.npz"):
            (results / "clips" / clip / name).write_bytes(b"x" * 20)
        folder = results / "pairs" / clip / target
        record = insertion_record(pair, provenance=origin("insertion", config, took))
        put(folder, "insert.json", record, insert__mp4=4000, insert_mask__mkv=50)
        put(folder, "score.json", score_record(pair, provenance=origin("scoring", config, took / 10)))


def stage_of(record: dict, name: str) -> dict:
    return next(row for row in record["stages"] if row["stage"] == name)


# ---------------------------------------------------------------- a feed


def test_before_a_run_clips_are_assumed_and_every_figure_says_so(feed):
    config = config_of(feed)
    record = estimate_feed(config, EstimateOptions(clips_per_video=2))
    assert (record["products"], record["photos"], record["clips"], record["assumed_clips"]) == (3, 6, 4, 4)
    # 4 clips x 2 other products x the main photo.
    assert {level: n["missing"] for level, n in record["pairs"]["by_difficulty"].items()} == {
        "easy": 0,
        "medium": 4,
        "hard": 0,
        "expert": 4,
    }
    items = {row["stage"]: (row["items"], row["missing"], row["item"]) for row in record["stages"]}
    assert items == {
        "shots": (2, 2, "video"),
        "cutting": (4, 4, "clip"),
        "segmentation": (4, 4, "clip"),
        "products": (6, 6, "photo"),
        "background": (4, 4, "clip"),
        "measure_clip": (4, 4, "clip"),
        "measure_flow": (4, 4, "clip"),
        "insertion": (8, 8, "pair"),
        "scoring": (8, 8, "pair"),
        "score_canaries": (1, 1, "clip"),
        "dataset": (4, 4, "clip"),
    }
    known = costs()["backends"]["insertion"]["composite"]["seconds"]
    insertion = stage_of(record, "insertion")
    assert insertion["hours"] == pytest.approx({"spent": 0, "to_pay": 8 * known / 3600, "total": 8 * known / 3600})
    assert insertion["seconds_per_item"]["basis"] == "measured elsewhere"
    assert insertion["bytes_per_item"]["basis"] == "plan's figure"
    # Embedded backends take no GPU.
    assert record["totals"]["gpu_hours"]["total"] == 0 and record["totals"]["cpu_hours"]["to_pay"] > 0
    assert record["yield"]["kind"] == "assumption" and record["accepted_pairs"] == pytest.approx(8 * 0.13)
    assert "4 of 4 clips are assumed" in record["notes"][0]


def test_the_settings_of_pairs_count(feed):
    every = config_of(feed, pairs={"strategy": "all"})
    assert estimate_feed(every, EstimateOptions(clips_per_video=2))["pairs"]["planned"] == 16
    capped = config_of(feed, max_pairs=4, pairs={"quotas": {"expert": 0.25}})
    counts = estimate_feed(capped, EstimateOptions(clips_per_video=2))["pairs"]
    assert counts["by_difficulty"]["expert"]["planned"] == 1 and counts["planned"] == 4
    one = config_of(feed, pairs={"include": {"targets": ["C"]}})
    assert estimate_feed(one, EstimateOptions(clips_per_video=2))["pairs"]["planned"] == 4


def test_clips_per_video_comes_from_the_plan_unless_it_is_known(feed):
    assert estimate_feed(config_of(feed))["clips"] == 8
    # 1.5 per video are 1 of the first and 2 of the second.
    assert estimate_feed(config_of(feed), EstimateOptions(clips_per_video=1.5))["clips"] == 3


def test_what_the_results_know_replaces_what_was_assumed(feed):
    config = config_of(feed, pairs={"strategy": "all"})
    run_to_the_plan(feed, config)
    record = estimate_feed(config)
    assert (record["clips"], record["assumed_clips"], record["notes"]) == (3, 0, [])
    # A_s01 meets two photos of B and one of C, B_s01 two of A and one of C; A_s02 was rejected.
    assert record["pairs"]["planned"] == 6 and stage_of(record, "background")["items"] == 2
    assert stage_of(record, "cutting")["there"] == 3 and stage_of(record, "products")["missing"] == 0


def test_a_new_product_is_assumed_beside_what_is_known(feed):
    config = config_of(feed)
    run_to_the_plan(feed, config)
    for file in ("D.mp4", "D_1.jpg"):
        (feed / file).write_bytes(b"x")
    with open(feed / "products.csv", "a") as stream:
        stream.write("D,jewelry,ring,T,shop,D.mp4,D_1.jpg\n")
    record = estimate_feed(config)
    # 3 accepted clips of 2 videos: one and a half for the new one, cut down to one.
    assert (record["clips"], record["assumed_clips"]) == (4, 1)
    # A_s01 and B_s01 meet three others each, D's clip A, B and C.
    assert record["pairs"]["planned"] == 9 and record["pairs"]["by_difficulty"]["easy"]["planned"] == 2


def test_measured_seconds_and_bytes_override_the_costs_file(feed):
    config = config_of(feed)
    results = run_to_the_plan(feed, config)
    finish_pairs(results, config, A_s01__B_i1=10.0, A_s01__C_i1=20.0)
    record = estimate_feed(config, EstimateOptions(price_per_cpu_hour=3600))
    insertion = stage_of(record, "insertion")
    assert (insertion["items"], insertion["there"], insertion["missing"]) == (4, 2, 2)
    assert insertion["seconds_per_item"]["value"] == 15 and insertion["seconds_per_item"]["items"] == 2
    assert insertion["seconds_per_item"]["basis"] == "measured on 2"
    assert insertion["hours"] == pytest.approx({"spent": 30 / 3600, "to_pay": 30 / 3600, "total": 60 / 3600})
    size = (results / "pairs/A_s01/B_i1/insert.json").stat().st_size + 4050
    assert insertion["bytes_per_item"]["value"] == pytest.approx(size, abs=1)
    assert insertion["bytes"]["spent"] == pytest.approx(2 * size, abs=2)
    assert stage_of(record, "segmentation")["seconds_per_item"]["value"] == 30
    # Shots 2 x 1, cutting 3 x 2, masks 3 x 30, cut-outs 6 x 0.5, a background of 7, pairs of 33; the other half to pay.
    assert record["totals"]["cpu_hours"]["spent"] == pytest.approx((2 + 6 + 90 + 3 + 7 + 33) / 3600)
    shared = sum(costs()["backends"][rule][rule]["seconds"] for rule in ("measure_clip", "measure_flow"))
    shared += 9 * 1.5  # nine canaries, each scored as a pair is
    assert record["totals"]["cpu_hours"]["to_pay"] == pytest.approx((7 + 33 + shared) / 3600)
    assert record["money"]["to_pay"] == pytest.approx(40 + shared)
    assert record["money"]["total"] == pytest.approx(181 + shared)
    flow = stage_of(record, "measure_flow")
    assert (flow["items"], flow["there"], flow["bytes_per_item"]["value"]) == (2, 1, 20)
    assert {key: record["pairs"][key] for key in ("planned", "there", "missing")} == {
        "planned": 4,
        "there": 2,
        "missing": 2,
    }


def test_canaries_cost_as_many_scores_as_there_are_kinds_until_they_are_measured(feed):
    config = config_of(feed)
    results = run_to_the_plan(feed, config)
    finish_pairs(results, config, A_s01__B_i1=10.0)
    before = stage_of(estimate_feed(config), "score_canaries")
    assert (before["items"], before["missing"], before["seconds_per_item"]["value"]) == (1, 1, 9.0)
    unjudged = config | {"scoring": canary_settings(config["scoring"])}
    score = score_record("A_s01__B_i1", provenance=origin("scoring", unjudged, 1.25))
    names = {"clip_id": "A_s01", "pair_id": "A_s01__B_i1", "target_id": "B"}
    made = [Canary(kind=kind, reason="", score=score, **names) for kind in ("black", "unchanged")]
    missing = Canary(kind="true_swap", reason="none is known", score=None, **names)
    Canaries(canaries=[*made, missing]).write(results / "canaries.json")
    after = stage_of(estimate_feed(config), "score_canaries")
    assert (after["there"], after["missing"], after["seconds_per_item"]["value"]) == (1, 0, 2.5)
    again = stage_of(estimate_feed(config_of(feed, scoring={"identity_frames": 3})), "score_canaries")
    assert (again["there"], again["missing"]) == (0, 1)
    assert stage_of(estimate_feed(config_of(feed, canaries=0)), "score_canaries")["items"] == 0


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ({"scoring": {"identity_frames": 3}}, {"scoring": 1}),
        ({"insertion": {"control": "ends"}}, {"insertion": 1, "scoring": 1}),
        ({"background": {"grow_px": 3}}, {"background": 1, "measure_clip": 1, "insertion": 1, "scoring": 1}),
        ({"products": {"min_side_px": 3}}, {"products": 6, "insertion": 1, "scoring": 1}),
        ({"verdicts": {"pairs": {"min_quality": 0.1}}}, {}),
    ],
)
def test_other_settings_make_a_stage_and_what_follows_again(feed, changed, again):
    config = config_of(feed)
    finish_pairs(run_to_the_plan(feed, config), config, A_s01__B_i1=10.0)
    before, after = estimate_feed(config), estimate_feed(config_of(feed, **changed))
    more = {
        new["stage"]: new["missing"] - old["missing"]
        for old, new in zip(before["stages"], after["stages"], strict=True)
        if new["missing"] != old["missing"]
    }
    assert more == again
    # Records of other settings still say what an item takes, when there are no better ones.
    assert stage_of(after, "insertion")["seconds_per_item"]["value"] == 10


def test_a_lost_file_is_to_be_made_again(feed):
    config = config_of(feed)
    results = run_to_the_plan(feed, config)
    finish_pairs(results, config, A_s01__B_i1=10.0)
    (results / "pairs/A_s01/B_i1/insert.mp4").unlink()
    assert stage_of(estimate_feed(config), "insertion")["there"] == 0


def test_yield_is_what_the_filter_kept_of_what_was_made(feed):
    config = config_of(feed)
    results = run_to_the_plan(feed, config)
    pairs = ("A_s01__B_i1", "A_s01__C_i1", "B_s01__A_i1", "B_s01__C_i1")
    finish_pairs(results, config, **dict.fromkeys(pairs, 10.0))
    verdicts = {"pair_id": pairs, "kept": [True, False, True, False], "status": ["scored"] * 3 + ["failed"]}
    pd.DataFrame(verdicts).to_parquet(results / "filtered.parquet")
    record = estimate_feed(config)
    found = record["yield"]
    assert (found["kept"], found["scored"], found["made"], found["value"]) == (2, 3, 4, 0.5)
    assert found["of_scored"] == pytest.approx(2 / 3) and found["basis"] == "measured on 4"
    assert record["accepted_pairs"] == 2
    total = record["totals"]["cpu_hours"]["total"]
    assert record["per_accepted_pair"] == {"gpu_hours": 0, "cpu_hours": pytest.approx(total / 2), "money": None}
    # Verdicts on what another backend or setting made say nothing about this one.
    other = estimate_feed(config_of(feed, insertion={"control": "ends"}))
    assert other["yield"]["kind"] == "assumption"


def test_a_run_that_kept_nothing_has_no_cost_per_accepted_pair(feed):
    config = config_of(feed)
    results = run_to_the_plan(feed, config)
    finish_pairs(results, config, A_s01__B_i1=10.0)
    verdict = {"pair_id": ["A_s01__B_i1"], "kept": [False], "status": ["scored"]}
    pd.DataFrame(verdict).to_parquet(results / "filtered.parquet")
    record = estimate_feed(config)
    assert record["per_accepted_pair"]["cpu_hours"] is None
    assert "nothing was accepted" in text.as_text(record)


# ---------------------------------------------------------------- backends


@pytest.mark.parametrize(("model", "seconds"), [("wan2.1-vace-1.3b", 79), ("wan2.1-vace-14b", 295)])
def test_the_chosen_model_has_its_own_seconds(model, seconds):
    config = settings.resolve(settings.read() | {"insertion": {"backend": "vace", "vace": {"model": model}}})
    price = backend_prices(config, {})["insertion"]
    assert (price.backend, price.gpu, price.seconds.value) == ("vace", True, seconds)
    # The team's figures: 100,000 pairs are about 2,200 and 8,200 GPU-hours.
    assert round(100_000 * price.seconds.value / 3600, -2) == {79: 2200, 295: 8200}[seconds]


def test_a_backend_without_figures_takes_the_plans(monkeypatch):
    monkeypatch.delenv("PVTT_DEVICE", raising=False)
    config = settings.resolve(settings.read() | {"segmentation": {"backend": "sam2"}})
    price = backend_prices(config, {})["segmentation"]
    assert (price.gpu, price.seconds.value, price.seconds.basis) == (True, 60, "plan's figure")
    # On a run that keeps to the CPU it takes CPU-hours.
    monkeypatch.setenv("PVTT_DEVICE", "cpu")
    assert not backend_prices(config, {})["segmentation"].gpu


def test_the_costs_file_names_what_there_is():
    table = costs()
    assert set(table["plan"]) == set(unit_costs.STAGES)
    sizes = {path.stem for path in (ROOT / "config/presets").glob("*.yaml")} - {"small-models"}  # a choice of backends
    assert sorted(sizes) == sorted(table["presets"])
    for stage, entries in table["backends"].items():
        for key, entry in entries.items():
            name, _, model = key.partition("/")
            assert name in ("cut_clip", "measure_clip", "measure_flow") or name in backends.available(stage)
            assert not model or models.model(model)
            assert entry["seconds"] > 0 and entry["source"]


# ---------------------------------------------------------------- packs


def price(stage: str, seconds: float, gpu: bool, load_s: float = 0) -> Price:
    figure = Figure(seconds, "plan", "")
    return Price(stage, "x", "pair", gpu, figure, Figure(load_s, "assumption", ""), Figure(1, "plan", ""))


def pair_prices(insertion: Price, scoring: Price) -> dict[str, Price]:
    return {"insertion": insertion, "scoring": scoring}


ALL = {"insertion": 1.0, "scoring": 1.0}


def test_a_pack_loads_once_and_works_in_rounds():
    prices = pair_prices(price("insertion", 60, True, 30), price("scoring", 6, True, 10))
    # 96 pairs on 8 GPUs are 12 rounds, 50 are 7; 4 pairs take 4 GPUs.
    assert pack_of(96, ALL, prices, Nodes(gpus=8)) == Pack(40 + 12 * 66, 8, 40)
    assert pack_of(50, ALL, prices, Nodes(gpus=8)) == Pack(40 + 7 * 66, 8, 40)
    assert pack_of(4, ALL, prices, Nodes(gpus=8)) == Pack(40 + 66, 4, 40)
    assert pack_of(4, ALL, prices, Nodes(gpus=8)).reserved == 4 * 106
    # Scores alone load no insertion model; half of the insertions cost half of their time.
    assert pack_of(8, {"insertion": 0, "scoring": 1}, prices, Nodes(gpus=8)) == Pack(10 + 6, 8, 10)
    assert pack_of(8, {"insertion": 0.5, "scoring": 1}, prices, Nodes(gpus=8)) == Pack(40 + 36, 8, 40)


def test_embedded_backends_hold_no_gpu():
    prices = pair_prices(price("insertion", 8, False), price("scoring", 4, False))
    assert pack_of(100, ALL, prices, Nodes(cpus=32)) == Pack(4 * 12, 0, 0)


def test_packs_share_the_nodes():
    seconds = [810.0, 810.0, 450.0]
    assert [makespan(seconds, nodes) for nodes in (1, 2, 3, 9)] == [2070, 1260, 810, 810]
    assert makespan([], 2) == 0


def test_reserved_hours_are_work_loading_and_idle():
    prices = {"segmentation": price("segmentation", 36, True)}
    prices |= pair_prices(price("insertion", 72, True, 36), price("scoring", 36, False))
    missing = {"segmentation": 17, "insertion": 100, "scoring": 100}
    found = wall_time(missing, [96, 4], prices, Nodes(nodes=1, gpus=8, cpus=50))
    # Masks: 3 rounds on 8 GPUs. The packs: a load, 12 rounds, and scores in 2 rounds of 50 cores; then 4 pairs at once.
    assert found["hours_by_stage"] == pytest.approx({"segmentation": 0.03, "packs": (0.01 + 0.24 + 0.02) + 0.04})
    held = found["gpu_hours"]
    assert held["work"] == pytest.approx(0.17 + 2.0) and held["loading"] == pytest.approx(0.12)
    assert held["reserved"] == pytest.approx(0.17 + 8 * 0.27 + 4 * 0.04) and held["idle"] == pytest.approx(0.2)


def test_packs_that_lack_nothing_are_not_run(feed):
    """Pairs keep the pack that the ledger has for them; only the packs of missing pairs are counted."""
    config = config_of(feed, pairs={"strategy": "all", "pack_pairs": 2})
    results = run_to_the_plan(feed, config)
    assert read_feed(config).packs() == [2, 2, 2]
    ids = ["A_s01__B_i1", "A_s01__B_i2", "A_s01__C_i1"]
    (results / "packs.tsv").write_text(
        "pair_id\tpack\n" + "".join(f"{i}\tp0000{k}\n" for i, k in zip(ids, "112", strict=True))
    )
    finish_pairs(results, config, A_s01__B_i1=10.0, A_s01__B_i2=10.0)
    # p00002 keeps its one pair; the three of B's clip fill p00003 and p00004.
    assert read_feed(config).packs() == [1, 2, 1]
    (results / "pairs/A_s01/B_i2/score.json").unlink()
    assert read_feed(config).packs() == [1, 1, 2, 1]
    assert estimate_feed(config)["wall"]["packs"] == 4


def test_loading_is_measured_by_the_workers_events(tmp_path):
    folder = tmp_path / "logs" / "serving"
    folder.mkdir(parents=True)
    rows = [
        (0, "start", "0", {}),
        (1, "begin", "0", {}),
        (1, "loading", "0", "vace"),
        (2, "begin", "1", {}),
        (2, "loading", "1", "vace"),
        (41, "loaded", "0", "vace"),
    ]
    rows += [
        (62, "loaded", "1", "vace"),
        (70, "loading", "0", "vace"),
        (71, "died", "0", {}),
        (99, "loaded", "0", "vace"),
    ]
    rows = [
        {"time": time, "event": event, "device": device, "rule": "insert_product", "item": "A_s01__B_i1"}
        | ({"backend": name} if name else {})
        for time, event, device, name in rows
    ]
    (folder / "n1-7.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"time": 1')
    loads = read_loads(tmp_path)
    assert loads == {"insertion": {"vace": [40, 60]}}
    config = settings.resolve(settings.read() | {"insertion": {"backend": "vace"}})
    load = backend_prices(config, {}, loads)["insertion"].load_s
    assert (load.value, load.kind, load.items) == (50, "measured", 2)
    assert backend_prices(config, {})["insertion"].load_s.value == 26


# ---------------------------------------------------------------- presets


def preset_config(name: str, *items: str) -> dict:
    return settings.resolve(settings.read([presets.preset_file(name)], items))


@pytest.mark.parametrize(
    ("name", "pairs", "clips", "photos"),
    [
        ("poc", 3_600, 87, 265),
        ("small", 20_800, 200, 265),
        ("medium", 79_200, 400, 500),
        ("large", 1_996_000, 2_000, 2_500),
    ],
)
def test_presets_reproduce_the_plan(name, pairs, clips, photos):
    record = estimate_preset(name, preset_config(name), EstimateOptions(plan=True))
    assert record["pairs"]["planned"] == pairs
    # 60 s of insertion and 4 of scoring per pair, 60 of masks and 240 of background per clip, 2 per photo.
    assert record["totals"]["gpu_hours"]["total"] == pytest.approx((64 * pairs + 300 * clips + 2 * photos) / 3600)
    against = record["against_plan"]
    assert against["pairs"]["deviation"] == 0
    assert abs(against["gpu_hours"]["deviation"]) < 0.1 and abs(against["gigabytes"]["deviation"]) < 0.07
    assert len(against["why"]) > 40 and record["pairs"]["by_difficulty"] is None


@pytest.mark.parametrize(
    ("settings_of_pairs", "pairs"),
    [("{strategy: single}", 10_400), ("{strategy: sample, photos: 5}", 52_000), ("{strategy: all}", 52_000)],
)
def test_the_counts_of_the_design(settings_of_pairs, pairs):
    config = preset_config("small", f"pairs={settings_of_pairs}")
    assert estimate_preset("small", config)["pairs"]["planned"] == pairs


def test_a_preset_plans_one_clip_and_not_two_million_pairs(monkeypatch):
    rows = []

    def counted(*arguments, **named):
        plan = plan_pairs(*arguments, **named)
        rows.append(len(plan))
        return plan

    monkeypatch.setattr(presets, "plan_pairs", counted)
    record = estimate_preset("large", preset_config("large"))
    assert record["pairs"]["planned"] == 1_996_000 and rows == [998]
    assert "100 batches" in record["notes"][-1] and "66.9 GB" in record["notes"][-1]


def test_a_preset_refuses_what_only_a_feed_can_answer():
    with pytest.raises(ValueError, match="need a catalogue"):
        estimate_preset("small", preset_config("small", "pairs={quotas: {easy: 0.5}}"))
    with pytest.raises(ValueError, match="poc, small, medium, large"):
        presets.preset_of("huge")


def test_batches_of_source_products_are_the_whole_plan():
    """How large is run: every pair belongs to exactly one batch."""
    facts = {"box_coverage": 0.1, "box_y_std_px": 0.0, "visible_share": 1.0, "n_frames": 80, "empty": False}
    names = [f"P{number}" for number in range(6)]
    clips = [facts | {"clip_id": f"{name}_s0{k}", "product_id": name} for name in names for k in (1, 2)]
    products = {name: {"category": "jewelry", "subcategory": "ring"} for name in names}
    taxonomy, photos = Taxonomy.read(ROOT / "config/taxonomy.yaml"), {name: [1, 2, 3] for name in names}
    config = preset_config("large")["pairs"]

    def plan(sources: list[str]) -> pd.DataFrame:
        batch = config | {"include": config["include"] | {"sources": sources}}
        return plan_pairs(clips, products, photos, taxonomy, batch)

    whole, batches = plan([]), pd.concat([plan(names[k : k + 2]) for k in (0, 2, 4)])
    assert len(whole) == 12 * 5 * 2
    pd.testing.assert_frame_equal(
        whole, batches.sort_values(list(whole.columns[1:5])).reset_index(drop=True)[whole.columns]
    )


# ---------------------------------------------------------------- the command


def test_command_reads_settings_as_the_workflow_does(feed, capsys):
    extra = feed / "more.yaml"
    extra.write_text(yaml.safe_dump({"pairs": {"strategy": "sample", "photos": 1}, "max_pairs": 3}))
    where = [f"catalogue={feed / 'products.csv'}", f"results={feed / 'results'}"]
    arguments = ["--configfile", str(extra), "--config", *where, 'pairs={"photos": "2"}']
    out = feed / "estimate.json"
    assert main(["estimate", *arguments, "--clips-per-video", "2", "--json", str(out)]) == 0
    record = json.loads(out.read_text())
    assert record["pairs"]["planned"] == 3 and sum(record["pairs"]["skipped"].values()) == 13
    shown = capsys.readouterr().out
    assert "13 left out: max_pairs is 3" in shown and "insertion" in shown and "measured elsewhere" in shown


def test_command_names_what_is_wrong(feed, capsys):
    assert main(["estimate", "--config", "catalog=x"]) == 1
    assert "did you mean 'catalogue'?" in capsys.readouterr().err
    assert main(["estimate", "--config", "x"]) == 1
    assert "'x' is not KEY=VALUE" in capsys.readouterr().err
    assert main(["estimate", "--preset", "huge"]) == 1
    with pytest.raises(SystemExit):
        main(["estimate", "--nodes", "0"])


def test_command_prints_all_presets_in_one_table(capsys):
    assert main(["estimate", "--presets", "--nodes", "4"]) == 0
    shown = capsys.readouterr().out
    assert shown in (ROOT / "docs/estimate.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("hours", "shown"), [(0, "0 h"), (0.01, "36.0 s"), (0.5, "30.0 min"), (1.5, "1.5 h"), (1234.4, "1,234 h")]
)
def test_times_are_shown_in_their_unit(hours, shown):
    assert text.time_text(hours) == shown


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0.0 MB"), (1e3, "<0.1 MB"), (2.5e6, "2.5 MB"), (3.2e9, "3.2 GB"), (1.6e12, "1.6 TB")]
)
def test_sizes_are_shown_in_their_unit(size, shown):
    assert text.bytes_text(size) == shown


def test_provenance_says_what_the_estimate_asks_for(feed):
    """Specification and provenance are two views of one thing; for every stage's default backend they agree."""
    config = config_of(feed)
    for stage in backends.STAGES:
        assert stage_specs(config)[stage].matches(origin(stage, config, 1.0)), stage
    assert estimate.names() == ["poc", "small", "medium", "large"]

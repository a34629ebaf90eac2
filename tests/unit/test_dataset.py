"""The published dataset: layout, annotations, card, and publishing again."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from fabricated import tiny_run

from pvtt.config.settings import load_schema, stage_defaults
from pvtt.io import images
from pvtt.io import video as media
from pvtt.io.files import read_json
from pvtt.records.base import Provenance
from pvtt.records.dataset import PublishedPairs
from pvtt.records.ids import stable_hash
from pvtt.records.layout import Layout
from pvtt.records.results import Insertion
from pvtt.stages.dataset import publish
from pvtt.stages.dataset.annotations import assign_split, collect_licences
from pvtt.stages.pairs.taxonomy import Taxonomy
from synthetic.records import PROVENANCE

pytestmark = pytest.mark.xdist_group("dataset")  # its run is made once

ROOT = Path(__file__).parents[2]
SETTINGS = stage_defaults("dataset")


def verdicts(kept: str) -> pd.DataFrame:
    """The filter's table with one letter per pair: k kept, d dropped."""
    table = tiny_run().filtered
    return table.assign(kept=[letter == "k" for letter in kept], reasons=["" if x == "k" else "too bad" for x in kept])


def publish_to(folder: Path, kept: str = "kkdk", **changes) -> dict:
    made = tiny_run()
    tables = {"catalogue": made.catalogue, "clips": made.clips, "pairs": made.pairs, "filtered": verdicts(kept)}
    publish(made.results, **(tables | changes), out_dir=folder, settings=SETTINGS)
    return read_json(folder / "annotations" / "pairs.json")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "dataset"
    publish_to(folder)
    return folder


def test_the_layout_is_the_published_one(dataset: Path) -> None:
    found = sorted(str(path.relative_to(dataset)) for path in dataset.rglob("*") if path.is_file())
    assert [name for name in found if not name.startswith("masks/")] == [
        "README.md",
        "annotations/pairs.json",
        "annotations/quality_scores.json",
        "annotations/statistics.json",
        "images/source/MUGS001.jpg",
        "images/source/WATC001.jpg",
        "images/target/RING001_i1_nobg.png",
        "images/target/WATC001_i1_nobg.png",
        "videos/background/MUGS001_s01_bg.mp4",
        "videos/background/WATC001_s01_bg.mp4",
        "videos/source/MUGS001_s01.mp4",
        "videos/source/WATC001_s01.mp4",
        "videos/synthesized/MUGS001_s01__RING001_i1.mp4",
        "videos/synthesized/MUGS001_s01__WATC001_i1.mp4",
        "videos/synthesized/WATC001_s01__RING001_i1.mp4",
    ]
    assert sum(name.startswith("masks/MUGS001_s01/") for name in found) == 52


def test_every_pair_names_files_that_decode_and_agree(dataset: Path) -> None:
    record = read_json(dataset / "annotations" / "pairs.json")
    assert record["total_pairs"] == len(record["pairs"]) == 3
    for pair in record["pairs"]:
        facts = pair["metadata"]
        for name in (pair["source"]["video"], pair["output"]["video"], pair["output"]["background"]):
            info = media.probe(dataset / name)
            assert [info.width, info.height] == facts["resolution"]
            assert (info.n_frames, media.rate_text(info.fps)) == (facts["frame_count"], facts["fps"])
        assert images.read_rgba(dataset / pair["target"]["product_image"])[..., 3].min() == 0
        assert images.read_rgb(dataset / pair["source"]["product_image"]).shape[2] == 3


def test_the_first_pair_says_what_it_is(dataset: Path) -> None:
    pair = read_json(dataset / "annotations" / "pairs.json")["pairs"][0]
    assert pair["pair_id"] == "MUGS001_s01__WATC001_i1"
    assert pair["source"]["category"] == "home" and pair["target"]["subcategory"] == "watch"
    assert pair["direction"]["forward"] == {
        "video": "videos/source/MUGS001_s01.mp4",
        "product_image": "images/target/WATC001_i1_nobg.png",
        "result": "videos/synthesized/MUGS001_s01__WATC001_i1.mp4",
    }
    assert pair["direction"]["reverse"] == {
        "video": "videos/synthesized/MUGS001_s01__WATC001_i1.mp4",
        "product_image": "images/source/MUGS001.jpg",
        "result": "videos/source/MUGS001_s01.mp4",
    }
    facts = pair["metadata"]
    assert facts["clip_range"] == [0, 52] and facts["duration_s"] == pytest.approx(52 / 24, abs=1e-3)
    assert facts["licence"] == ["Apache-2.0"] and facts["scores"]["lighting"] is None
    assert facts["basis"] == ["identity", "temporal"]


def test_videos_are_links_and_masks_are_the_union(dataset: Path) -> None:
    results = tiny_run().results
    assert (dataset / "videos/source/MUGS001_s01.mp4").samefile(results / "clips/MUGS001_s01/video.mp4")
    masks = media.read_masks(results / "clips/MUGS001_s01/masks.mkv").any(0)
    image = images.read_rgba(dataset / "masks/MUGS001_s01/0052.png")[..., 0]
    assert np.array_equal(image, masks[51].astype(np.uint8) * 255)


def test_publishing_again_makes_nothing_anew_and_removes_what_was_dropped(tmp_path: Path) -> None:
    publish_to(tmp_path, "kkdk")
    before = {p: p.stat().st_ino for folder in ("videos", "masks", "images") for p in (tmp_path / folder).rglob("*")}
    publish_to(tmp_path, "dkdd")
    after = {p: p.stat().st_ino for folder in ("videos", "masks", "images") for p in (tmp_path / folder).rglob("*")}
    assert after.items() <= before.items()
    assert [p.name for p in (tmp_path / "videos/synthesized").iterdir()] == ["MUGS001_s01__RING001_i1.mp4"]
    assert [p.name for p in (tmp_path / "masks").iterdir()] == ["MUGS001_s01"]
    assert [p.name for p in (tmp_path / "images/source").iterdir()] == ["MUGS001.jpg"]


def test_what_is_stale_or_damaged_is_made_again(tmp_path: Path) -> None:
    publish_to(tmp_path, "kddd")
    mask = tmp_path / "masks/MUGS001_s01/0007.png"
    good = mask.read_bytes()
    mask.unlink()
    video = tmp_path / "videos/source/MUGS001_s01.mp4"
    video.unlink()
    video.write_bytes(b"another")
    photo = tmp_path / "images/source/MUGS001.jpg"
    photo.write_bytes(b"another")
    os.utime(photo, ns=(0, 0))
    publish_to(tmp_path, "kddd")
    assert mask.read_bytes() == good
    assert media.probe(video).n_frames == 52
    assert images.read_rgb(photo).shape == (256, 256, 3)


def test_without_kept_pairs_the_dataset_is_whole_and_empty(tmp_path: Path) -> None:
    record = publish_to(tmp_path, "dddd")
    assert record["total_pairs"] == 0 and record["pairs"] == []
    assert not [path for path in (tmp_path / "videos").rglob("*") if path.is_file()]
    statistics = read_json(tmp_path / "annotations" / "statistics.json")
    assert statistics["published"]["pairs"] == 0 and statistics["published"]["difficulty"] == {}
    assert "0 pairs of videos" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_run_without_any_pair_is_published_too(tmp_path: Path) -> None:
    made = tiny_run()
    publish_to(tmp_path, pairs=made.pairs[:0], filtered=made.filtered[:0])
    assert read_json(tmp_path / "annotations" / "quality_scores.json")["total_pairs"] == 0


def test_all_planned_pairs_are_in_the_scores_with_their_reasons(dataset: Path) -> None:
    scores = read_json(dataset / "annotations" / "quality_scores.json")
    assert (scores["total_pairs"], scores["kept"]) == (4, 3)
    dropped = [pair for pair in scores["pairs"] if not pair["kept"]]
    assert [(pair["pair_id"], pair["reasons"]) for pair in dropped] == [("WATC001_s01__MUGS001_i1", ["too bad"])]


def test_statistics_count_what_is_there(dataset: Path) -> None:
    statistics = read_json(dataset / "annotations" / "statistics.json")
    published = statistics["published"]
    assert (published["pairs"], published["clips"], published["sources"], published["targets"]) == (3, 2, 2, 2)
    assert published["frames"] == 3 * 52
    assert published["seconds"] == pytest.approx(2 * 52 / 24 + 52 / 25, abs=2e-3)
    assert published["source_category"] == {"home": 2, "watches": 1}
    assert published["resolution"] == {"320x192": 3}
    assert sum(row["planned"] for row in statistics["acceptance"].values()) == 4
    assert statistics["rejections"]["pairs kept"] == {"too bad": 1}
    assert statistics["scores"]["overall"] is None and statistics["scores"]["quality"]["count"] == 4


def test_statistics_and_card_name_the_canaries_with_the_wrong_verdict(dataset: Path) -> None:
    canaries = read_json(dataset / "annotations" / "statistics.json")["canaries"]
    assert (canaries["right"], canaries["wrong"]) == (1, ["shifted_mask of MUGS001_s01"])
    assert canaries["kinds"]["true_swap"] == {"expected": "kept", "kept": 0, "rejected": 0, "not_judged": 1}
    assert canaries["kinds"]["no_shadow"] == {"expected": "none", "kept": 1, "rejected": 0, "not_judged": 0}
    card = " ".join((dataset / "README.md").read_text(encoding="utf-8").split())
    assert r"1 of 2 were judged right; wrong: shifted\_mask of MUGS001\_s01." in card
    assert not [path for path in dataset.rglob("*") if "canar" in path.name]


def test_a_run_without_canaries_says_nothing_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Layout, "canary_verdicts", property(lambda self: tmp_path / "none.json"))
    publish_to(tmp_path)
    assert read_json(tmp_path / "annotations" / "statistics.json")["canaries"] is None
    assert "anaries" not in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_the_snippet_of_the_card_runs(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (dataset / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert code
    monkeypatch.chdir(dataset)
    names: dict = {}
    exec(code.group(1), names)
    assert len(names["samples"]) == 6
    assert all((dataset / path).is_file() for sample in names["samples"] for path in sample.values())


def test_the_card_names_backends_licences_and_the_sellers_rights(dataset: Path) -> None:
    text = (dataset / "README.md").read_text(encoding="utf-8")
    assert "| insertion | fabricated | 1 |  | Apache-2.0 |" in text
    assert SETTINGS["material_notice"] in text
    assert "| lighting | 0 | not measured | |" in text


def test_titles_are_no_markup_in_the_card(tmp_path: Path) -> None:
    catalogue = tiny_run().catalogue.copy()
    catalogue["title"] = "a|b <img src=x> [c](d)\ne"
    publish_to(tmp_path, catalogue=catalogue)
    assert r"a\|b &lt;img src=x> \[c\](d) e |" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_source_without_photo_has_no_reverse_direction(tmp_path: Path) -> None:
    catalogue = tiny_run().catalogue.copy()
    catalogue.loc[catalogue.product_id == "MUGS001", "images"] = ""
    pair = publish_to(tmp_path, catalogue=catalogue)["pairs"][0]
    assert pair["source"]["product_image"] is None and pair["direction"]["reverse"] is None
    assert "2 of 3 pairs" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_lost_result_is_an_error_and_leaves_no_listing(tmp_path: Path) -> None:
    made = tiny_run()
    results = tmp_path / "results"
    shutil.copytree(made.results, results)
    lost = results / "pairs/MUGS001_s01/WATC001_i1/insert.mp4"
    lost.write_bytes(b"")
    with pytest.raises(ValueError, match=r"WATC001_i1/insert.mp4 is missing or empty"):
        publish(results, made.catalogue, made.clips, made.pairs, verdicts("kddd"), tmp_path / "dataset", SETTINGS)
    assert not (tmp_path / "dataset/annotations/pairs.json").exists()


def test_the_split_is_by_product_and_keeps_its_sides() -> None:
    products = [{"product_id": f"P{number:03d}"} for number in range(400)]
    sides = {p["product_id"]: assign_split((p, p), 0.25) for p in products}
    assert 60 < list(sides.values()).count("test") < 140
    for first, second in pairwise(products):
        expected = {sides[first["product_id"]], sides[second["product_id"]]}
        assert assign_split((first, second), 0.25) == (expected.pop() if len(expected) == 1 else "mixed")
    train = next(p for p in products if sides[p["product_id"]] == "train")
    test = next(p for p in products if sides[p["product_id"]] == "test")
    assert assign_split((train, {**test, "duplicate_of": train["product_id"]}), 0.25) == "train"
    assert {assign_split((p, p), 0.0) for p in products} == {"train"}


def test_the_share_of_the_test_split_ends_below_its_bucket() -> None:
    # A product in bucket 5000 of 10,000 is in the upper half; a larger share takes it in.
    product = next({"product_id": f"P{n}"} for n in range(100_000) if stable_hash("split", f"P{n}") % 10_000 == 5000)
    assert assign_split((product, product), 0.5) == "train"
    assert assign_split((product, product), 0.5001) == "test"


def test_a_record_that_does_not_fit_is_refused_with_its_place(dataset: Path) -> None:
    record = read_json(dataset / "annotations" / "pairs.json")
    record["pairs"][1]["metadata"]["difficulty"] = "impossible"
    with pytest.raises(ValueError, match=r"pairs.json: pairs.1.metadata.difficulty: Input should be 'easy'"):
        PublishedPairs.of(record, "pairs.json")


def test_every_schema_is_a_schema() -> None:
    for path in sorted((ROOT / "workflow" / "schemas").rglob("*.schema.yaml")):
        name = str(path.relative_to(ROOT / "workflow" / "schemas")).removesuffix(".schema.yaml")
        jsonschema.Draft202012Validator.check_schema(load_schema(name))
        json.dumps(load_schema(name))


def test_the_taxonomy_knows_the_demo_and_names_only_forms_that_exist() -> None:
    import yaml

    path = ROOT / "config" / "taxonomy.yaml"
    record = yaml.safe_load(path.read_text(encoding="utf-8"))
    forms = {form for entries in record["categories"].values() for form in entries.values()}
    assert {form for group in record["similar_forms"] for form in group} <= forms
    assert record["default_form"] not in forms
    taxonomy = Taxonomy.read(path)
    catalogue = pd.read_csv(ROOT / "resources" / "demo" / "products.csv")
    for row in catalogue.to_dict("records"):
        assert taxonomy.form(row) != record["default_form"], row["id"]
    ring, watch = {"category": "jewelry", "subcategory": "ring"}, {"category": "watches", "subcategory": "watch"}
    bracelet, bag = {"category": "jewelry", "subcategory": "bracelet"}, {"category": "bags", "subcategory": "tote"}
    levels = [taxonomy.difficulty(ring, other) for other in (ring, bracelet, watch, bag)]
    assert levels == ["easy", "medium", "hard", "expert"]


def test_the_card_lists_the_models_and_says_what_forbids_commercial_use(tmp_path: Path, monkeypatch) -> None:
    model = {"id": "thing-1b", "repository": "maker/thing", "commit": "e" * 40, "licence": "S-Lab-1.0"}
    made = tiny_run().results.glob("pairs/*/*/insert.json")
    origin = Insertion.read(next(made)).provenance
    barred = Provenance.model_validate(PROVENANCE | {"models": [model | {"commercial": False}], "licence": "S-Lab-1.0"})
    card = importlib.import_module("pvtt.stages.dataset.card")
    monkeypatch.setattr(card, "provenances", lambda run: [("insertion", barred), ("scoring", origin)] * 2)
    publish_to(tmp_path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| insertion | fabricated | 1 | thing-1b | S-Lab-1.0 |" in text
    row = f"| thing-1b | maker/thing | {'e' * 40} | S-Lab-1.0 | **not allowed** |"
    assert text.count(row) == 1 and "this dataset is for non-commercial use" in text


def test_licences_of_models_reach_the_pairs() -> None:
    model = {"id": "thing", "repository": "maker/thing", "commit": "e" * 40, "commercial": True}
    models = [model | {"licence": licence} for licence in ("MIT", "S-Lab-1.0")]
    changes = ({"licence": "MIT"}, {"licence": "S-Lab-1.0", "models": models}, {"licence": None})
    origins = [Provenance.model_validate(PROVENANCE | changed) for changed in changes]
    assert collect_licences(origins) == ["MIT", "S-Lab-1.0"]

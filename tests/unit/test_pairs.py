"""Pairs: counts of the plan, difficulty, stability, cap, quotas and feasibility."""

import pandas as pd
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.config.stages.pairs import FeasibilityLimits, PairsSettings
from pvtt.records.ids import pair_id, seed_of
from pvtt.stages.pairs import (
    MaskedClip,
    Photo,
    clip_features,
    infeasibility_reason,
    main_first,
    plan_from_records,
    plan_pairs,
    select_photos,
)
from pvtt.stages.pairs.packs import assign_packs, pack_record, read_ledger, write_ledger
from pvtt.stages.pairs.taxonomy import DIFFICULTIES, Taxonomy
from synthetic.records import PROVENANCE, cutout_record, insertion_record, score_record, track_frame, track_record

TAXONOMY = Taxonomy(
    {
        "categories": {
            "jewelry": {"ring": "ring", "necklace": "chain"},
            "watches": {"watch": "strap"},
            "bags": {"tote": "box"},
        },
        "similar_forms": [["ring", "strap"]],
        "default_form": "other",
    }
)


def settings(**changes):
    return stage_defaults("pairs") | changes


def clip(product, number=1, **changes):
    facts = {"box_coverage": 0.1, "box_y_std_px": 2.0, "visible_share": 1.0, "n_frames": 80, "empty": False}
    return {"clip_id": f"{product}_s{number:02d}", "product_id": product, **facts, **changes}


def feed(n_products, clips_per_product, n_photos):
    products = {f"P{i:03d}": {"category": "jewelry", "subcategory": "ring"} for i in range(n_products)}
    clips = [clip(product, number + 1) for product in products for number in range(clips_per_product)]
    photos = {product: list(range(1, n_photos + 1)) for product in products}
    return clips, products, photos


@pytest.mark.parametrize(
    ("strategy", "photos", "expected"), [("single", 2, 10_400), ("sample", 2, 20_800), ("all", 1, 52_000)]
)
def test_counts_of_the_plan(strategy, photos, expected):
    clips, products, available = feed(53, 4, 5)
    plan = plan_pairs(clips[:200], products, available, TAXONOMY, settings(strategy=strategy, photos=photos))
    assert (plan.status == "planned").sum() == expected
    assert plan.pair_id.is_unique
    assert not (plan.source_id == plan.target_id).any()


def test_difficulty_follows_category_and_form():
    ring = {"category": "jewelry", "subcategory": "ring"}
    others = [ring, {"category": "jewelry", "subcategory": "necklace"}, {"category": "watches", "subcategory": "watch"}]
    levels = [TAXONOMY.difficulty(ring, other) for other in [*others, {"category": "bags", "subcategory": "tote"}]]
    assert levels == list(DIFFICULTIES)
    assert TAXONOMY.difficulty(ring, {"category": "unheard", "subcategory": "of"}) == "expert"
    assert TAXONOMY.difficulty({"category": "a", "subcategory": "b"}, {"category": "c", "subcategory": "d"}) == "expert"


def test_shipped_taxonomy_reads_and_rates():
    taxonomy = Taxonomy.read("config/taxonomy.yaml")
    bracelet = {"category": "jewelry", "subcategory": "bracelet"}
    assert taxonomy.difficulty(bracelet, {"category": "watches", "subcategory": "watch"}) == "hard"
    assert taxonomy.difficulty(bracelet, {"category": "home", "subcategory": "teapot"}) == "expert"


def test_a_new_product_changes_no_existing_pair():
    clips, products, photos = feed(6, 2, 4)
    old = plan_pairs(
        clips[2:], products, {k: v for k, v in photos.items() if k != "P000"}, TAXONOMY, settings(strategy="sample")
    )
    new = plan_pairs(clips, products, photos, TAXONOMY, settings(strategy="sample"))
    merged = old.merge(new, how="left", indicator=True)
    assert (merged._merge == "both").all()
    assert len(new) > len(old)


def test_seed_and_id_are_stable():
    assert pair_id("A_s01", "B", 2) == "A_s01__B_i2"
    assert seed_of("A_s01__B_i2") == seed_of("A_s01__B_i2") != seed_of("A_s01__B_i1")
    assert 0 <= seed_of("A_s01__B_i2") < 2**31


def test_sample_keeps_the_main_photo_and_grows_without_change():
    few = select_photos("T", [1, 2, 3, 4, 5], PairsSettings(strategy="sample", photos=2))
    more = select_photos("T", [1, 2, 3, 4, 5], PairsSettings(strategy="sample", photos=4))
    assert 1 in few and len(few) == 2 and len(more) == 4 and set(few) <= set(more)


def test_cap_and_quota():
    clips, products, photos = feed(5, 2, 1)
    products["P004"] = {"category": "bags", "subcategory": "tote"}
    full = plan_pairs(clips, products, photos, TAXONOMY, settings())
    capped = plan_pairs(clips, products, photos, TAXONOMY, settings(), max_pairs=7)
    kept = capped[capped.status == "planned"]
    assert len(kept) == 7
    assert set(kept.pair_id) == set(full.sort_values("rank").pair_id[:7])
    quotas = dict.fromkeys(DIFFICULTIES) | {"expert": 0.1}
    limited = plan_pairs(clips, products, photos, TAXONOMY, settings(quotas=quotas), max_pairs=20)
    counts = limited[limited.status == "planned"].difficulty.value_counts()
    assert counts["expert"] == 2 and counts.sum() == 20
    assert limited.reason[limited.status == "skipped"].str.contains("quota|max_pairs").all()


def test_include_and_exclude():
    clips, products, photos = feed(4, 2, 1)
    lists = {"clips": [], "sources": ["P001"], "targets": ["P002", "P003"]}
    plan = plan_pairs(clips, products, photos, TAXONOMY, settings(include=lists))
    assert set(plan.source_id) == {"P001"} and set(plan.target_id) == {"P002", "P003"}
    lists = {"clips": ["P000_s01"], "sources": [], "targets": ["P003"]}
    plan = plan_pairs(clips, products, photos, TAXONOMY, settings(exclude=lists))
    assert "P000_s01" not in set(plan.clip_id) and "P000_s02" in set(plan.clip_id) and "P003" not in set(plan.target_id)


def test_clip_features_are_exact():
    boxes = [[0, 0, 50, 40], [0, 10, 50, 50], None]
    facts = clip_features(track_record(width=100, height=80, frames=[track_frame(box) for box in boxes]))
    assert facts == {"box_coverage": 0.25, "box_y_std_px": 5.0, "visible_share": pytest.approx(2 / 3)}
    assert clip_features(track_record(frames=[track_frame(None)]))["visible_share"] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"box_coverage": 0.6}, "covers 60%"),
        ({"box_y_std_px": 40.0}, "40 px"),
        ({"visible_share": 0.1}, "seen in 10%"),
        ({"n_frames": 200}, "200 frames"),
        ({}, ""),
        # A value at its limit is within it.
        ({"box_coverage": 0.5}, ""),
        ({"box_y_std_px": 30.0}, ""),
        ({"visible_share": 0.3}, ""),
        ({"n_frames": 100}, ""),
    ],
)
def test_infeasible_says_why(changes, words):
    limits = FeasibilityLimits(max_box_coverage=0.5, max_box_y_std_px=30, min_visible_share=0.3)
    reason = infeasibility_reason(clip("A", **changes), limits, 100)
    assert words in reason and bool(reason) == bool(words)


def catalogue_of(roles, same_as=None):
    fields = {"category": "x", "subcategory": "y", "status": "accepted"}
    same_as = same_as or {}
    return pd.DataFrame(
        [{"product_id": key, "roles": value, "same_as": same_as.get(key, ""), **fields} for key, value in roles.items()]
    )


def masked(clip_id, empty=False):
    frames = [track_frame([0, 0, 10, 10])] * 60
    return MaskedClip.of(track_record(clip_id, width=100, height=100, n_frames=60, frames=frames), empty)


def test_only_targets_are_inserted():
    catalogue = catalogue_of({"A": "source;target", "B": "target", "C": "source", "D": "source;target"})
    clips = [masked("A_s01"), masked("D_s01", empty=True)]
    plan = plan_from_records(catalogue, TAXONOMY, clips, [Photo(name, 1) for name in "ABC"], settings())
    assert set(plan.pair_id) == {"A_s01__B_i1", "D_s01__A_i1", "D_s01__B_i1"}
    assert set(plan.difficulty[plan.clip_id == "D_s01"]) == {"easy"}


def test_main_image_prefers_the_first_then_a_clean_ground():
    def photo(index, uniformity):
        return Photo.of(cutout_record(image_index=index, measures={"ground_uniformity": uniformity}))

    assert main_first([]) == []
    assert main_first([photo(2, 1.0), photo(1, 0.1)]) == [1, 2]
    assert main_first([photo(2, 0.2), photo(3, 0.95), photo(4, 0.8)]) == [3, 2, 4]
    assert main_first([photo(3, 0.3), Photo("B", 2)]) == [2, 3]


def test_a_product_is_not_inserted_in_place_of_itself_under_another_id():
    both = "source;target"
    same_as = {"C": "A", "D": "B;C"}
    photos = [Photo(name, 1) for name in "ABCDE"]
    catalogue = catalogue_of(dict.fromkeys("ABCDE", both), same_as)
    plan = plan_from_records(catalogue, TAXONOMY, [masked("A_s01")], photos, settings())
    assert list(plan.target_id[plan.status == "planned"]) == ["E"]
    assert set(plan.reason[plan.status == "skipped"]) == {
        "source and target are one product: they share photos or a video"
    }


def planned(*names, skipped=()):
    return pd.DataFrame(
        {"pair_id": [*names, *skipped], "status": ["planned"] * len(names) + ["skipped"] * len(skipped)}
    )


def test_packs_are_only_added(tmp_path):
    path = tmp_path / "packs.tsv"
    plan, ledger = assign_packs(planned("a", "b", "c", skipped=("x",)), read_ledger(path), 2)
    assert plan.pack.tolist() == ["p00001", "p00001", "p00002", ""]
    write_ledger(path, ledger)
    # One pair is no longer planned, two are new: old packs stay, and the new pairs do not fill up an old one.
    plan, ledger = assign_packs(planned("n", "b", "m", "c", "x", skipped=("a",)), read_ledger(path), 2)
    assert dict(zip(plan.pair_id, plan.pack, strict=True)) == {
        "n": "p00003", "b": "p00001", "m": "p00003", "c": "p00002", "x": "p00004", "a": "",
    }  # fmt: skip
    write_ledger(path, ledger)
    again, same = assign_packs(planned("a", "b", "c"), read_ledger(path), 2)
    assert again.pack.tolist() == ["p00001", "p00001", "p00002"] and same.equals(ledger)


def test_a_damaged_ledger_is_named(tmp_path):
    (tmp_path / "packs.tsv").write_text("pair_id\tpack\na\tone\n")
    with pytest.raises(ValueError, match=r"packs\.tsv: not a ledger of packs"):
        read_ledger(tmp_path / "packs.tsv")


def test_a_pack_is_summed_up():
    first, second = "A_s01__B_i1", "A_s01__C_i1"
    took = {"provenance": PROVENANCE | {"seconds": 1.5}}
    inserted = [insertion_record(first, **took), insertion_record(second, status="failed", reason="no room", **took)]
    took = {"provenance": PROVENANCE | {"seconds": 0.25}}
    scored = [score_record(first, **took), score_record(second, status="failed", reason="no room", **took)]
    assert pack_record("p00001", inserted, scored).plain() == {
        "pack": "p00001",
        "pairs": [
            {"pair_id": first, "insertion": "done", "scoring": "scored"},
            {"pair_id": second, "insertion": "failed", "scoring": "failed"},
        ],
        "seconds": {"insertion": 3.0, "scoring": 0.5},
    }

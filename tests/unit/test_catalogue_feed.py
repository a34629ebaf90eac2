"""The catalogue's rows as the rules ask for them."""

import json
from pathlib import Path

import pytest

from pvtt.stages.catalogue import Feed, Row, with_paths


@pytest.fixture
def feed(tmp_path: Path) -> Feed:
    """A and B accepted, C rejected; B's video and A's second photo are missing, A's third photo lies elsewhere."""
    folder = tmp_path / "feed"
    elsewhere = tmp_path / "elsewhere.jpg"
    for path in (folder / "A/a.mp4", folder / "A/1.jpg", elsewhere):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    rows = [
        Row(
            "A",
            "jewelry",
            "ring",
            "Ring ",
            video=folder / "A/a.mp4",
            images=(folder / "A/1.jpg", folder / "A/2.jpg", elsewhere),
        ),
        Row("B", "unknown", "", "", video=folder / "b.mp4"),
        Row("C", status="rejected", reason="line 3"),
    ]
    return Feed(rows, folder / "products.csv")


def test_only_accepted_rows_and_files_that_exist_count(feed: Feed):
    assert list(feed.rows) == ["A", "B"]
    assert feed.videos("A") == [feed.rows["A"].video] and feed.videos("B") == []
    assert feed.with_video() == ["A"]
    assert feed.photos("A") == {1: feed.rows["A"].images[0], 3: feed.rows["A"].images[2]}


def test_files_have_the_catalogue_s_names(feed: Feed, tmp_path: Path):
    assert [feed.name_of(path) for path in feed.rows["A"].images] == [
        "A/1.jpg",
        "A/2.jpg",
        str(tmp_path / "elsewhere.jpg"),
    ]
    folder = tmp_path / "feed"
    assert Feed([], folder).name_of(folder / "A/1.jpg") == "A/1.jpg", "a catalogue that is a folder"
    assert feed.names("A") == {
        "product_id": "A", "video": "a.mp4", "images": ["1.jpg", "2.jpg", "elsewhere.jpg"], "present": [1, 3]
    }  # fmt: skip
    assert feed.names("B") == {"product_id": "B", "video": "b.mp4", "images": [], "present": []}


def test_a_job_gets_paths_in_the_place_of_names(feed: Feed):
    row = with_paths(feed.names("A"), ["new/a.mp4"], ["new/1.jpg", "new/elsewhere.jpg"])
    assert row == {
        "product_id": "A", "video": "new/a.mp4", "images": ["new/1.jpg", "2.jpg", "new/elsewhere.jpg"]
    }  # fmt: skip
    assert with_paths(feed.names("B"), [], [])["video"] == "b.mp4"
    with pytest.raises(ValueError, match="shorter"):
        with_paths(feed.names("A"), ["new/a.mp4"], ["new/1.jpg"])


def test_words_and_prompt_say_what_is_known(feed: Feed):
    assert feed.words("A") == {"title": "Ring ", "category": "jewelry", "subcategory": "ring"}
    assert feed.prompt("A") == "Ring, ring, jewelry"
    assert feed.prompt("B") == ""
    same = Feed([Row("D", "ring", "ring", "ring")], ".")
    assert same.prompt("D") == "ring"


@pytest.fixture
def world(tmp_path: Path) -> Feed:
    """Three rings, a bag, a thing of unknown category and a watch without photos; a true swap of the bag is known."""
    known = {"R1": "jewelry", "R2": "jewelry", "R3": "jewelry", "BAG": "bags", "ODD": "unknown", "NOPHOTO": "watches"}
    rows = []
    for name, category in known.items():
        image = tmp_path / f"{name}.jpg"
        if name != "NOPHOTO":
            image.touch()
        rows.append(Row(name, category, images=(image,)))
    swaps = tmp_path / "truth/clips/R1_s01/swaps"
    swaps.mkdir(parents=True)
    for name in ("BAG.mp4", "BAG.mkv", "BAG_shadow.mkv", "R2.mp4", "NOPHOTO.mp4", "NOPHOTO.mkv"):
        (swaps / name).touch()
    return Feed(rows, tmp_path / "products.csv")


def test_a_product_that_is_unlike_others_is_of_another_category(world: Feed):
    assert world.unlike(["R1", "R2"]) == "BAG"
    assert world.unlike(["BAG"]) == world.unlike(["BAG"]) in {"R1", "R2", "R3"}
    assert world.unlike(["BAG"], first=["R3"]) == "R3"
    assert world.unlike(["R1", "BAG"]) == "", "the others are unknown or have no photo"
    assert world.unlike(["R1", "ODD"]) == "", "nobody knows what this is"


def test_true_swaps_are_those_of_a_rendered_world(world: Feed, tmp_path: Path):
    assert world.true_swaps("R1_s01") == {}
    clips = {"R1_s01": {"start_frame": 4}}
    (tmp_path / "truth/world.json").write_text(json.dumps({"clips": clips}))
    world = Feed(world.rows.values(), tmp_path / "products.csv")
    swaps = tmp_path / "truth/clips/R1_s01/swaps"
    assert world.true_swaps("R1_s01") == {"BAG": (swaps / "BAG.mp4", swaps / "BAG.mkv")}
    assert world.true_start("R1_s01") == 4 and world.true_swaps("R2_s01") == {}

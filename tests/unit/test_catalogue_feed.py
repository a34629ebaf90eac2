"""The catalogue's rows as the rules ask for them."""

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

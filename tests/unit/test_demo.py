"""The demo world in the repository is whole: its tables, its media and its truth belong together."""

import csv

import pytest

from conftest import ROOT
from pvtt.io import video
from pvtt.io.files import read_json

DEMO = ROOT / "resources" / "demo"
CLIPS = read_json(DEMO / "truth/world.json")["clips"]


def test_rows_name_files_that_are_there():
    with open(DEMO / "products.csv", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        for name in filter(None, [row["video"], *row["images"].split(";")]):
            assert (DEMO / name).stat().st_size > 0
    assert {clip["product_id"] for clip in CLIPS.values()} <= {row["id"] for row in rows}
    assert sum(path.stat().st_size for path in DEMO.rglob("*") if path.is_file()) < 9_000_000


@pytest.mark.slow
def test_cuts_are_inside_the_videos():
    for product, cuts in read_json(DEMO / "truth/cuts.json").items():
        assert video.count_frames(DEMO / f"videos/{product}.mp4") == cuts["n_frames"]
        ends = [*cuts["hard"], *(end for g in cuts["gradual"] for end in (g["first_frame"], g["last_frame"]))]
        assert all(0 < end < cuts["n_frames"] for end in ends)


@pytest.mark.parametrize("clip_id", sorted(CLIPS))
def test_truth_has_the_frames_of_its_clip(clip_id):
    clip, folder = CLIPS[clip_id], DEMO / "truth/clips" / clip_id
    shape = (clip["end_frame"] - clip["start_frame"], clip["height"], clip["width"])
    assert shape[0] >= 50
    assert video.read_video(folder / "background.mp4").shape[:3] == shape
    masks = video.read_masks(folder / "masks.mkv")[0]
    assert masks.shape == video.read_grey(folder / "shadow.mkv").shape == shape
    boxes = read_json(folder / "track.json")["boxes"]
    assert [box is not None for box in boxes] == masks.any((1, 2)).tolist()
    for other in clip["swaps"]:
        assert video.read_video(folder / f"swaps/{other}.mp4").shape[:3] == shape
        assert video.read_masks(folder / f"swaps/{other}.mkv")[0].shape == shape

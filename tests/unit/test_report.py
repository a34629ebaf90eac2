"""The report: a page that stands alone, says only what was measured, and previews that show the right frames."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from fabricated import tiny_run

from pvtt.config.settings import stage_defaults
from pvtt.io import images, video
from pvtt.io.files import read_json, write_json
from pvtt.records.layout import Layout
from pvtt.records.run_summary import Stage
from pvtt.reporting.report import write_report
from pvtt.reporting.report.charts import funnel_chart, histogram_chart
from pvtt.reporting.report.facts import chosen
from pvtt.reporting.report.previews import OBJECT_COLOURS, Previews, draw_masks

pytestmark = pytest.mark.slow

SETTINGS = stage_defaults("report") | {"preview_side_px": 96}


def report_to(folder: Path, settings: dict | None = None, **changes) -> str:
    made = tiny_run()
    tables = {
        "results": made.results,
        "catalogue": made.catalogue,
        "clips": made.clips,
        "pairs": made.pairs,
        "filtered": made.filtered,
    }
    write_report(**(tables | changes), out_dir=folder, settings=SETTINGS | (settings or {}))
    return (folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("report")
    return folder, report_to(folder)


def test_the_page_needs_no_network_and_all_its_media_are_there(report: tuple[Path, str]) -> None:
    folder, page = report
    assert not re.search(r"https?://|@import|<link(?! rel=\"icon\" href=\"data:,\")", page)
    named = set(re.findall(r'(?:src|poster)="([^"]+)"', page))
    assert named and all((folder / name).stat().st_size for name in named)
    shown = {Path(name).name for name in named} | {"stamps.json"}
    assert {path.name for path in (folder / "media").iterdir()} == shown


def test_the_summary_stands_alone_in_snakemake_s_report(report: tuple[Path, str]) -> None:
    folder, page = report
    summary = (folder / "summary.html").read_text(encoding="utf-8")
    assert "media/" not in summary and 'id="pairs"' not in summary and 'id="clips"' not in summary
    for section in ("overview", "scores", "rejected", "time"):
        text = re.search(rf'<section id="{section}".*?</section>', page, re.DOTALL)
        assert text and text[0] in summary, section


def test_previews_are_small_and_have_every_frame(report: tuple[Path, str]) -> None:
    folder, _ = report
    for kind in ("source", "mask", "background"):
        info = video.probe(folder / "media" / f"MUGS001_s01_{kind}.mp4")
        assert (info.width, info.height, info.n_frames) == (160, 96, 52)
        assert video.rate_text(info.fps) == "24/1"
    assert video.probe(folder / "media" / "MUGS001_s01__RING001_i1_result.mp4").n_frames == 52


def test_the_overlay_differs_from_the_source_just_where_the_mask_is(report: tuple[Path, str]) -> None:
    folder, _ = report
    source = video.read_video(folder / "media" / "MUGS001_s01_source.mp4").astype(int)
    overlay = video.read_video(folder / "media" / "MUGS001_s01_mask.mp4").astype(int)
    masks = video.read_masks(tiny_run().results / "clips/MUGS001_s01/masks.mkv").any(0)[:, 1::2, 1::2]
    change = np.abs(overlay - source).mean(3)
    assert change[masks].mean() > 25
    assert change[~masks].mean() < 3


def test_a_mask_is_tinted_outlined_and_nothing_else_changes() -> None:
    image = np.full((9, 9, 3), 100, np.uint8)
    masks = np.zeros((2, 9, 9), bool)
    masks[0, 3:6, 3:6] = True
    drawn = draw_masks(image, masks)
    colour = np.array(OBJECT_COLOURS[0])
    assert np.array_equal(drawn[4, 4], np.rint(62 + 0.38 * colour))
    assert np.array_equal(drawn[2, 4], colour) and np.array_equal(drawn[2, 2], colour)
    assert (drawn[1] == 100).all() and (drawn[:, 7] == 100).all()
    assert (image == 100).all()


def test_titles_cannot_run(tmp_path: Path) -> None:
    catalogue = tiny_run().catalogue.copy()
    catalogue["title"] = '"><script>alert(1)</script>'
    catalogue["category"] = "<b>x</b>"
    page = report_to(tmp_path, catalogue=catalogue)
    assert "<script>alert" not in page and "<b>x</b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script>") == 1


def test_what_was_not_measured_is_called_so(report: tuple[Path, str]) -> None:
    _, page = report
    card = page[page.index('id="MUGS001_s01__RING001_i1"') :]
    assert re.search(r'<dt>lighting</dt><dd class="none">not measured</dd>', card)
    assert page.count('<p class="absent">not measured</p>') == 2
    quality = tiny_run().filtered.set_index("pair_id").quality_score["MUGS001_s01__RING001_i1"]
    assert f'<dt>quality</dt><dd class="">{quality:.3f}</dd>' in card
    assert 'class="limit"' not in page


def test_canaries_stand_in_a_table_and_the_wrong_ones_are_marked(
    report: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, page = report
    section = re.search(r'<section id="canaries".*?</section>', page, re.DOTALL)
    assert section and section[0] in (folder / "summary.html").read_text(encoding="utf-8")
    rows = re.findall(r"<tr( class=\"wrong\")?><th scope=\"row\">([^<]+)</th>(.*?)</tr>", section[0])
    assert [name for wrong, name, _ in rows if wrong] == ["shifted mask"]
    assert {name: cells.count("not judged") for _, name, cells in rows} == {
        "black": 0, "shifted mask": 0, "no shadow": 0, "true swap": 1
    }  # fmt: skip
    assert "1 of 2 verdicts are right" in section[0] and "kept (wrong)" in section[0]
    assert ".canaries .wrong" in page
    monkeypatch.setattr(Layout, "canary_verdicts", property(lambda self: tmp_path / "none.json"))
    assert 'id="canaries"' not in report_to(tmp_path)


def test_thresholds_are_drawn_where_the_filter_has_them(tmp_path: Path) -> None:
    page = report_to(tmp_path, {"max_pairs": 0, "max_clips": 0}, thresholds={"min_quality": 0.7, "min_swap": 0.1})
    assert page.count('class="limit"') == 1 and "filter 0.7" in page


def test_a_failed_pair_and_an_empty_file_are_shown_as_missing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(tiny_run().results, results)
    folder = results / "pairs/MUGS001_s01/RING001_i1"
    (folder / "insert.mp4").write_bytes(b"")
    score = read_json(folder / "score.json")
    unmeasured = {"status": "failed", "reason": "no room", "scores": dict.fromkeys(score["scores"])}
    write_json(folder / "score.json", score | unmeasured)
    (results / "clips/WATC001_s01/background.mp4").unlink()
    (results / "clips/WATC001_s01/masks.mkv").write_bytes(b"not a video")
    filtered = tiny_run().filtered.copy()
    filtered.loc[filtered.pair_id == "MUGS001_s01__RING001_i1", "quality_score"] = None
    page = report_to(tmp_path / "report", results=results, filtered=filtered)
    card = page[page.index('id="MUGS001_s01__RING001_i1"') :]
    assert '<p class="absent">no result</p>' in card
    assert 'data-quality=""' in card[:900]
    assert page.count('<p class="absent">no background</p>') == 2
    assert page.count('<p class="absent">no mask</p>') == 2


def test_a_disputed_cut_stands_at_its_clip(report: tuple[Path, str], tmp_path: Path) -> None:
    assert "To review" not in report[1]
    clips, words = tiny_run().clips.assign(review=""), "transnetv2 sees a cut at 123, scenedetect does not"
    accepted = clips.index[clips["status"] == "accepted"][0]
    clips.loc[accepted, "review"] = words
    page = report_to(tmp_path, clips=clips)
    card = re.search(rf'<article class="clip[^>]*data-id="{clips["clip_id"][accepted]}".*?</article>', page, re.DOTALL)
    assert card and f"To review: {words}" in card[0] and page.count("To review") == 1


def test_a_run_without_clips_and_pairs_has_a_page(tmp_path: Path) -> None:
    made = tiny_run()
    page = report_to(tmp_path, clips=made.clips[:0], pairs=made.pairs[:0], filtered=made.filtered[:0])
    assert "No pair was planned" in page and "No shot became a clip." in page
    assert "<b>0</b> of 0 planned pairs kept" in page


def test_a_second_report_makes_only_what_changed(tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(tiny_run().results, results)
    report_to(tmp_path / "report", results=results)
    media_folder = tmp_path / "report" / "media"
    before = {path.name: path.stat().st_ino for path in media_folder.glob("*.[mjp]*g*")}
    (media_folder / "old_result.mp4").write_bytes(b"x")
    changed = results / "pairs/MUGS001_s01/RING001_i1/insert.mp4"
    shutil.copyfile(results / "pairs/MUGS001_s01/WATC001_i1/insert.mp4", changed)
    report_to(tmp_path / "report", results=results)
    after = {path.name: path.stat().st_ino for path in media_folder.glob("*.[mjp]*g*")}
    assert before.keys() == after.keys() and not (media_folder / "old_result.mp4").exists()
    assert {name for name in after if after[name] != before[name]} == {"MUGS001_s01__RING001_i1_result.jpg"}


def test_the_number_of_pairs_is_limited_and_the_page_says_so(tmp_path: Path) -> None:
    page = report_to(tmp_path, {"max_pairs": 2})
    assert page.count('<article class="pair') == 2
    assert "2 of 4 planned pairs, chosen by hash" in page


def test_choosing_takes_from_each_group_and_keeps_the_order() -> None:
    items = [{"id": f"{number:02d}"} for number in range(40)]
    picked = chosen(items, "id", 6, items[:37], items[37:])
    assert len(picked) == 6 and picked == sorted(picked, key=lambda item: item["id"])
    assert sum(item in items[37:] for item in picked) == 3
    assert picked == chosen(items, "id", 6, items[:37][::-1], items[37:])
    assert chosen(items, "id", 99) == items


def test_a_large_picture_is_reduced_with_its_transparency(tmp_path: Path) -> None:
    image = np.zeros((200, 800, 4), np.uint8)
    image[:, :400] = (10, 200, 30, 255)
    images.write_png(tmp_path / "cut.png", image)
    previews = Previews(tmp_path / "media", 96)
    assert previews.picture("cut", tmp_path / "cut.png") == "media/cut.png"
    small = images.read_rgba(tmp_path / "media" / "cut.png")
    assert small.shape == (90, 360, 4)
    assert small[45, 20].tolist() == [10, 200, 30, 255] and small[45, 340, 3] == 0
    assert previews.picture("none", tmp_path / "none.png") is None


def test_the_charts_show_their_numbers() -> None:
    chart = funnel_chart([Stage("clips <cut>", 3, 12, {}), Stage("pairs", 0, 0, {})])
    assert "3 of 12, 25%" in chart and 'width="25.00%"' in chart
    assert "none came in" in chart and "clips &lt;cut&gt;" in chart
    data = {"count": 3, "mean": 0.5, "quartiles": [0, 0, 0], "histogram": [1] + [0] * 18 + [2]}
    bars = re.findall(r'<rect class="([^"]+)"[^>]*height="([\d.]+)"', histogram_chart("x", data, 0.7))
    assert bars == [("bar under", "48.0"), ("bar", "96.0")]

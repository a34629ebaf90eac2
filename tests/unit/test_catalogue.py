"""Catalogue: every row ends accepted or rejected with a reason that names it; duplicates are found by content."""

import json
import shutil
from fractions import Fraction

import cv2
import numpy as np
import pandas as pd
import pytest

from pvtt.config.settings import stage_defaults
from pvtt.io import images
from pvtt.io import video as media
from pvtt.stages.catalogue import (
    CATALOGUE_COLUMNS,
    CatalogueError,
    Row,
    build_catalogue,
    probe_product,
    read_catalogue,
    read_table,
    write_table,
)
from pvtt.stages.catalogue.perceptual_hash import Backend

SETTINGS = stage_defaults("catalogue")
HEADER = "id,category,subcategory,title,platform,video,images\n"


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def picture(seed: int, width: int = 320, height: int = 192) -> np.ndarray:
    """A smooth random picture, uint8 (h, w, 3)."""
    coarse = np.random.default_rng(seed).integers(20, 235, (6, 10, 3), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def moving(seed: int, count: int = 24, width: int = 320, height: int = 192) -> list[np.ndarray]:
    """A video: a window that slides over a smooth random picture."""
    wide = picture(seed, width + 4 * count, height)
    return [wide[:, 4 * k : 4 * k + width] for k in range(count)]


class TestReading:
    def test_a_row(self, tmp_path):
        text = HEADER + 'A_1,Jewelry,Ring,"A ring, silver",etsy,v/A.mp4,i/1.jpg; i/2.jpg\n'
        (row,) = read_catalogue(written(tmp_path / "products.csv", text))
        images = (tmp_path / "i/1.jpg", tmp_path / "i/2.jpg")
        expected = Row("A_1", "jewelry", "ring", "A ring, silver", "etsy", tmp_path / "v/A.mp4", images, False, 2)
        assert row == expected

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    @pytest.mark.parametrize(("name", "delimiter"), [("p.csv", ","), ("p.tsv", "\t"), ("p.csv", "\t"), ("p.csv", ";")])
    def test_forms_of_a_table(self, tmp_path, name, delimiter, end, encoding):
        lines = [["id", "title", "video"], ["A", "Collier – 项链 é", "a.mp4"], ["B", "", "b.mp4"]]
        text = end.join(delimiter.join(line) for line in lines) + end
        rows = read_catalogue(written(tmp_path / name, text, encoding))
        assert [(r.product_id, r.title, r.video.name, r.status) for r in rows] == [
            ("A", "Collier – 项链 é", "a.mp4", "accepted"),
            ("B", "", "b.mp4", "accepted"),
        ]
        assert rows[0].category == "unknown"

    @pytest.mark.parametrize(
        ("cells", "field", "problem"),
        [
            ("a b,,,,,v.mp4,", "id", "letters, digits"),
            ("a__b,,,,,v.mp4,", "id", "letters, digits"),
            ("../x,,,,,v.mp4,", "id", "letters, digits"),
            (",,,,,v.mp4,", "id", "letters, digits"),
            ("x" * 101 + ",,,,,v.mp4,", "id", "letters, digits"),
            ("B,,,,,,", "row", "neither a video nor an image"),
            ("A,,,,,v.mp4,", "id", "already used in line 2"),
            ("B,,,a title, with a comma,v.mp4,,,x", "more cells", "in quotes"),
        ],
    )
    def test_a_bad_row_is_rejected_and_the_others_stay(self, tmp_path, cells, field, problem):
        text = HEADER + "A,,,,,a.mp4,\n" + cells + "\nC,,,,,,c.jpg\n"
        rows = read_catalogue(written(tmp_path / "p.csv", text))
        assert [row.status for row in rows] == ["accepted", "rejected", "accepted"]
        assert rows[1].reason.startswith("line 3 (id ") and field in rows[1].reason and problem in rows[1].reason
        if field == "id":
            assert rows[1].product_id == "row-3"

    def test_a_stand_in_never_meets_a_real_id(self, tmp_path):
        rows = read_catalogue(written(tmp_path / "p.csv", HEADER + "row-3,,,,,a.mp4,\n!,,,,,b.mp4,\n"))
        assert [row.product_id for row in rows] == ["row-3", "row-3-x"]

    def test_empty_column_and_unknown_columns(self, tmp_path, caplog):
        text = "id,video,empty,price\nA,a.mp4,yes,3\nB,b.mp4,0,4\nC,c.mp4,maybe,5\n\n"
        rows = read_catalogue(written(tmp_path / "p.csv", text))
        assert [row.empty for row in rows] == [True, False, False]
        assert rows[2].status == "rejected" and "empty: not true or false" in rows[2].reason
        assert "unknown columns are ignored: 'price'" in caplog.text

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"name,video\nA,a.mp4\n", "no column 'id'"),
            (b"", "no column 'id'"),
            (HEADER.encode(), "a header and no rows"),
            ("id,title\nA,é\n".encode("latin-1"), "not UTF-8"),
            (None, "there is no such file"),
        ],
    )
    def test_an_unreadable_catalogue(self, tmp_path, content, problem):
        if content is not None:
            (tmp_path / "p.csv").write_bytes(content)
        with pytest.raises(CatalogueError, match=problem) as caught:
            read_catalogue(tmp_path / "p.csv")
        assert str(tmp_path / "p.csv") in str(caught.value)

    def test_files_and_backslashes(self, tmp_path):
        (tmp_path / "v").mkdir()
        (tmp_path / "v" / "a.mp4").write_bytes(b"x")
        (row,) = read_catalogue(written(tmp_path / "p.csv", HEADER + "A,,,,,v\\a.mp4,none.jpg\n"))
        assert row.files == (tmp_path / "v" / "a.mp4",)


class TestFolder:
    def product(self, folder, name, files, about=None):
        (folder / name).mkdir(parents=True)
        for file in files:
            (folder / name / file).write_bytes(b"x")
        if about is not None:
            (folder / name / "metadata.json").write_text(about if isinstance(about, str) else json.dumps(about))

    def test_products_of_a_folder(self, tmp_path):
        about = {"title": "Ring", "category": "Jewelry", "subcategory": "ring"}
        self.product(tmp_path, "A10", ["video.mp4", "image_10.jpg", "image_2.jpg", "note.txt"], about)
        self.product(tmp_path, "A2", ["image_1.png"], {"taxonomy": "Home & Living > Kitchen > Teapots"})
        self.product(tmp_path, "A3", ["VIDEO.MOV"])
        rows = read_catalogue(tmp_path)
        assert [row.product_id for row in rows] == ["A2", "A3", "A10"]
        assert [image.name for image in rows[2].images] == ["image_2.jpg", "image_10.jpg"]
        assert (rows[2].title, rows[2].category, rows[2].subcategory) == ("Ring", "jewelry", "ring")
        assert (rows[0].category, rows[0].subcategory) == ("home & living", "teapots")
        assert (rows[1].category, rows[1].video.name) == ("unknown", "VIDEO.MOV")

    def test_bad_products(self, tmp_path):
        self.product(tmp_path, "A", ["video.mp4"], "{")
        self.product(tmp_path, "B", ["note.txt"])
        self.product(tmp_path, "a b", ["video.mp4"])
        reasons = {row.product_id: row.reason for row in read_catalogue(tmp_path)}
        assert "metadata.json: not valid JSON" in reasons["A"]
        assert "neither a video nor an image" in reasons["B"]
        assert "letters, digits" in reasons["row-2"] or "letters, digits" in reasons["row-3"]
        with pytest.raises(CatalogueError, match="no product folders"):
            read_catalogue(tmp_path / "B")


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    """Videos and photos: `a` and its re-encoding, `b`, a part of `a`, a damaged one; photos `a`, `b`, a tiny one."""
    folder = tmp_path_factory.mktemp("feed")
    frames = moving(1)
    media.write_video(folder / "a.mp4", frames, Fraction(16))
    smaller = [cv2.resize(frame, (240, 144), interpolation=cv2.INTER_AREA) for frame in frames]
    media.write_video(folder / "a_again.mp4", smaller, Fraction(16), crf=26)
    barred = [cv2.copyMakeBorder(frame, 24, 24, 0, 0, cv2.BORDER_CONSTANT) for frame in frames]
    media.write_video(folder / "a_bars.mp4", barred, Fraction(16))
    media.write_video(folder / "a_part.mp4", [*frames[:12], *moving(3)[:12]], Fraction(16))
    media.write_video(folder / "b.mp4", moving(2), Fraction(16))
    shutil.copy(folder / "a.mp4", folder / "a_copy.mp4")
    (folder / "bad.mp4").write_bytes(b"<html>")
    for name in ("a", "b"):
        images.write_png(folder / f"{name}.png", picture(ord(name)))
    images.write_jpeg(folder / "a_again.jpg", picture(ord("a")), quality=70)
    images.write_png(folder / "tiny.png", picture(5)[:20, :20])
    return folder


def table_of(folder, *products, empty=()):
    """Catalogue of products given as (id, video or None, photos)."""
    rows = [
        Row(
            name, video=folder / video if video else None, images=tuple(folder / i for i in images), empty=name in empty
        )
        for name, video, images in products
    ]
    records = [probe_product(row, SETTINGS) for row in rows]
    return build_catalogue(rows, reversed(records), SETTINGS).set_index("product_id")


class TestTable:
    def test_roles(self, feed):
        table = table_of(
            feed,
            ("both", "a.mp4", ["a.png"]),
            ("film", "b.mp4", []),
            ("photo", None, ["b.png"]),
            ("scene", "a_part.mp4", ["tiny.png"]),
            empty=("scene",),
        )
        assert table.roles.to_dict() == {
            "both": "source;target",
            "film": "source",
            "photo": "target",
            "scene": "source",
        }
        assert set(table.status) == {"accepted"}
        both = table.loc["both"]
        assert (both.width, both.height, both.fps, both.n_frames, both.n_images) == (320, 192, "16/1", 24, 1)
        assert pd.isna(table.loc["photo"].width)

    def test_what_cannot_be_used(self, feed):
        table = table_of(
            feed,
            ("kept", "bad.mp4", ["a.png"]),
            ("lost", "bad.mp4", ["tiny.png"]),
            ("gone", "none.mp4", ["none.png"]),
        )
        assert table.status.to_dict() == {"kept": "accepted", "lost": "rejected", "gone": "rejected"}
        assert table.loc["kept"].roles == "target" and "bad.mp4: cannot be opened" in table.loc["kept"].reason
        assert "tiny.png: 20x20 pixels, under 64" in table.loc["lost"].reason
        assert table.loc["gone"].reason.count("there is no such file") == 2

    @pytest.mark.parametrize("again", ["a_copy.mp4", "a_again.mp4", "a_bars.mp4"])
    def test_duplicates_by_content(self, feed, again):
        table = table_of(feed, ("first", "a.mp4", []), ("twin", again, ["b.png"]), ("bare", again, []))
        assert table.duplicate_of.to_dict() == {"first": "", "twin": "first", "bare": "first"}
        assert table.roles.to_dict() == {"first": "source", "twin": "target", "bare": ""}
        assert table.loc["bare"].status == "rejected"
        assert table.loc["bare"].reason == "duplicate of the video of first"

    def test_other_videos_are_no_duplicates(self, feed):
        table = table_of(feed, ("a", "a.mp4", []), ("b", "b.mp4", []), ("part", "a_part.mp4", []))
        assert set(table.duplicate_of) == {""}

    def test_photos_of_two_products(self, feed):
        table = table_of(feed, ("a", None, ["a.png", "a_again.jpg"]), ("b", None, ["b.png", "a_again.jpg"]))
        assert table.reason.to_dict() == {"a": "", "b": "photo 2 is also photo 1 of a"}
        assert table.same_as.to_dict() == {"a": "", "b": "a"}

    def test_rejected_rows_keep_their_line(self):
        rows = [Row("row-2", line=2, status="rejected", reason="line 2: id"), Row("X", line=3)]
        table = build_catalogue(rows, [], SETTINGS)
        assert tuple(table.columns) == CATALOGUE_COLUMNS
        assert table.status.tolist() == ["rejected", "rejected"]
        assert table.reason[0] == "line 2: id" and "its record is missing" in table.reason[1]

    def test_plain_values_for_a_row(self, feed):
        row = Row("A", video=feed / "a.mp4", images=(feed / "a.png",))
        plain = {"product_id": "A", "video": str(feed / "a.mp4"), "images": [str(feed / "a.png")]}
        records = [probe_product(given, SETTINGS).plain() for given in (row, plain)]
        for record in records:
            del record["provenance"]["seconds"]
        assert records[0] == records[1]
        assert len(records[0]["video"]["fingerprint"]) == 16
        json.dumps(records[0])


class TestFingerprint:
    def test_tone_and_scale_do_not_matter_colour_does(self):
        backend = Backend(SETTINGS)
        image = picture(1)
        print_of = backend.fingerprint(image)
        lighter = np.clip(image.astype(int) + 5, 0, 255).astype(np.uint8)
        assert backend.is_duplicate([print_of], [backend.fingerprint(cv2.resize(lighter, (200, 120)))])
        assert not backend.is_duplicate([print_of], [backend.fingerprint(picture(2))])
        recoloured = np.ascontiguousarray(image[..., ::-1])
        assert not backend.is_duplicate([print_of], [backend.fingerprint(recoloured)])
        assert not backend.is_duplicate([], [])


class TestTables:
    def test_round_trip(self, tmp_path):
        table = pd.DataFrame({"product_id": ["001", "NA"], "title": ['7" cup', "a\tb\nc"], "empty": [True, False]})
        table["n_frames"] = pd.array([12, None], "Int64")
        write_table(tmp_path / "t.tsv", table)
        text = (tmp_path / "t.tsv").read_bytes()
        assert text == b'product_id\ttitle\tempty\tn_frames\n001\t"7"" cup"\ttrue\t12\nNA\ta b c\tfalse\t\n'
        again = read_table(tmp_path / "t.tsv")
        assert again.product_id.tolist() == ["001", "NA"] and again.title.tolist() == ['7" cup', "a b c"]
        assert again.empty_ if hasattr(again, "empty_") else again["empty"].tolist() == [True, False]
        assert again.n_frames[0] == 12 and pd.isna(again.n_frames[1])
        write_table(tmp_path / "t2.tsv", again)
        assert (tmp_path / "t2.tsv").read_bytes() == text

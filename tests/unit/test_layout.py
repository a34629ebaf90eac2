"""The names of a results folder's files, and the table of stages."""

import ast
import re
from pathlib import Path

import pytest

from conftest import ROOT
from pvtt.backends import stages
from pvtt.records.layout import ClipFiles, Layout, PairFiles, require_run, stage_of


def test_every_name_stands_where_users_look_for_it():
    files = Layout("r")
    clip, pair, cutout = files.clip("A_s01"), files.pair("A_s01", "B", 2), files.cutout("B", 2)
    assert [str(path) for path in (clip.video, clip.record, clip.masks, clip.track, clip.mask_measures)] == [
        f"r/clips/A_s01/{name}" for name in ("video.mp4", "clip.json", "masks.mkv", "track.json", "mask_measures.json")
    ]
    assert [path.name for path in (clip.background, clip.background_record)] == ["background.mp4", "background.json"]
    assert [str(path) for path in (pair.video, pair.mask, pair.record, pair.score, pair.judge)] == [
        f"r/pairs/A_s01/B_i2/{name}"
        for name in ("insert.mp4", "insert_mask.mkv", "insert.json", "score.json", "judge.json")
    ]
    assert [str(path) for path in (cutout.image, cutout.record)] == ["r/products/B/2.png", "r/products/B/2.json"]
    assert files.pair_of({"clip_id": "A_s01", "target_id": "B", "image_index": 2.0}) == pair
    assert [str(path) for path in (files.catalogue, files.clips, files.pairs, files.packs, files.filtered)] == [
        f"r/{name}" for name in ("catalogue.tsv", "clips.tsv", "pairs.parquet", "packs.tsv", "filtered.parquet")
    ]
    assert str(files.dataset.annotation("pairs")) == "r/dataset/annotations/pairs.json"
    assert str(Layout("<results>").clip("{clip}").masks) == "<results>/clips/{clip}/masks.mkv"


@pytest.mark.parametrize(
    ("name", "stage"),
    [
        ("catalogue.tsv", "catalogue"),
        ("shots/A.json", "shots"),
        ("clips/A_s01/video.mp4", "cutting"),
        ("clips/A_s01/mask_measures.json", "segmentation"),
        ("clips/A_s01/mask_verdict.json", "mask_verdicts"),
        ("mask_verdicts.tsv", "mask_verdicts"),
        ("clips/A_s01/background.json", "background"),
        ("clips/A_s01/region.mkv", "background"),
        ("clips/A_s01/clip_model.npz", "insertion"),
        ("clips/A_s01/source_flow.npz", "scoring"),
        ("products/B/2.png", "products"),
        ("pairs.parquet", "pairs"),
        ("pairs/A_s01/B_i2/insert.json", "insertion"),
        ("pairs/A_s01/B_i2/score.json", "scoring"),
        ("packs/p0001.json", "scoring"),
        ("dataset/annotations/pairs.json", "dataset"),
        ("report/index.html", "report"),
        ("canaries.json", "scoring"),
        ("canary_verdicts.json", "verdicts"),
        ("packs.tsv", None),
        ("logs/plan_pairs.log", None),
    ],
)
def test_a_file_belongs_to_the_stage_that_makes_it(name: str, stage: str | None):
    assert stage_of(Path(name)) == stage


def test_a_folder_without_a_clip_table_is_no_run(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no results of a run \(clips.tsv is missing\)"):
        require_run(tmp_path)


def test_stages_stand_in_the_order_in_which_they_work():
    names = [stage.name for stage in stages.TABLE]
    for place, stage in enumerate(stages.TABLE):
        assert set(stage.after) <= set(names[:place]), stage.name
    assert stages.dependents("background") == ("background", "insertion", "scoring", "verdicts", "dataset", "report")
    assert "segmentation" in stages.dependents("products")
    assert stages.WITH_BACKENDS == ("shots", "products", "segmentation", "background", "insertion", "scoring")


def test_every_rule_belongs_to_a_stage():
    folder = Path(__file__).parents[2] / "workflow" / "scripts"
    rules = [rule for stage in stages.TABLE for rule in stage.rules]
    assert sorted(rules) == sorted(path.stem for path in folder.glob("*.py"))
    assert stages.of_rule("cut_out_product") == "products"


def names_of_files() -> set[str]:
    """Names of the files of a clip and of a pair, and of the tables."""
    files = Layout("r")
    owners = [(files.clip("c"), ClipFiles), (files.pair("c", "t", 1), PairFiles), (files, Layout)]
    found = {
        getattr(owner, name).name
        for owner, kind in owners
        for name, value in vars(kind).items()
        if isinstance(value, property) and name != "dataset"
    }
    return {name for name in found if "." in name}


def test_no_other_module_names_the_files():
    names, found = names_of_files(), []
    assert {"masks.mkv", "insert.json", "pairs.parquet"} <= names
    for folder in ("workflow/pvtt", "workflow/scripts", "benchmarks/stages"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name != "layout.py":
                strings = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
                found += [f"{path.name}: {node.value}" for node in strings if node.value in names]
    # The folder of a clip's truth is not a results folder.
    assert [line for line in found if not line.startswith("common.py")] == []


def outputs_of_rules():
    """(rule, output) of the rule files: each names its files by `<results>/`."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
    for rule, body in re.findall(r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
        output = re.search(r"^    output:\n(.*?)^    \w+:", body, re.MULTILINE | re.DOTALL)
        assert output, rule
        yield from ((rule, name) for name in re.findall(r'"<results>/([^"]+)"', output[1]))


def test_the_rules_and_the_layout_agree():
    found = list(outputs_of_rules())
    assert {rule for rule, _ in found} == {rule for stage in stages.TABLE for rule in stage.rules}
    for rule, name in found:
        file = Path(re.sub(r"{\w+}", "1", name))
        assert stage_of(file) == stages.of_rule(rule), f"{name} of {rule}"

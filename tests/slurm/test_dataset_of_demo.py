"""The demo through the cluster: every stage's jobs by the profile, and the same dataset as on one machine."""

import csv
import os

import pytest

from conftest import ROOT, Workflow
from submit import Submission

pytestmark = pytest.mark.xdist_group("slurm")

# A part of the demo's feed, for the sake of time; PVTT_TEST_DEMO=all takes all of it.
PRODUCTS = ("mug_blue", "serum", "duck")
SETTINGS = ("results=results", "max_pairs=3")


def catalogue(folder):
    """The demo's catalogue, or a part of it, in `folder`; its media stay where they are."""
    demo = ROOT / "resources" / "demo"
    if os.environ.get("PVTT_TEST_DEMO") == "all":
        return demo / "products.csv"
    with open(demo / "products.csv", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["id"] in PRODUCTS]
    for row in rows:
        row["video"] = row["video"] and str(demo / row["video"])
        row["images"] = ";".join(str(demo / image) for image in row["images"].split(";"))
    with open(folder / "products.csv", "w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder / "products.csv"


def published(results):
    """Every file of a dataset, by path."""
    folder = results / "dataset"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_demo_gives_the_same_dataset_on_the_cluster(slurm, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    config = (f"catalogue={catalogue(tmp_path)}", *SETTINGS)
    Workflow(here).snakemake("--cores", "2", "results/dataset/annotations/pairs.json", "--config", *config)
    run = Submission(there)
    run.run("results/dataset/annotations/pairs.json", config=config, limit_s=540)
    expected, found = published(here / "results"), published(there / "results")
    assert any(name.startswith("videos/synthesized/") for name in expected)
    assert sorted(found) == sorted(expected)
    assert [name for name in sorted(expected) if found[name] != expected[name]] == []

"""`snakemake --report` of a finished run: what it holds, under which heading, with which words."""

import json
import re
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT

pytestmark = pytest.mark.xdist_group("run")
HEADINGS = {
    "summary.html": "Summary",
    "README.md": "Data set",
    "statistics.json": "Data set",
    "catalogue.tsv": "Tables",
    "clips.tsv": "Tables",
    "mask_verdicts.tsv": "Tables",
    "filtered.parquet": "Tables",
}


def test_the_archive_has_every_result_with_its_caption_and_category(finished_run, tmp_path):
    archive = tmp_path / "report.zip"
    finished_run.snakemake("--cores", "1", "--report", str(archive))
    with zipfile.ZipFile(archive) as held:
        names = [name.rsplit("/", 1)[-1] for name in held.namelist()]
        page = held.read("report/report.html").decode()
    assert set(HEADINGS) <= set(names)
    [categories] = re.findall(r"var categories = (.*);", page)
    shown = {
        Path(path).name: heading
        for heading, group in json.loads(categories).items()
        for paths in group.values()
        for path in paths
    }
    assert shown == HEADINGS
    text = " ".join(re.sub(r"<[^>]+>", "", page.replace("\\n", " ")).split())
    for caption in (ROOT / "workflow/report").glob("*.rst"):
        first = " ".join(caption.read_text().replace("``", "").split()).split(".")[0]
        assert first in text, caption.name
    assert all(f'"rule": "{rule}"' in page for rule in ("segment_clip", "insert_product", "score_pair")), (
        "the rule graph"
    )

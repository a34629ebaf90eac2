"""The small tier with its real weights, through the workflow: the demo's cut-outs, masks, and a few pairs.

The weights come from the package index once and stay in the models' folder. Without them the tests are skipped.
"""

import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from pvtt.io.files import read_json
from pvtt.io.images import read_rgba
from pvtt.io.video import read_masks
from pvtt.metrics import alpha_error, mask_iou
from pvtt.models import download
from pvtt.models.registry import ModelError
from pvtt.records.layout import Layout
from pvtt.records.mask_verdicts import read_mask_verdicts
from pvtt.records.media import Clip
from pvtt.records.results import MeasuredMasks

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a run of the preset with two pairs."""
    try:
        download.fetch("u2net")
    except ModelError as error:
        pytest.skip(f"the weights of the small tier cannot be had: {error}")
    folder = tmp_path_factory.mktemp("small_models")
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/presets/small-models.yaml"]
    command += ["--config", f"results={folder}/results", "max_pairs=2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / "results"


def test_every_photo_of_the_demo_is_cut_out_well(results):
    records = {path: read_json(path) for path in sorted(results.glob("products/*/*.json"))}
    assert len(records) == 12
    assert {record["provenance"]["models"][0]["id"] for record in records.values()} == {"u2net"}
    assert [str(path) for path, record in records.items() if record["status"] != "accepted"] == []
    overlaps, errors = [], []
    for path, record in records.items():
        truth = ROOT / "resources/demo/truth/photos" / path.parent.name / f"{path.stem}.png"
        true = np.ascontiguousarray(read_rgba(truth)[..., 0])
        x0, y0, x1, y1 = record["box"]
        found = np.zeros(true.shape, np.uint8)
        found[y0:y1, x0:x1] = read_rgba(path.with_suffix(".png"))[..., 3]
        overlaps.append(mask_iou(found > 127, true > 127))
        errors.append(alpha_error(found, true)["mae"])
    print("IoU:", np.round(overlaps, 3).tolist(), "alpha error:", np.round(errors, 4).tolist())
    # 0.98 to 1.00, the watch with the open strap among them.
    assert min(overlaps) > 0.97 and np.mean(overlaps) > 0.985 and np.median(errors) < 0.003


def test_accepted_masks_are_good_and_most_clips_are_accepted(results):
    verdicts, found = read_mask_verdicts(results), {}
    for clip, about in read_json(ROOT / "resources/demo/truth/world.json")["clips"].items():
        files = Layout(results).clip(clip)
        record = MeasuredMasks.read(files.mask_measures)
        seen = "photo_match" in record.measures
        assert verdicts[clip].judged_by == ("masks-classical" if seen else "limits")
        if about["mean_area"]:
            cut, start = Clip.read(files.record).source, about["start_frame"]
            first, end = max(cut.start_frame, start), min(cut.end_frame, about["end_frame"])
            true = read_masks(ROOT / "resources/demo/truth/clips" / clip / "masks.mkv").any(0)[
                first - start : end - start
            ]
            own = read_masks(files.masks).any(0)[first - cut.start_frame : end - cut.start_frame]
            shown = np.flatnonzero(true.any((1, 2)) | own.any((1, 2)))
            overlap = float(np.mean([mask_iou(own[k], true[k]) for k in shown]))
            found[clip] = (overlap, verdicts[clip].status == "accepted", record.measures.get("refined"))
        elif not about["empty"]:
            assert verdicts[clip].status == "rejected"
    print(found)
    accepted = [overlap for overlap, taken, _ in found.values() if taken]
    assert len(accepted) >= 7 and np.mean(accepted) > 0.9
    assert sum(bool(refined) for _, _, refined in found.values()) >= 2


def test_pairs_are_published_from_them(results):
    stages = {one["stage"]: one for one in read_json(results / "dataset/annotations/statistics.json")["stages"]}
    assert stages["pairs scored"]["count"] == 2
    assert (results / "report/index.html").stat().st_size > 10_000

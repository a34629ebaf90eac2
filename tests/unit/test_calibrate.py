"""`pvtt calibrate`: labels from review answers and from true swaps, and the files that verdicts then read."""

from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from pvtt.cli import main
from pvtt.config.settings import resolve
from pvtt.io import video
from pvtt.io.files import write_json
from pvtt.records import ids
from pvtt.records.layout import Layout
from pvtt.records.review import ReviewAnswer
from pvtt.reporting import calibration as source
from pvtt.reporting.review.answers import AnswerFile
from pvtt.stages.verdicts import ClipState, pair_calibrations, read_calibration
from pvtt.stages.verdicts.calibrated import NoCalibrationError, probability
from synthetic.records import background_record, clip_record, mask_verdict_record, score_record

CLIP = ClipState(False, mask_verdict_record(), background_record(measures={"seam": 2.0}), True)


def pair(number, source_id="A"):
    clip = f"{source_id}{number // 2}_s01"
    name = ids.pair_id(clip, f"T{number}", 1)
    fields = {"pair_id": name, "clip_id": clip, "source_id": f"{source_id}{number // 2}", "target_id": f"T{number}"}
    return SimpleNamespace(**fields, image_index=1, _asdict=lambda: fields | {"image_index": 1})


def answer(about, keep, rater="r1", **changes):
    verdict = {"verdict": "keep", "reasons": []} if keep else {"verdict": "reject", "reasons": ["torn"]}
    known = {"rater": rater, "seed": 0, "time": "2026-01-01T00:00:00Z", "seconds": 9.0, "status": "judged"}
    known |= {"clip_id": about.clip_id, "pair_id": about.pair_id, "duplicate": False, "n_frames": 50, "seen": [[0, 50]]}
    known |= {"task": "pair", "digest": "0" * 32, "scales": {"product": 4, "realism": 4, "rest": 4}}
    return ReviewAnswer.of(known | {"verdicts": {"forward": verdict, "reverse": verdict}} | changes)


@pytest.fixture
def rated(tmp_path, monkeypatch):
    """Results with 40 scored pairs of 20 videos, those of little residue judged good by one rater."""
    random = np.random.default_rng(0)
    pairs = [pair(k) for k in range(40)]
    residue = random.random(40)
    scored = [
        (one, score_record(one.pair_id, measures={"residue": float(value), "swap": 0.4}), CLIP)
        for one, value in zip(pairs, residue, strict=True)
    ]
    monkeypatch.setattr(source, "_scored", lambda results: iter(scored))
    answers = AnswerFile(Layout(tmp_path).review_answers, ReviewAnswer)
    for one, value in zip(pairs, residue, strict=True):
        answers.append(answer(one, bool(value < 0.5)))
    return tmp_path


def test_answers_become_a_calibration_that_verdicts_find(rated, capsys):
    assert main(["calibrate", str(rated)]) == 0
    said = capsys.readouterr().out
    assert "insert: nothing was judged" in said and "forward" in said
    assert (rated / "calibration/reliability.png").stat().st_size > 5000
    chosen = pair_calibrations(resolve({"verdicts": {"pairs": {"calibration": str(rated / "calibration")}}}))
    assert set(chosen) == {"forward", "reverse"}
    learnt = read_calibration(chosen["forward"])
    assert learnt.validation.items == 40 and learnt.validation.groups == 20 and learnt.validation.auroc > 0.95
    assert probability(learnt, {"residue": 0.05}) > 0.8
    assert probability(learnt, {"residue": 0.95}) < 0.3


def test_a_folder_without_calibrations_is_named(tmp_path):
    with pytest.raises(NoCalibrationError, match=r"has none of forward, reverse, insert, remove\.json"):
        pair_calibrations(resolve({"verdicts": {"pairs": {"calibration": str(tmp_path)}}}))


def test_raters_are_outvoted_and_ties_are_no_verdict(rated):
    answers = AnswerFile(Layout(rated).review_answers, ReviewAnswer)
    before = {one.pair_id: one.good["forward"] for one in source.judged_by_people(rated)[0]}
    first, second = pair(0), pair(1)
    answers.append(answer(first, not before[first.pair_id], "r2"))
    for rater in ("r2", "r3"):
        answers.append(answer(second, not before[second.pair_id], rater))
    after = {one.pair_id: one.good["forward"] for one in source.judged_by_people(rated)[0]}
    assert first.pair_id not in after
    assert after[second.pair_id] is not before[second.pair_id]
    assert len(after) == 39


def test_too_few_answers_are_said(rated, capsys):
    Layout(rated).review_answers.unlink()
    assert main(["calibrate", str(rated)]) == 1
    assert "no pair was judged; judge some with `pvtt review" in capsys.readouterr().err
    AnswerFile(Layout(rated).review_answers, ReviewAnswer).append(answer(pair(0), True))
    assert main(["calibrate", str(rated)]) == 1
    assert "forward: items of one group only" in capsys.readouterr().out


def test_the_true_swap_has_no_error_and_another_picture_a_large_one(tmp_path):
    random = np.random.default_rng(0)
    true = random.integers(0, 255, (12, 12, 3)).astype(np.uint8).repeat(8, 0).repeat(8, 1)
    true = np.repeat(true[None], 10, axis=0)
    mask = np.zeros(true.shape[:3], bool)
    mask[:, 20:70, 20:70] = True
    one, world, results = pair(0), tmp_path / "world", Layout(tmp_path / "results")
    swap = world / "truth/clips" / one.clip_id / "swaps" / one.target_id
    video.write_video(swap.with_suffix(".mp4"), true, Fraction(25), crf=4)
    video.write_masks(swap.with_suffix(".mkv"), mask, Fraction(25))
    write_json(world / "truth/world.json", {"clips": {one.clip_id: {"start_frame": 30, "swaps": [one.target_id]}}})
    size = {"width": 96, "height": 96, "n_frames": 8, "fps": "25/1"}
    cut = {"video": "v.mp4", "start_frame": 32, "end_frame": 40, "width": 96, "height": 96}
    clip_record(one.clip_id, source=cut, **size).write(results.clip(one.clip_id).record)
    made = results.pair_of(one._asdict())
    errors = []
    for frames in (true[2:], 255 - true[2:]):
        video.write_video(made.video, frames, Fraction(25), crf=4)
        video.write_masks(made.mask, mask[2:], Fraction(25))
        errors.append(source.true_error(results.results, world, one, 30))
    assert errors[0] < 0.05 and errors[1] > source.SMALL_ERROR

"""A second shot detector marks the cuts on which two detectors disagree; the shots stay as they are."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from pvtt.backends import registry, requirements
from pvtt.config import settings
from pvtt.config.settings import SettingsError, stage_defaults
from pvtt.io import video as media
from pvtt.records.media import Shots
from pvtt.stages.shots import clips_table, detect_shots, used_backends, version
from pvtt.stages.shots.base import Transitions
from pvtt.stages.shots.second_opinion import disputed_cuts, with_reviews

PLAIN = stage_defaults("shots") | {"min_shot_frames": 20, "min_shot_s": 0.5}
WITH = PLAIN | {"second_opinion": "ffmpeg"}
NAMES = ("a", "b")
FPS = Fraction(16)


def disputes(first, second):
    return [(cut.frame, cut.found_by, cut.missed_by) for cut in disputed_cuts(NAMES, (first, second))]


class TestDisputes:
    @pytest.mark.parametrize("shift", [-2, -1, 0, 1, 2])
    def test_cuts_within_two_frames_are_one(self, shift):
        assert disputes(Transitions((50,)), Transitions((50 + shift,))) == []

    @pytest.mark.parametrize("shift", [-3, 3])
    def test_farther_ones_are_two(self, shift):
        found = disputes(Transitions((50,)), Transitions((50 + shift,)))
        assert found == sorted([(50, "a", "b"), (50 + shift, "b", "a")])

    def test_a_cut_in_a_gradual_transition_of_the_other_is_seen_by_both(self):
        gradual = Transitions((), ((40, 50),))
        assert disputes(gradual, Transitions((38, 45, 52))) == [] == disputes(Transitions((38, 45, 52)), gradual)
        assert disputes(gradual, Transitions((37, 53))) == [(37, "b", "a"), (53, "b", "a")]

    def test_gradual_transitions_are_not_compared(self):
        assert disputes(Transitions((), ((40, 50),)), Transitions()) == []


def scene(seed, count, contrast=1.0):
    picture = np.random.default_rng(seed).integers(0, 256, (6, 12, 3)).astype(float)
    picture = 120 + contrast * (picture - picture.mean())
    still = cv2.resize(np.clip(picture, 0, 255).astype(np.uint8), (256, 144), interpolation=cv2.INTER_CUBIC)
    return [still] * count


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A clear cut at 40, and at 100 one between pale shots, too weak for ffmpeg's filter."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    media.write_video(path, [*scene(1, 40), *scene(3, 60, 0.2), *scene(9, 50, 0.2)], FPS)
    return path


@pytest.fixture(scope="module")
def record(film):
    return detect_shots(film, "A", WITH)


class TestStage:
    def test_the_disputed_cut_is_named_and_its_shots_are_marked(self, record):
        assert record.cuts == [40, 100]
        assert [cut.model_dump() for cut in record.disputed] == [
            {"frame": 100, "found_by": "scenedetect", "missed_by": "ffmpeg"}
        ]
        words = "scenedetect sees a cut at 100, ffmpeg does not"
        assert [shot.review for shot in record.shots] == ["", words, words]

    def test_a_cut_that_only_the_second_sees_marks_the_shot_that_contains_it(self, film):
        record = detect_shots(film, "A", WITH | {"backend": "ffmpeg", "second_opinion": "scenedetect"})
        assert record.cuts == [40]
        assert [shot.review for shot in record.shots] == ["", "scenedetect sees a cut at 100, ffmpeg does not"]

    def test_the_first_detectors_result_does_not_change(self, film, record):
        def bare(shots):
            values = shots.plain()
            values.pop("disputed", None)
            values.pop("provenance")
            for shot in values["shots"]:
                shot.pop("review", None)
            return values

        plain = detect_shots(film, "A", PLAIN)
        assert bare(record) == bare(plain)
        assert "disputed" not in plain.plain() and all("review" not in shot for shot in plain.plain()["shots"])

    def test_provenance_names_both(self, film, record):
        assert (record.provenance.backend, record.detector) == ("scenedetect", "scenedetect:adaptive")
        assert record.provenance.measured_by == version(WITH) == "2, ffmpeg 1"
        assert version(PLAIN) == "2" and detect_shots(film, "A", PLAIN).provenance.measured_by == ""

    def test_two_that_agree_leave_an_empty_list(self, film, tmp_path):
        path = tmp_path / "clear.mp4"
        media.write_video(path, [*scene(1, 40), *scene(2, 40)], FPS)
        found = detect_shots(path, "A", WITH)
        assert found.plain()["disputed"] == [] and not any(shot.review for shot in found.shots)

    def test_the_record_is_read_as_it_was_written_and_the_table_has_the_review(self, record, tmp_path):
        import pandas as pd

        record.write(tmp_path / "A.json")
        again = Shots.read(tmp_path / "A.json")
        assert again == record
        catalogue = pd.DataFrame([{"product_id": "A", "status": "accepted", "roles": "source", "reason": ""}])
        table = clips_table([again], catalogue)
        assert table["review"].tolist() == [shot.review for shot in record.shots] and table["review"][0] == ""


def test_shots_without_a_disputed_cut_are_the_same_objects(record):
    assert with_reviews(record.shots, [])[0] is record.shots[0]


class TestChoice:
    def test_the_first_backend_comes_first(self):
        assert [backend.name for backend in used_backends(PLAIN)] == ["scenedetect"]
        assert [backend.name for backend in registry.selected_backends("shots", WITH)] == ["scenedetect", "ffmpeg"]

    def test_its_settings_count(self):
        resolved = settings.resolve({"shots": {"second_opinion": "ffmpeg", "ffmpeg": {"threshold": 0.3}}})["shots"]
        assert resolved["ffmpeg"] == {"threshold": 0.3} and "transnetv2" not in resolved

    def test_an_unknown_one_and_the_first_one_again_are_refused(self):
        with pytest.raises(ValueError, match=r"shots\.second_opinion: no backend 'magic'; there are none, ffmpeg"):
            registry.selected_backends("shots", PLAIN | {"second_opinion": "magic"})
        with pytest.raises(SettingsError, match="second_opinion should be another backend than the first"):
            settings.resolve({"shots": {"second_opinion": "scenedetect"}})

    def test_what_it_needs_is_checked_before_the_first_job(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
        found = requirements.check_requirements(settings.resolve({"shots": {"second_opinion": "transnetv2"}}))
        missing = [text for text in found if text.startswith("shots.transnetv2: ")]
        assert any("transnetv2" in text.removeprefix("shots.transnetv2: ") for text in missing)
        assert not requirements.check_requirements(settings.resolve({}))
        chosen = settings.resolve({"shots": {"second_opinion": "transnetv2"}})["shots"]
        assert requirements.environment("shots", chosen) == "models"

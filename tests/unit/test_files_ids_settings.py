"""Files, ids, settings and backends: what all stages stand on."""

import hashlib
import inspect
import re

import pytest
from pydantic import ValidationError

from pvtt.backends import registry
from pvtt.config import settings
from pvtt.config.base import Settings
from pvtt.config.run import RunSettings
from pvtt.config.settings import SettingsError
from pvtt.io import files
from pvtt.models import registry as models
from pvtt.records import ids


class TestFiles:
    def test_atomic_path_replaces_or_leaves(self, tmp_path):
        target = tmp_path / "deep" / "a.txt"
        with files.atomic_path(target) as aside:
            assert aside.suffix == ".txt" and aside.parent == target.parent
            aside.write_text("new")
            assert not target.exists()
        assert target.read_text() == "new"
        with pytest.raises(RuntimeError), files.atomic_path(target) as aside:
            aside.write_text("half")
            raise RuntimeError
        assert target.read_text() == "new"
        assert [path.name for path in target.parent.iterdir()] == ["a.txt"]

    def test_json(self, tmp_path):
        record = {"title": "项链 é", "value": [1, 2.5, None, True]}
        files.write_json(tmp_path / "a.json", record)
        assert files.read_json(tmp_path / "a.json") == record
        assert "项链" in (tmp_path / "a.json").read_text(encoding="utf-8")
        with pytest.raises(ValueError, match="JSON compliant"):
            files.write_json(tmp_path / "b.json", {"score": float("nan")})
        assert not (tmp_path / "b.json").exists()
        (tmp_path / "c.json").write_text("{")
        with pytest.raises(ValueError, match=r"c\.json: not valid JSON"):
            files.read_json(tmp_path / "c.json")

    def test_empty_link_and_digest(self, tmp_path):
        files.write_empty(tmp_path / "x.mp4")
        assert (tmp_path / "x.mp4").stat().st_size == 0
        (tmp_path / "a").write_bytes(b"abc")
        (tmp_path / "b").write_bytes(b"old")
        files.link_or_copy(tmp_path / "a", tmp_path / "b")
        assert (tmp_path / "b").read_bytes() == b"abc"
        assert files.file_digest(tmp_path / "b") == hashlib.blake2b(b"abc", digest_size=16).hexdigest()


class TestIds:
    @pytest.mark.parametrize("good", ["A", "JEWE001", "a_b-c_1", "-", "9", "x" * 100])
    def test_good(self, good):
        assert ids.is_product_id(good)

    @pytest.mark.parametrize("bad", ["", "_a", "a_", "a__b", "a b", "a/b", "..", "é", "a.b", "a\n", "x" * 101])
    def test_bad(self, bad):
        assert not ids.is_product_id(bad)

    def test_clips_and_pairs(self):
        assert ids.clip_id("A_1", 3) == "A_1_s03" and ids.clip_id("A", 123) == "A_s123"
        for product in ("A", "A_s1", "A_s01"):
            clip = ids.clip_id(product, 1)
            assert ids.clip_product(clip) == product
            assert re.fullmatch(ids.CLIP_PATTERN, clip)
        assert ids.pair_id("A_s01", "B", 2) == "A_s01__B_i2"

    def test_hashes_never_change(self):
        """Seeds and samples of existing data sets hang on these values."""
        assert ids.stable_hash("seed", "A_s01__B_i1") == 3000228225597815926
        assert ids.seed_of("A_s01__B_i1") == 3000228225597815926 & 0x7FFFFFFF
        assert ids.stable_hash("a", "bc") != ids.stable_hash("ab", "c")
        assert all(0 <= ids.seed_of(str(k)) < 2**31 for k in range(200))


BASE = {"catalogue": "p.csv", "results": "r"}


class TestSettings:
    def test_defaults_are_filled_in(self):
        filled = settings.resolve(BASE | {"shots": {"min_shot_s": 3}})
        assert filled["shots"]["min_shot_s"] == 3
        assert filled["shots"]["min_shot_frames"] == 50
        expected = settings.stage_defaults("shots") | {"min_shot_s": 3}
        del expected["transnetv2"], expected["ffmpeg"]  # of backends that are not chosen
        assert filled["shots"] == expected

    @pytest.mark.parametrize(
        ("config", "message"),
        [
            ({"shots": {"min_shots": 3}}, r"shots: unknown key 'min_shots' \(did you mean 'min_shot_s'\?\)"),
            (
                {"shots": {"detector": "magic"}},
                r"shots\.detector: should be 'adaptive', 'content' or 'hash', not 'magic'",
            ),
            ({"shots": {"min_shot_frames": 0}}, r"shots\.min_shot_frames: should be greater than or equal to 1, not 0"),
            ({"shots": 3}, r"shots: should have keys of its own, not 3"),
            ({"shot": {}}, r"top level: unknown key 'shot'"),
            ({"shots": {"min_shot_s": True}}, r"shots\.min_shot_s: should be a valid number, not True"),
            ({"shots": {"min_shot_s": "{"}}, r"shots\.min_shot_s: should be a valid number, not '\{'"),
            ({"shots": {"min_shot_frames": 50.0}}, r"shots\.min_shot_frames: should be a valid integer, not 50.0"),
            ({"background": {"videopainter": {"overlap_frames": True}}}, r"frames: should be a number, not True"),
            ({"scoring": {"also": "clip"}}, r"scoring\.also: should be a list, not 'clip'"),
            ({"scoring": {"also": ["clip", "clip"]}}, r"scoring\.also: should name each backend once"),
            ({"dataset": {"name": ""}}, r"dataset\.name: should have at least 1 character, not ''"),
            ({"verdicts": {"masks": {"flicker": {"good": 0.12}}}}, r"flicker: reject and good are both 0\.12"),
        ],
    )
    def test_mistakes_are_named(self, config, message):
        with pytest.raises(SettingsError, match=message):
            settings.resolve(BASE | config)

    def test_all_mistakes_at_once(self):
        with pytest.raises(SettingsError) as caught:
            settings.resolve(BASE | {"shots": {"min_shot_s": -1, "short_side_px": 1}})
        assert "min_shot_s" in str(caught.value) and "short_side_px" in str(caught.value)

    def test_defaults_are_not_shared(self):
        first = settings.stage_defaults("shots")
        first["detector"] = "hash"
        assert settings.stage_defaults("shots")["detector"] == "adaptive"

    @pytest.mark.parametrize("key", ["run", *settings.STAGES])
    def test_every_key_has_a_sentence_and_a_valid_default(self, key):
        def check(part):
            type(part).model_validate(dict(part))
            for name, field in type(part).model_fields.items():
                value = getattr(part, name)
                text = field.description or (inspect.getdoc(value) if isinstance(value, Settings) else "")
                assert text.endswith("."), name
                if isinstance(value, Settings):
                    check(value)

        check(RunSettings() if key == "run" else getattr(RunSettings(), key))

    def test_every_stage_has_its_settings(self):
        parts = [key for key, value in RunSettings() if isinstance(value, Settings)]
        assert parts == list(settings.STAGES)

    def test_order_and_numbers_stay_as_given(self):
        """Results hang on the parameters of their jobs, letter by letter."""
        given = {"shots": {"min_shot_s": 3, "detector": "hash"}, "insertion": {"backend": "vace", "vace": {"steps": 5}}}
        filled = settings.resolve(given)
        assert list(filled)[:3] == ["shots", "insertion", "catalogue"]
        assert str(filled["shots"]).startswith("{'min_shot_s': 3, 'detector': 'hash', 'backend': 'scenedetect', ")
        assert list(filled["insertion"]["vace"])[:6] == [
            "steps",
            "model",
            "prompt",
            "negative_prompt",
            "region",
            "grow_px",
        ]
        assert str(filled["background"]["feather_px"]) == "4"

    def test_a_part_has_the_defaults_of_its_key(self):
        filled = settings.resolve({"scoring": {"backend": "clip", "clip": {"batch": 2}}})["scoring"]
        assert filled["clip"] == {"batch": 2, "model": "clip-vit-large-patch14", "floor": 0.6}
        assert settings.stage_defaults("insertion")["insertanywhere"]["steps"] == 50
        assert settings.stage_defaults("insertion")["vace"]["steps"] == 30

    def test_they_cannot_be_changed(self):
        with pytest.raises(ValidationError, match="frozen"):
            RunSettings().shots.detector = "hash"


class TestBackends:
    def test_found_by_convention(self):
        assert "scenedetect" in registry.available("shots")
        assert "perceptual_hash" in registry.available("catalogue")
        assert registry.backend_class("shots", "scenedetect").name == "scenedetect"

    def test_by_path(self):
        assert registry.backend_class("shots", "pvtt.stages.shots.scenedetect:Backend").name == "scenedetect"

    def test_unknown(self):
        with pytest.raises(ValueError, match=r"shots\.backend: no backend 'magic'; there are ffmpeg, scenedetect"):
            registry.backend_class("shots", "magic")

    def test_auto_is_the_best_that_lacks_nothing(self, monkeypatch):
        lacking = {"rembg": ["package rembg is not installed"], "u2net": []}
        for name, problems in lacking.items():
            monkeypatch.setattr(registry.backend_class("products", name), "problems", lambda self, p=problems: p)
        found = settings.resolve(BASE | {"products": {"backend": "auto", "u2net": {"min_peak": 0.4}}})["products"]
        assert found["backend"] == "u2net" and found["u2net"]["min_peak"] == 0.4 and "rembg" not in found
        explicit = settings.resolve(BASE | {"products": {"backend": "u2net", "u2net": {"min_peak": 0.4}}})["products"]
        assert found == explicit  # so that a job's parameters, and with them its results, are the same
        lacking["u2net"].append("u2net.onnx is missing")
        assert settings.resolve(BASE | {"products": {"backend": "auto"}})["products"]["backend"] == "classical"
        lacking["rembg"].clear()
        chosen = settings.resolve(BASE | {"products": {"backend": "auto"}})["products"]
        assert chosen["backend"] == "rembg" and registry.selected_backends("products", chosen)[0].name == "rembg"

    def test_auto_looks_into_the_models_folder_of_the_run(self, monkeypatch, tmp_path):
        monkeypatch.setenv("PVTT_MODELS", "elsewhere")
        seen = []

        def problems(self):
            seen.append(str(models.root()))
            return ["missing"]

        for name in ("rembg", "u2net"):
            monkeypatch.setattr(registry.backend_class("products", name), "problems", problems)
        settings.resolve(BASE | {"models": str(tmp_path), "products": {"backend": "auto"}})
        assert seen == [str(tmp_path)] * 2 and str(models.root()) == "elsewhere"

    def test_a_stage_without_an_order_has_no_auto(self):
        with pytest.raises(SettingsError, match=r"shots\.backend: no backend 'auto'; there are ffmpeg, scenedetect"):
            settings.resolve(BASE | {"shots": {"backend": "auto"}})

    @pytest.mark.parametrize("stage", ["catalogue", "shots"])
    def test_attributes(self, stage):
        for name in registry.available(stage):
            backend = registry.backend_class(stage, name)
            assert backend.name == name and isinstance(backend.version, str) and isinstance(backend.needs, tuple)
            assert hasattr(backend, "limits")


def test_numbers_given_as_text_on_the_command_line_are_numbers():
    found = settings.resolve(
        {"verdicts": {"pairs": {"min_quality": "0.99"}}, "max_pairs": "7", "shots": {"threshold": "null"}}
    )
    assert (
        found["verdicts"]["pairs"]["min_quality"] == 0.99
        and found["max_pairs"] == 7
        and found["shots"]["threshold"] is None
    )
    with pytest.raises(settings.SettingsError, match="min_quality"):
        settings.resolve({"verdicts": {"pairs": {"min_quality": "much"}}})

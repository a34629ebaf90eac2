"""Models: the registry, what is missing of one, and their download from a hub on this machine."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile

import jsonschema
import pytest
import yaml

from conftest import ROOT
from pvtt import cli as command
from pvtt.config import settings
from pvtt.models import download, packages, registry
from pvtt.models.registry import ModelError
from unit.hub import Hub

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BASE = f"/maker/thing/resolve/{COMMIT}"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A models' folder of its own."""
    monkeypatch.setenv("PVTT_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def hub(monkeypatch):
    """A hub and a GitHub on this machine."""
    server = Hub()
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    monkeypatch.setenv("PVTT_GITHUB", server.address)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    yield server
    server.close()


def register(home, name="thing", **entry):
    """Add an entry to the models' folder's own registry."""
    path = home / "models.yaml"
    listed = yaml.safe_load(path.read_text()) if path.is_file() else {}
    given = {"repository": "maker/thing", "commit": COMMIT, "licence": "MIT", "commercial": True}
    listed[name] = given | {"files": ["config.json", "model.safetensors"]} | entry
    jsonschema.validate(listed, settings.load_schema("models"))
    path.write_text(yaml.safe_dump(listed))
    os.utime(path, ns=(0, len(path.read_bytes()) * 1_000_000_007))  # a new time, however fast the test


def serve(hub, base=BASE, **files):
    hub.files |= {f"{base}/{name.replace('__', '/')}": body for name, body in files.items()}


class TestRegistry:
    def test_it_fits_its_schema(self):
        listed = yaml.safe_load(registry.REGISTRY.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator(settings.load_schema("models")).validate(listed)
        assert set(registry._read(registry.REGISTRY, 0)) == set(listed)

    def test_every_entry_is_pinned_or_says_why_not(self):
        for entry in registry._read(registry.REGISTRY, 0).values():
            if entry.source in ("hub", "checkout") and entry.about.get("pinned", True):
                assert len(entry.commit) == 40 and set(entry.commit) <= set("0123456789abcdef"), entry.id
            elif entry.source != "release":
                assert len(entry.about["notes"]) > 20, entry.id
            assert entry.about["vram_gb"] >= 0

    def test_non_commercial_ones_are_marked(self):
        barred = {entry.id for entry in registry._read(registry.REGISTRY, 0).values() if not entry.commercial}
        assert barred == {"propainter", "videopainter", "cogvideox-5b-i2v", "insertanywhere-lora"}

    def test_own_entries_are_over_the_projects(self, home):
        register(home, "dinov2-base", files=["own.bin"])
        assert registry.model("dinov2-base").files == (registry.File("own.bin"),)
        assert registry.model("sam2.1-hiera-tiny").repository == "facebook/sam2.1-hiera-tiny"
        (home / "models.yaml").write_text("dinov2-base: 3")
        with pytest.raises(ModelError, match=r"models\.yaml is not a list of models"):
            registry.model("dinov2-base")

    def test_unknown(self):
        with pytest.raises(ModelError, match=r"no model 'nothing' .* there are .*dinov2-base"):
            registry.model("nothing")

    @pytest.mark.parametrize(
        ("given", "strictest"),
        [
            ([], "Apache-2.0"),
            ([("MIT", True)], "MIT"),
            ([("MIT", True), ("CogVideoX", True)], "CogVideoX"),
            ([("CogVideoX", True), ("S-Lab-1.0", False), ("MIT", True)], "S-Lab-1.0"),
        ],
    )
    def test_strictest_licence(self, given, strictest):
        assert registry.strictest_licence(given) == strictest


class TestProblems:
    def test_missing_short_and_whole(self, home):
        register(home, files=["config.json", {"path": "model.bin", "size": 4}])
        assert "config.json is missing; run: pvtt models fetch thing" in registry.problems("thing")[0]
        (home / "thing").mkdir()
        (home / "thing/config.json").write_text("{}")
        (home / "thing/model.bin").write_bytes(b"123")
        assert registry.problems("thing")[0].endswith("has 3 bytes, not 4; run: pvtt models fetch thing")
        with pytest.raises(ModelError, match="has 3 bytes, not 4"):
            registry.require("thing")
        (home / "thing/model.bin").write_bytes(b"1234")
        assert registry.require("thing") == home / "thing"

    def test_shards_of_an_index_are_asked_for(self, home):
        register(home, files=[{"path": "unet/model.safetensors", "split": True}])
        folder = home / "thing/unet"
        folder.mkdir(parents=True)
        index = folder / "model.safetensors.index.json"
        index.write_text(json.dumps({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}))
        (folder / "m-1.safetensors").write_bytes(b"x")
        (problem,) = registry.problems("thing")
        assert "unet/m-2.safetensors is missing" in problem
        (folder / "m-2.safetensors").write_bytes(b"x")
        assert registry.problems("thing") == []
        index.write_text("{}")
        assert "is not an index of shards" in registry.problems("thing")[0]

    def test_unpublished_weights(self):
        assert "not published; put your own there" in registry.problems("insertanywhere-lora")[0]


class TestFetch:
    def test_files_come_whole_with_their_digests(self, home, hub):
        register(home)
        serve(hub, config_json=b"", **{"config.json": b"{}", "model.safetensors": b"weights" * 999})
        hub.large.add(f"{BASE}/model.safetensors")
        assert download.fetch("thing") == ["config.json", "model.safetensors"]
        record = json.loads((home / "thing/.digests.json").read_text())
        assert record["commit"] == COMMIT
        expected = {"sha256": hashlib.sha256(b"weights" * 999).hexdigest(), "size": 6993}
        assert record["files"]["model.safetensors"] == expected
        requests = len(hub.log)
        assert download.fetch("thing") == [] and len(hub.log) == requests
        assert registry.require("thing") and download.verify("thing") == []
        assert not list(home.rglob("*.part"))

    def test_an_interrupted_transfer_goes_on_where_it_broke_off(self, home, hub, monkeypatch):
        register(home, files=["model.safetensors"])
        body = bytes(range(256)) * 8000
        serve(hub, **{"model.safetensors": body})
        path = f"{BASE}/model.safetensors"
        hub.faults[path] = ["drop"]
        monkeypatch.setattr(download, "ATTEMPTS", 1)
        with pytest.raises(ModelError, match=r"could not be downloaded .* run pvtt models fetch thing again"):
            download.fetch("thing")
        part = home / "thing/model.safetensors.part"
        half = part.stat().st_size
        assert 0 < half < len(body) and not (home / "thing/model.safetensors").exists()
        assert registry.problems("thing")
        hub.log.clear()
        assert download.fetch("thing") == ["model.safetensors"]
        assert hub.log == [(path, f"bytes={half}-")]
        assert (home / "thing/model.safetensors").read_bytes() == body and not part.exists()

    def test_a_fetch_that_is_killed_leaves_nothing_that_looks_whole(self, home, hub):
        register(home, files=["model.safetensors"])
        body = b"0123456789" * 500_000
        serve(hub, **{"model.safetensors": body})
        hub.faults[f"{BASE}/model.safetensors"] = ["drop"] * 50
        code = "from pvtt.models import download; download.PAUSE_S = 9; download.fetch('thing')"
        environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow")}
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)
        part = home / "thing/model.safetensors.part"
        try:
            for _ in range(600):
                if part.is_file() and part.stat().st_size:
                    break
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.05)
        finally:
            process.kill()
            process.wait()
        assert part.stat().st_size and registry.problems("thing")
        hub.faults.clear()
        assert download.fetch("thing") and download.verify("thing") == []

    def test_passing_faults_are_tried_again(self, home, hub):
        register(home, files=["model.safetensors"])
        serve(hub, **{"model.safetensors": b"weights" * 1000})
        hub.faults[f"{BASE}/model.safetensors"] = [503, "drop", 429]
        assert download.fetch("thing") == ["model.safetensors"] and download.verify("thing") == []

    def test_a_part_that_does_not_fit_is_thrown_away(self, home, hub):
        register(home, files=["model.safetensors"])
        serve(hub, **{"model.safetensors": b"short"})
        (home / "thing").mkdir()
        (home / "thing/model.safetensors.part").write_bytes(b"longer than the file")
        download.fetch("thing")
        assert (home / "thing/model.safetensors").read_bytes() == b"short"

    @pytest.mark.parametrize("stated", ["registry", "hub", "md5"])
    def test_a_wrong_digest_is_refused(self, home, hub, stated):
        good, path = b"weights" * 10, f"{BASE}/model.safetensors"
        pins = {"registry": {"sha256": hashlib.sha256(good).hexdigest()}, "hub": {}}
        pins["md5"] = {"md5": hashlib.md5(good).hexdigest()}
        register(home, files=[{"path": "model.safetensors"} | pins[stated]])
        serve(hub, **{"model.safetensors": good})
        hub.faults[path] = ["wrong"]
        hub.large |= {path} if stated == "hub" else set()
        with pytest.raises(ModelError, match=r"model\.safetensors has (sha256|md5) .* not .*; delete it and run"):
            download.fetch("thing")
        assert not (home / "thing/model.safetensors").exists() and not list(home.rglob("*.part"))
        assert download.fetch("thing") == ["model.safetensors"]

    def test_a_missing_file_names_its_path(self, home, hub):
        register(home)
        serve(hub, **{"config.json": b"{}"})
        with pytest.raises(
            ModelError, match=rf"there is no .*/maker/thing/resolve/{COMMIT}/model.safetensors; correct"
        ):
            download.fetch("thing")

    def test_gated(self, home, hub, monkeypatch):
        register(home, files=["config.json"])
        serve(hub, **{"config.json": b"{}"})
        hub.faults[f"{BASE}/config.json"] = [401]
        with pytest.raises(ModelError, match=r"refused .401.; accept its licence .* HF_TOKEN"):
            download.fetch("thing")
        monkeypatch.setenv("HF_TOKEN", "key")
        download.fetch("thing")
        assert hub.headers[-1]["Authorization"] == "Bearer key" and "Authorization" not in hub.headers[0]

    def test_offline(self, home, monkeypatch):
        register(home)
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        monkeypatch.setattr(download, "PAUSE_S", 0.0)
        with pytest.raises(ModelError, match=r"config\.json could not be downloaded .*HF_ENDPOINT .*mirror, or copy"):
            download.fetch("thing")

    def test_what_is_there_needs_no_network(self, home, monkeypatch):
        register(home, files=["config.json"])
        (home / "thing").mkdir()
        (home / "thing/config.json").write_text("{}")
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        assert download.fetch("thing") == []
        assert "config.json" in json.loads((home / "thing/.digests.json").read_text())["files"]

    def test_shards_come_by_their_index(self, home, hub):
        register(home, files=[{"path": "unet/model.safetensors", "split": True}])
        shards = json.dumps({"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}).encode()
        serve(hub, **{"unet/model.safetensors.index.json": shards})
        serve(hub, **{"unet/m-1.safetensors": b"1", "unet/m-2.safetensors": b"2"})
        expected = [f"unet/{name}.safetensors" for name in ("m-1", "m-2")]
        assert download.fetch("thing") == ["unet/model.safetensors.index.json", *expected]
        assert download.fetch("thing") == [] and download.verify("thing") == []

    def test_optional_files_may_lack(self, home, hub):
        register(home, files=["config.json", {"path": "vocab.txt", "optional": True}])
        serve(hub, **{"config.json": b"{}"})
        assert download.fetch("thing") == ["config.json"] and registry.problems("thing") == []

    def test_a_branch_is_held_at_the_commit_of_the_first_fetch(self, home, hub):
        register(home, commit="main", pinned=False, notes="No commit is known.")
        serve(hub, "/maker/thing/resolve/main", **{"config.json": b"{}"})
        serve(hub, f"/maker/thing/resolve/{'c' * 40}", **{"model.safetensors": b"weights"})
        assert len(download.fetch("thing")) == 2
        assert registry.commit("thing") == "c" * 40

    def test_a_release(self, home, hub):
        files = [{"path": "net.onnx", "name": "Net-1.onnx"}]
        register(home, commit="v1", source="release", files=files)
        serve(hub, "/maker/thing/releases/download/v1", **{"Net-1.onnx": b"onnx"})
        download.fetch("thing")
        assert (home / "thing/net.onnx").read_bytes() == b"onnx"

    @pytest.fixture
    def archives(self, tmp_path):
        """A folder with a wheel and a source archive of a package that needs another Python and other packages."""
        folder = tmp_path / "archives"
        folder.mkdir()
        about = "Metadata-Version: 2.1\nName: net-of-ours\nVersion: 1.2\nRequires-Python: <3\nRequires-Dist: nowhere\n"
        with zipfile.ZipFile(folder / "net_of_ours-1.2-py3-none-any.whl", "w") as wheel:
            wheel.writestr("net/weights.onnx", b"weights")
            wheel.writestr("net_of_ours-1.2.dist-info/METADATA", about)
            wheel.writestr(
                "net_of_ours-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr("net_of_ours-1.2.dist-info/RECORD", "")
        with tarfile.open(folder / "other-3.tar.gz", "w:gz") as archive:
            member = tarfile.TarInfo("other-3/data/net.bin")
            member.size = 5
            archive.addfile(member, io.BytesIO(b"bytes"))
        return folder

    def of_package(self, home, **changes):
        digest = hashlib.sha256(b"weights").hexdigest()
        file = {"path": "net.onnx", "name": "net/weights.onnx", "size": 7, "sha256": digest}
        register(home, repository="net-of-ours", commit="1.2", source="package", files=[file | changes])

    @pytest.mark.parametrize("way", ["folder", "pip"])
    def test_a_member_of_a_package(self, home, archives, monkeypatch, way):
        if way == "folder":
            monkeypatch.setenv("PVTT_WHEELS", str(archives))
        else:
            monkeypatch.setenv("PIP_NO_INDEX", "1")
            monkeypatch.setenv("PIP_FIND_LINKS", str(archives))
        self.of_package(home)
        assert download.fetch("thing") == ["net.onnx"]
        assert (home / "thing/net.onnx").read_bytes() == b"weights" and download.verify("thing") == []
        assert sorted(path.name for path in (home / "thing").iterdir()) == [".digests.json", ".lock", "net.onnx"]
        assert download.fetch("thing") == []

    def test_a_member_of_a_package_for_another_python(self, home, archives, monkeypatch):
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(archives))
        monkeypatch.setattr(packages, "_OF_ANOTHER_MACHINE", ("--only-binary=:all:", "--python-version=3.5"))
        plain = archives / "net_of_ours-1.2-py3-none-any.whl"
        plain.rename(archives / "net_of_ours-1.2-cp35-none-any.whl")
        self.of_package(home)
        assert download.fetch("thing") == ["net.onnx"]

    def test_a_member_of_a_source_archive(self, home, archives, monkeypatch):
        monkeypatch.setenv("PVTT_WHEELS", str(archives))
        register(home, repository="other", commit="3", source="package", files=["data/net.bin"])
        download.fetch("thing")
        assert (home / "thing/data/net.bin").read_bytes() == b"bytes"

    def test_a_member_that_is_not_as_recorded_is_refused(self, home, archives, monkeypatch):
        monkeypatch.setenv("PVTT_WHEELS", str(archives))
        self.of_package(home, sha256="0" * 64)
        with pytest.raises(ModelError, match="has sha256"):
            download.fetch("thing")
        self.of_package(home, name="net/other.onnx")
        with pytest.raises(ModelError, match=r"net_of_ours-1.2-py3-none-any.whl has no member net/other.onnx"):
            download.fetch("thing")
        assert not (home / "thing/net.onnx").exists()

    def test_a_package_that_cannot_be_had(self, home, archives, monkeypatch):
        self.of_package(home)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        with pytest.raises(ModelError, match=r"pip could not download net-of-ours==1.2 .*PVTT_WHEELS"):
            download.fetch("thing")
        monkeypatch.setenv("PVTT_WHEELS", str(home))
        with pytest.raises(ModelError, match=r"has no archive of net-of-ours 1\.2"):
            download.fetch("thing")
        (home / "net_of_ours-1.2-py3-none-any.whl").write_bytes(b"no archive")
        with pytest.raises(ModelError, match="is damaged"):
            download.fetch("thing")

    def test_two_at_once(self, home, hub):
        register(home)
        wanted = registry.model("thing")
        with download._locked(wanted), pytest.raises(ModelError, match="being fetched by another process"):
            download.fetch("thing")

    def test_unpublished(self, home):
        with pytest.raises(ModelError, match="nothing is published"):
            download.fetch("insertanywhere-lora")


class TestCheckout:
    @pytest.fixture
    def upstream(self, tmp_path, monkeypatch):
        """A repository with two commits; the first one's id."""
        place = tmp_path / "github/maker/thing.git"
        place.mkdir(parents=True)

        def git(*arguments):
            identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
            done = subprocess.run(
                ["git", "-C", place, *identity, *arguments], capture_output=True, text=True, check=True
            )
            return done.stdout.strip()

        git("init", "-q")
        (place / "run.py").write_text("print(1)\n")
        git("add", ".")
        git("commit", "-qm", "one")
        first = git("rev-parse", "HEAD")
        (place / "run.py").write_text("print(2)\n")
        git("commit", "-qam", "two")
        git("config", "uploadpack.allowAnySHA1InWant", "true")
        monkeypatch.setenv("PVTT_GITHUB", f"file://{tmp_path}/github")
        return first

    def test_at_its_commit(self, home, upstream):
        register(home, source="checkout", commit=upstream, files=["run.py"])
        assert "run.py is missing" in registry.problems("thing")[0]
        assert download.fetch("thing") == [f"maker/thing@{upstream[:10]}"]
        assert (home / "thing/run.py").read_text() == "print(1)\n"
        assert download.fetch("thing") == [] and download.verify("thing") == []
        (home / "thing/run.py").write_text("print(3)\n")
        assert "was changed: M run.py" in download.verify("thing")[0]

    def test_no_such_commit(self, home, upstream):
        register(home, source="checkout", commit="d" * 40, files=["run.py"])
        with pytest.raises(ModelError, match=r"git fetch of maker/thing@dddd.* failed"):
            download.fetch("thing")


class TestCommand:
    def test_list_fetch_verify(self, home, hub, capsys):
        register(home)
        serve(hub, **{"config.json": b"{}", "model.safetensors": b"weights"})
        assert command.main(["models", "list", "thing"]) == 0
        assert capsys.readouterr().out.splitlines()[1].split() == ["thing", "MIT", "yes", "missing"]
        assert command.main(["models", "fetch", "thing"]) == 0
        assert command.main(["models", "verify"]) == 0
        assert "thing: whole" in capsys.readouterr().out
        (home / "thing/model.safetensors").write_bytes(b"weighty")
        assert command.main(["models", "verify", "thing"]) == 1
        assert "model.safetensors has sha256" in capsys.readouterr().out
        (home / "thing/model.safetensors").unlink()
        assert command.main(["models", "verify", "thing"]) == 1
        command.main(["models", "list"])
        states = {line.split()[0]: line.split()[-1] for line in capsys.readouterr().out.splitlines() if line}
        assert states["thing"] == "damaged" and states["insertanywhere-lora"] == "unpublished"

    def test_errors_are_one_line(self, home, hub, capsys):
        assert command.main(["models", "fetch", "nothing"]) == 1
        assert capsys.readouterr().err.startswith("pvtt: no model 'nothing'")
        assert command.main(["models", "fetch"]) == 1
        assert "--for-config" in capsys.readouterr().err

    def test_one_failure_stops_no_other(self, home, hub, capsys):
        register(home, "bad")
        register(home, "good", repository="maker/good", files=["a"])
        serve(hub, f"/maker/good/resolve/{COMMIT}", a=b"a")
        assert command.main(["models", "fetch", "bad", "good"]) == 1
        assert "good: 1 fetched" in capsys.readouterr().out

    def test_for_a_configuration(self, home, capsys):
        assert command.main(["models", "fetch", "--for-config"]) == 0
        assert "needs no model" in capsys.readouterr().out

    def test_folder(self, tmp_path, capsys, monkeypatch):
        monkeypatch.setenv("PVTT_MODELS", "")
        command.main(["models", "--folder", str(tmp_path / "mine"), "list", "dinov2-base"])
        assert str(tmp_path / "mine") in capsys.readouterr().out

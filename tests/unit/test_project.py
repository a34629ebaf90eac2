"""What keeps the project's own files in step, and the small tools around the workflow."""

import ast
import json
import logging
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import yaml

from conftest import ROOT
from pvtt.backends import registry as backends
from pvtt.cli import draw_dag, install_profile
from pvtt.config import reference, settings
from pvtt.execution import job
from pvtt.execution.task import NamedList, Task
from pvtt.models import registry as models
from pvtt.stages.verdicts import FailureRateError, check_failure_rate


def pins(name):
    lines = (ROOT / "envs" / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "-r"))]


ENVIRONMENTS = {
    "core": ["core.txt"],
    "models": ["core.txt", "models.txt"],
    "propainter": ["core.txt", "propainter.txt"],
    "videopainter": ["videopainter.txt"],
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_conda_and_pip_have_the_same_pins(name):
    conda = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text())
    assert conda["dependencies"][-1]["pip"] == [pin for part in ENVIRONMENTS[name] for pin in pins(part)]


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.txt")), ids=lambda path: path.name)
def test_everything_is_pinned(path):
    assert all(re.fullmatch(r"[\w.-]+(==[\w.]+| @ git\+\S+@[0-9a-f]{40}#\S+)", pin) for pin in pins(path.name))


def test_every_environment_of_a_backend_has_its_files():
    for stage in backends.STAGES:
        for name in backends.available(stage):
            environment = backends.backend_class(stage, name).environment
            assert (ROOT / f"envs/{environment}.yaml").is_file() and environment in ENVIRONMENTS, name


def test_every_model_that_a_backend_needs_is_registered():
    known = models._read(models.REGISTRY, 0)
    for stage in backends.STAGES:
        for name in backends.available(stage):
            backend = backends.backend_class(stage, name)(settings.stage_defaults(stage))
            assert set(backend.needs) <= set(known), name


def test_configuration_reference_is_current():
    assert (ROOT / "config/README.md").read_text() == reference.markdown()


def test_table_of_models_is_current():
    assert (ROOT / "docs/models.md").read_text(encoding="utf-8").endswith(models.describe())


PRESETS = [f"presets/{name}.yaml" for name in ("poc", "small", "medium", "large", "small-models")]


@pytest.mark.parametrize("name", ["config.yaml", *PRESETS])
def test_shipped_configurations_are_valid(name):
    config = yaml.safe_load((ROOT / "config" / name).read_text())
    assert settings.resolve(config)["pairs"]["strategy"] in ("single", "sample")


def test_library_imports_neither_snakemake_nor_torch():
    code = (
        "import pkgutil, importlib, sys, pvtt\n"
        "for m in pkgutil.walk_packages(pvtt.__path__, 'pvtt.'):\n"
        "    if not m.name.endswith('__main__'): importlib.import_module(m.name)\n"
        "print(sorted({'snakemake', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_layers_are_held():
    """`lint-imports` reads its contracts in pyproject.toml: layers, independent stages and backends, no torch."""
    command = [Path(sys.executable).with_name("lint-imports")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_rule_has_its_script_and_no_script_is_long():
    scripts = {path.stem for path in (ROOT / "workflow/scripts").glob("*.py")}
    text = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    rules = {line.split()[1].rstrip(":") for line in text.splitlines() if line.startswith(("rule ", "checkpoint "))}
    assert scripts == rules
    assert all(len(path.read_text().splitlines()) <= 40 for path in (ROOT / "workflow/scripts").glob("*.py"))
    assert len((ROOT / "Snakefile").read_text().splitlines()) < 60


def test_profile_is_linked_once_and_never_overwrites(tmp_path):
    ours, home = tmp_path / "profiles" / "slurm", tmp_path / "home"
    ours.mkdir(parents=True)
    assert "linked" in install_profile.link_profile(ours, home)
    assert (home / "slurm").resolve() == ours
    assert "already" in install_profile.link_profile(ours, home)
    (home / "slurm").unlink()
    (home / "slurm").mkdir()
    (home / "slurm" / "config.yaml").write_text("theirs")
    assert "left alone" in install_profile.link_profile(ours, home)
    assert (home / "slurm" / "config.yaml").read_text() == "theirs"


def test_profile_replaces_a_dangling_link(tmp_path):
    ours = tmp_path / "new" / "slurm"
    ours.mkdir(parents=True)
    (tmp_path / "slurm").symlink_to(tmp_path / "gone")
    install_profile.link_profile(ours, tmp_path)
    assert (tmp_path / "slurm").resolve() == ours


def fabricated_task(tmp_path, **parts):
    """A task as a script gets it, of files with names."""
    lists = {part: NamedList() for part in ("input", "output", "params", "wildcards", "resources")}
    lists |= {"log": NamedList([str(tmp_path / "logs" / "job.log")]), "wildcards": NamedList(["A_s01"])}
    return Task(rule="cut_clip", script="cut_clip.py", **(lists | parts))


def test_a_failed_job_leaves_its_traceback_in_the_log(tmp_path, capsys):
    task = fabricated_task(tmp_path)
    before = logging.getLogger().handlers[:]
    try:
        with pytest.raises(ValueError, match="no such shot"):

            @job.job(task)
            def run():
                raise ValueError("no such shot")

    finally:
        logging.getLogger().handlers[:] = before
    assert "Traceback" in Path(task.log[0]).read_text()
    assert "cut_clip (A_s01): no such shot" in capsys.readouterr().err


def test_a_task_can_be_sent(tmp_path):
    files = NamedList(["a.mp4", "b.png", "c.png"], {"video": "a.mp4", "cutouts": ["b.png", "c.png"]})
    task = fabricated_task(tmp_path, input=files, params=NamedList([{"x": 1.5}], {"settings": {"x": 1.5}}))
    sent = Task.from_dict(json.loads(json.dumps(task.to_dict())))
    assert sent == task
    assert (sent.input.video, sent.input.cutouts, sent.input[2]) == ("a.mp4", ["b.png", "c.png"], "c.png")
    assert sent.params.settings == {"x": 1.5}
    with pytest.raises(AttributeError, match="nope"):
        _ = sent.input.nope


def test_rule_graph_is_drawn(tmp_path):
    dot = 'noise\ndigraph x { 0 [label="all"]; 1 [label="plan_pairs"]; 2 [label="insert_product"]; 1 -> 0; 2 -> 0; }'
    draw_dag.draw(dot, tmp_path / "dag.svg")
    svg = (tmp_path / "dag.svg").read_text()
    assert "plan pairs" in svg and "stroke-dasharray" in svg


def test_failure_limit():
    table = pd.DataFrame({"status": ["scored", "failed", "invalid", "scored"], "reasons": ["", "x", "x", ""]})
    check_failure_rate(table, 0.5)
    check_failure_rate(table[:0], 0.0)
    with pytest.raises(FailureRateError, match=r"2 of 4 .* most often: x"):
        check_failure_rate(table, 0.4)


def test_constraints_agree_with_the_pins():
    def lower(*names):
        return {pin.lower() for name in names for pin in pins(name)}

    base, more = lower("constraints.txt"), lower("constraints-models.txt")
    assert lower("core.txt", "dev.txt", "review.txt", "world.txt") <= base
    assert lower("models.txt") <= base | more
    assert not {pin.split("==")[0] for pin in base} & {pin.split("==")[0] for pin in more}


MODEL_PACKAGES = (
    "torch",
    "transformers",
    "diffusers",
    "accelerate",
    "safetensors",
    "ftfy",
    "peft",
    "sam2",
    "onnxruntime",
    "rapidocr",
    "rembg",
    "sentencepiece",
)


@pytest.mark.slow
def test_the_models_environment_is_at_its_pins_and_can_be_imported():
    """What make test installs; torchvision is left out there."""
    pytest.importorskip("torch", reason="torch is not installed; run: make models CPU=1")
    wanted = dict(pin.lower().split("==") for pin in pins("models.txt") if not pin.startswith("torchvision"))
    found = {name: metadata.version(name).partition("+")[0] for name in wanted}
    assert found == wanted
    names = [*MODEL_PACKAGES, "sam2.build_sam", "sam2.sam2_video_predictor"]
    code = f"import {', '.join(names)}\nfrom diffusers import WanVACEPipeline"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


# ---------------------------------------------------------------- documentation of the code


LIBRARY = ROOT / "workflow" / "pvtt"


def modules(*folders):
    for folder in folders:
        for path in sorted((LIBRARY / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def takes_arrays(function):
    arguments = [*function.args.args, *function.args.kwonlyargs]
    return any("Array" in ast.unparse(one.annotation) for one in arguments if one.annotation)


def undocumented_functions(tree):
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"))
    return [f.name for f in functions if takes_arrays(f) and "Parameters\n---" not in (ast.get_docstring(f) or "")]


def is_number(node):
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.UnaryOp(operand=operand):
            return is_number(operand)
        case ast.BinOp(left=left, right=right):
            return is_number(left) and is_number(right)
        case ast.Tuple(elts=parts):
            return bool(parts) and all(map(is_number, parts))
    return False


def uncommented_constants(tree, lines):
    constants = (node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign) and node.value)
    return [
        lines[node.lineno - 1]
        for node in constants
        if is_number(node.value) and "#" not in lines[node.lineno - 1] and not lines[node.lineno - 2].startswith("#")
    ]


def test_functions_of_arrays_document_their_parameters():
    found = {path.name: undocumented_functions(tree) for path, tree in modules("imaging", "metrics", "io")}
    assert len(found) > 20 and not {name: missing for name, missing in found.items() if missing}


def test_numeric_constants_have_a_comment():
    found = {
        str(path.relative_to(LIBRARY)): uncommented_constants(tree, path.read_text(encoding="utf-8").splitlines())
        for path, tree in modules(".")
    }
    assert not {name: missing for name, missing in found.items() if missing}


def test_the_checks_of_the_documentation_find_faults():
    code = (
        'import x\nA = 3\n# px\nB = -1.5\nC = (1, 2)  # s\nD = True\n\n\ndef f(a: BoolArray) -> None:\n    """Do."""\n'
    )
    tree = ast.parse(code)
    assert uncommented_constants(tree, code.splitlines()) == ["A = 3"]
    assert undocumented_functions(tree) == ["f"]
    assert not undocumented_functions(ast.parse(code.replace("Do.", "Do.\n\n    Parameters\n    ----------\n    ")))

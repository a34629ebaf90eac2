"""A models' folder with every model that the pipeline can load here, tiny and of random weights.

    PYTHONPATH=workflow:tests python -m backends.tiny.models_folder FOLDER [--teach mug_blue_s01 serum_s01]

With it the whole pipeline runs on a machine without weights, through the code that runs the real ones. `--teach` shows
SAM 2 clips of resources/demo with their true masks, so that the quality check accepts these clips. ProPainter and
VideoPainter are programs of their own environments and not in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from backends.tiny import embedders, grounding_dino, rembg, sam2, transnetv2, vace, vlm

ROOT = Path(__file__).parents[3]
COMMIT = "0123456789abcdef" * 2 + "01234567"
Build = Callable[[Path], Any]
MODELS: dict[str, tuple[Build, Sequence[str]]] = {
    "grounding-dino-tiny": (grounding_dino.build, grounding_dino.FILES),
    "sam2.1-hiera-tiny": (sam2.build, [sam2.FILE]),
    "rembg-birefnet-general": (rembg.build, ["birefnet-general.onnx"]),
    "rembg-isnet-general-use": (lambda f: rembg.build(f, network="isnet-general-use"), ["isnet-general-use.onnx"]),
    "u2net": (lambda f: rembg.build(f, network="u2net"), ["u2net.onnx"]),
    "transnetv2": (transnetv2.build, transnetv2.FILES),
    "wan2.1-vace-1.3b": (vace.build, vace.files()),
    "wan2.1-vace-14b": (lambda f: vace.build(f, heads=4), vace.files()),
    "wan2.2-vace-fun-a14b": (lambda f: vace.build(f, two_stage=True), vace.files(two_stage=True)),
    "insertanywhere-lora": (lambda f: vace.build_lora(f, heads=4), [vace.LORA_FILE]),
    **{name: (build, embedders.FILES) for name, build in embedders.BUILDERS.items()},
    **{name: (lambda f, kind=kind: vlm.build_vlm(f, kind), vlm.FILES) for name, kind in vlm.IDS.items()},
}


def build(folder: Path, names: Iterable[str] = MODELS, lessons: Sequence[tuple[Any, Any]] = ()) -> None:
    """Write the models `names` (ids of resources/models.yaml) and their models.yaml into `folder`.

    `lessons` are clips for SAM 2 to learn, see `sam2.build`. Licences are those of the published models, repositories
    begin with `tiny/`.
    """
    published = yaml.safe_load((ROOT / "resources" / "models.yaml").read_text(encoding="utf-8"))
    entries = {}
    for name in names:
        builder, files = MODELS[name]
        if name == "sam2.1-hiera-tiny" and lessons:
            sam2.build(folder / name, lessons=lessons, steps=120 * len(lessons))
        else:
            builder(folder / name)
        entry = {"repository": f"tiny/{name}", "commit": COMMIT, "files": list(files)}
        entry |= {key: published[name][key] for key in ("licence", "commercial")}
        entries[name] = entry | {key: sam2.ENTRY[key] for key in ("config", "overrides") if name.startswith("sam2")}
    (folder / "models.yaml").write_text(yaml.safe_dump(entries, sort_keys=False), encoding="utf-8")


def demo_lesson(clip_id: str) -> tuple[Any, Any]:
    """Frames and true masks of the first clip of a product of resources/demo, such as `mug_blue_s01`."""
    from pvtt.io import video as media

    demo = ROOT / "resources" / "demo"
    if not clip_id.endswith("_s01"):
        raise ValueError(f"{clip_id}: only first clips, whose frames are the video's first, can be taught")
    masks = media.read_masks(demo / "truth" / "clips" / clip_id / "masks.mkv").any(0)
    video = demo / "videos" / f"{clip_id.removesuffix('_s01')}.mp4"
    return media.read_video(video, 0, len(masks)), masks


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--teach", nargs="*", default=[], metavar="CLIP", help="first clips of resources/demo")
    given = parser.parse_args()
    build(given.folder, lessons=[demo_lesson(clip) for clip in given.teach])
    print(f"{len(MODELS)} tiny models in {given.folder}; use them with PVTT_MODELS={given.folder}")

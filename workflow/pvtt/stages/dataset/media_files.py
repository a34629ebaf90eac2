"""Files of the published dataset: what there should be, and bringing a folder to exactly that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np

from pvtt.io import images, video
from pvtt.io.files import link_or_copy
from pvtt.records.layout import Layout
from pvtt.records.run_summary import Run, accepted_products, main_photo

FOLDERS = ("videos/source", "videos/background", "videos/synthesized", "images/source", "images/target", "masks")
Maker = Callable[[Path, Path], None]


def plan_files(results: Path, run: Run) -> dict[str, tuple[Path, Maker]]:
    """What the kept pairs need: path in the dataset -> (source file, function that makes it from the source)."""
    plan: dict[str, tuple[Path, Maker]] = {}
    for pair in run.kept():
        clip, target = pair["clip_id"], f"{pair['target_id']}_i{pair['image_index']}"
        files = Layout(results).clip(clip)
        plan[f"videos/source/{clip}.mp4"] = (files.video, link_or_copy)
        plan[f"videos/background/{clip}_bg.mp4"] = (files.background, link_or_copy)
        plan[f"videos/synthesized/{pair['pair_id']}.mp4"] = (Layout(results).pair_of(pair).video, link_or_copy)
        cut_out = Layout(results).cutout(pair["target_id"], pair["image_index"]).image
        plan[f"images/target/{target}_nobg.png"] = (cut_out, link_or_copy)
        plan[f"masks/{clip}"] = (files.masks, _write_mask_images)
    for source in {pair["source_id"] for pair in run.kept()}:
        if photo := _source_photo(run, source):
            plan[f"images/source/{source}.jpg"] = (photo, _write_photo)
    return plan


def sync(out_dir: Path, plan: Mapping[str, tuple[Path, Maker]]) -> set[str]:
    """Make what is missing or stale, remove what is not in the plan; return the paths that are there."""
    for folder in FOLDERS:
        (out_dir / folder).mkdir(parents=True, exist_ok=True)
        _remove_others(out_dir / folder, {Path(path).name for path in plan if str(Path(path).parent) == folder})
    published = set()
    for path, (source, make) in sorted(plan.items()):
        if not source.is_file() or not source.stat().st_size:
            raise ValueError(f"dataset: {source} is missing or empty, but a kept pair needs it; run the pipeline again")
        target = out_dir / path
        if not _current(target, source, make):
            make(source, target)
            if not (target.is_file() and target.samefile(source)):
                _stamp(target, source)
        published.add(path)
    return published


def _source_photo(run: Run, product_id: str) -> Path | None:
    """A product's main photo, as the seller took it; None when the feed has none that can be read."""
    photos = [Path(image) for image in str(accepted_products(run)[product_id]["images"]).split(";") if image]
    record = main_photo(run, product_id)
    index = record.image_index - 1 if record else 0
    if index >= len(photos) or not photos[index].is_file():
        return None
    try:
        images.read_rgb(photos[index])
    except video.MediaError:
        return None
    return photos[index]


def _current(target: Path, source: Path, make: Maker) -> bool:
    """Whether a file was made from this source: the same file, or it bears the source's time stamp."""
    if target.is_dir():
        numbers = sorted(int(image.stem) for image in target.glob("*.png"))
        whole = numbers == list(range(1, len(numbers) + 1))
        return whole and _time_of(target / "0001.png") == source.stat().st_mtime_ns
    if not target.is_file():
        return False
    if target.samefile(source):
        return True
    same_size = make is not link_or_copy or target.stat().st_size == source.stat().st_size
    return same_size and _time_of(target) == source.stat().st_mtime_ns


def _time_of(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else -1


def _stamp(target: Path, source: Path) -> None:
    times = source.stat()
    path = target / "0001.png" if target.is_dir() else target
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def _write_photo(source: Path, target: Path) -> None:
    images.write_jpeg(target, images.read_rgb(source))


def _write_mask_images(source: Path, target: Path) -> None:
    """Write 0001.png ... (0/255), the union of all objects; the folder appears when it is whole."""
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for number, mask in enumerate(np.any(video.read_masks(source), axis=0), 1):
            images.write_png(aside / f"{number:04d}.png", mask)
        shutil.rmtree(target, ignore_errors=True)
        os.replace(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _remove_others(folder: Path, names: Iterable[str]) -> None:
    wanted = set(names)
    for path in folder.iterdir():
        if path.name in wanted:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

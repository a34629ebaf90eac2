"""The command `pvtt estimate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_TEXT = "say what a run will cost before it is spent: pairs, hours, storage, cost of an accepted pair, wall time"


def add_command(groups: Any) -> None:
    """Add the command to an argument parser's groups; its function imports what it needs when it runs."""
    command = groups.add_parser("estimate", help=_TEXT, description=_TEXT)
    command.add_argument(
        "--config", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="settings, as for snakemake"
    )
    command.add_argument(
        "--configfile",
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="files of settings, as for snakemake",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--preset", metavar="NAME", help="a size of the plan instead of a feed: poc, small, medium, large"
    )
    which.add_argument(
        "--presets", action="store_true", help="all sizes of the plan in one table, by the plan's figures"
    )
    command.add_argument("--plan", action="store_true", help="the plan's figures instead of the chosen backends'")
    command.add_argument("--nodes", type=_count, default=1, help="nodes (default 1)")
    command.add_argument("--gpus", type=_count, default=8, help="GPUs of a node (default 8)")
    command.add_argument("--cpus", type=_count, default=16, help="cores of a node that jobs get (default 16)")
    command.add_argument(
        "--clips-per-video",
        type=float,
        metavar="N",
        help="for videos whose shots are not known; otherwise as so far, or 4",
    )
    command.add_argument("--price-per-gpu-hour", type=float, help="what an hour of a GPU costs")
    command.add_argument("--price-per-cpu-hour", type=float, help="what an hour of a core costs")
    command.add_argument("--json", type=Path, metavar="FILE", help="write everything there as JSON too")
    command.set_defaults(run=_estimate)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count of at least 1")
    return int(text)


def _estimate(options: argparse.Namespace) -> int:
    from pvtt.io.files import write_json
    from pvtt.reporting.estimate import Asked, Nodes, estimate_feed, estimate_preset, estimate_presets
    from pvtt.reporting.estimate.presets import names
    from pvtt.reporting.estimate.text import as_text, presets_as_text

    asked = Asked(
        nodes=Nodes(options.nodes, options.gpus, options.cpus),
        plan=options.plan or options.presets,
        clips_per_video=options.clips_per_video,
        price_per_gpu_hour=options.price_per_gpu_hour,
        price_per_cpu_hour=options.price_per_cpu_hour,
    )
    found: Any
    if options.presets:
        found = estimate_presets({name: _settings(options, name) for name in names()}, asked)
        print(presets_as_text(found))
    else:
        config = _settings(options, options.preset)
        found = estimate_preset(options.preset, config, asked) if options.preset else estimate_feed(config, asked)
        print(as_text(found))
    if options.json:
        write_json(options.json, found)
        print(f"\njson: {options.json}")
    return 0


def _settings(options: argparse.Namespace, preset: str | None) -> dict[str, Any]:
    """Resolved settings, of a preset's file first; the run's models and device are taken into use."""
    from pvtt.config import settings
    from pvtt.models import devices, registry
    from pvtt.reporting.estimate.presets import preset_file, scenario

    files = [preset_file(scenario(preset).name)] if preset else []
    config = settings.resolve(settings.read([*files, *options.configfile], options.config))
    if config["models"]:
        registry.set_root(config["models"])
    devices.set_device(config["device"])
    return config

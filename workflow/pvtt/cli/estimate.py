"""The command `pvtt estimate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_TEXT = "estimate a run before it starts: pairs, hours, storage, cost per accepted pair, wall time"


def add_command(groups: Any) -> None:
    """Add the command to an argument parser; its function imports what it needs when it runs."""
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
        help="configuration files, as for snakemake",
    )
    which = command.add_mutually_exclusive_group()
    which.add_argument("--preset", metavar="NAME", help="a preset instead of a catalogue: poc, small, medium, large")
    which.add_argument("--presets", action="store_true", help="all presets in one table, with the figures of the plan")
    command.add_argument(
        "--plan", action="store_true", help="use the figures of the plan instead of those of the chosen backends"
    )
    command.add_argument("--nodes", type=_count, default=1, help="number of nodes (default 1)")
    command.add_argument("--gpus", type=_count, default=8, help="GPUs per node (default 8)")
    command.add_argument("--cpus", type=_count, default=16, help="CPU cores per node for jobs (default 16)")
    command.add_argument(
        "--clips-per-video",
        type=float,
        metavar="N",
        help="for videos without shot detection; default: the mean so far, or 4",
    )
    command.add_argument("--price-per-gpu-hour", type=float, help="price of a GPU hour")
    command.add_argument("--price-per-cpu-hour", type=float, help="price of a CPU core hour")
    command.add_argument("--json", type=Path, metavar="FILE", help="also write the estimate as JSON")
    command.set_defaults(run=_estimate)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count of at least 1")
    return int(text)


def _estimate(options: argparse.Namespace) -> int:
    from pvtt.io.files import write_json
    from pvtt.reporting.estimate import EstimateOptions, Nodes, estimate_feed, estimate_preset, estimate_presets
    from pvtt.reporting.estimate.presets import names
    from pvtt.reporting.estimate.text import as_text, presets_as_text

    chosen = EstimateOptions(
        nodes=Nodes(options.nodes, options.gpus, options.cpus),
        plan=options.plan or options.presets,
        clips_per_video=options.clips_per_video,
        price_per_gpu_hour=options.price_per_gpu_hour,
        price_per_cpu_hour=options.price_per_cpu_hour,
    )
    found: Any
    if options.presets:
        found = estimate_presets({name: _settings(options, name) for name in names()}, chosen)
        print(presets_as_text(found))
    else:
        config = _settings(options, options.preset)
        found = estimate_preset(options.preset, config, chosen) if options.preset else estimate_feed(config, chosen)
        print(as_text(found))
    if options.json:
        write_json(options.json, found)
        print(f"\njson: {options.json}")
    return 0


def _settings(options: argparse.Namespace, preset: str | None) -> dict[str, Any]:
    """Resolved settings, with the file of a preset first; sets the folder of models and the device."""
    from pvtt.config import settings
    from pvtt.models import devices, registry
    from pvtt.reporting.estimate.presets import preset_file, preset_of

    files = [preset_file(preset_of(preset).name)] if preset else []
    config = settings.resolve(settings.read([*files, *options.configfile], options.config))
    if config["models"]:
        registry.set_root(config["models"])
    devices.set_device(config["device"])
    return config

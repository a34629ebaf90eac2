"""`pvtt models`: list, download and verify the models of the backends."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from pvtt.backends import registry as backends
from pvtt.config import settings
from pvtt.models import download
from pvtt.models import registry as models
from pvtt.models.registry import Model, ModelError


def add_command(groups: Any) -> None:
    """Add the command to an argument parser."""
    group = groups.add_parser(
        "models",
        help="list, download and verify the models of the backends",
        description="list, download and verify the models of the backends",
    )
    group.add_argument("--folder", help="folder of the models; default: PVTT_MODELS or ~/.cache/pvtt/models")
    commands = group.add_subparsers(required=True)
    for name, run, text in (
        ("list", _list, "list the models with licence, size and state"),
        ("fetch", _fetch, "download models; complete files are kept"),
        ("verify", _verify, "read all files of models and compare their digests"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("ids", nargs="*", metavar="ID", help="ids in resources/models.yaml")
        if name != "list":
            command.add_argument(
                "--for-config", nargs="*", metavar="FILE", help="the models that a configuration needs"
            )
        command.set_defaults(run=run)


def _list(options: argparse.Namespace) -> int:
    _use_folder(options)
    known = models.registry()
    rows = [_row(models.model(name)) for name in options.ids or known]
    head = ("id", "licence", "commercial", "GPU GB", "on disk", "state")
    print(tabulate(rows, head, "plain", disable_numparse=True))
    print(f"\nfolder: {models.root()}")
    return 0


def _row(entry: Model) -> tuple[str, ...]:
    size = download.size_here(entry.id)
    return (
        entry.id,
        entry.licence,
        "yes" if entry.commercial else "no",
        f"{entry.about['vram_gb']:g}" if "vram_gb" in entry.about else "",
        f"{size / 1e9:.2f} GB" if size else "",
        state(entry),
    )


def state(entry: Model) -> str:
    """State of a model: `there`, `missing`, `damaged` (files are missing or wrong) or `unpublished`."""
    if not models.problems(entry.id):
        return "there"
    if download.size_here(entry.id):
        return "damaged"
    return "unpublished" if entry.source == "none" else "missing"


def _fetch(options: argparse.Namespace) -> int:
    _use_folder(options)
    failed = 0
    for name in _chosen(options):
        try:
            fetched = download.fetch(name)
            print(f"{name}: {len(fetched)} fetched" if fetched else f"{name}: was there", flush=True)
        except ModelError as error:
            print(f"pvtt: {error}", file=sys.stderr)
            failed = 1
    return failed


def _verify(options: argparse.Namespace) -> int:
    _use_folder(options)
    wrong = 0
    everything = not options.ids and options.for_config is None
    names = [name for name in models.registry() if download.size_here(name)] if everything else _chosen(options)
    for name in names:
        found = download.verify(name)
        print("\n".join(found) if found else f"{name}: whole", flush=True)
        wrong = 1 if found else wrong
    if not names:
        print(f"no model in {models.root()}")
    return wrong


def _use_folder(options: argparse.Namespace) -> None:
    if options.folder:
        models.set_root(options.folder)


def _chosen(options: argparse.Namespace) -> list[str]:
    """Ids given by the arguments; ValueError if there are none."""
    found = list(options.ids)
    if options.for_config is not None:
        found += needed(options.for_config)
        if not found:
            print("this configuration needs no model")
    elif not found:
        raise ValueError("name models (pvtt models list shows them), or say --for-config FILE")
    for name in found:
        models.model(name)
    return list(dict.fromkeys(found))


def needed(files: Sequence[str]) -> list[str]:
    """Ids of the models that a run with these configuration files (over config/config.yaml) needs."""
    resolved = settings.resolve(settings.read(files))
    if resolved["models"]:
        models.set_root(resolved["models"])
    found = [part for stage in backends.STAGES for part in backends.selected_backends(stage, resolved[stage])]
    return list(dict.fromkeys(name for backend in found for name in backend.needs))

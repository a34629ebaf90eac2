"""Components of scoring under given settings: identity backends, judge, and their versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pvtt.backends.registry import available, backend_class
from pvtt.config.stages.scoring import ScoringSettings
from pvtt.stages.scoring import pair_loader, region, temporal
from pvtt.stages.scoring.rubric import rubric


def used_backends(settings: Mapping[str, Any]) -> list[Any]:
    """Every backend that the settings choose, not loaded: identity backends first, then the judge.

    Raises ValueError for an unknown backend.
    """
    return [*identity_backends(settings), *filter(None, [judge_backend(settings)])]


def identity_backends(settings: Mapping[str, Any]) -> list[Any]:
    """The backend of the identity score, then those of `also`, without duplicates."""
    chosen = ScoringSettings.of(settings)
    names = dict.fromkeys([chosen.backend, *chosen.also])
    return [backend_class("scoring", name)(settings) for name in names]


def judge_backend(settings: Mapping[str, Any]) -> Any | None:
    """The judge, None when the settings choose none."""
    name = ScoringSettings.of(settings).judge
    if name == "none":
        return None
    judges = available("scoring.judges")
    if ":" not in name and name not in judges:
        raise ValueError(f"scoring.judge: no judge {name!r}; there are none, {', '.join(judges)}")
    return backend_class("scoring.judges", name)(settings)


def title_for_judge(settings: ScoringSettings | Mapping[str, Any], title: str) -> str:
    """The target's title when the judge is told it, else "", so that a new title re-scores a pair only then."""
    chosen = ScoringSettings.of(settings)
    return title if chosen.judge != "none" and chosen.judging.title else ""


def version(settings: Mapping[str, Any]) -> str:
    """Names and versions of everything that measures, such as `dinov2 1, reading 1, temporal 1, region 1`."""
    named = [f"{backend.name} {backend.version}" for backend in identity_backends(settings)]
    named += [f"reading {pair_loader.VERSION}", f"temporal {temporal.VERSION}", f"region {region.VERSION}"]
    if judge := judge_backend(settings):
        named += [f"judge {judge.name} {judge.version}", f"rubric {rubric()['version']}"]
    return ", ".join(named)

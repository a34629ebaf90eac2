"""Presets: the four sizes of the plan, given by numbers of products, clips and photos (`resources/costs.yaml`).

Their settings are in `config/presets/<name>.yaml`. The pairs of one clip are planned by the pipeline; every other clip
has the same number, so that time and memory do not depend on the number of pairs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvtt.config.run import RunSettings
from pvtt.config.stages.pairs import PairFilter, Quotas
from pvtt.io.project_files import project_file
from pvtt.reporting.estimate.unit_costs import costs
from pvtt.stages.pairs import plan_pairs
from pvtt.stages.pairs.taxonomy import Taxonomy, read_taxonomy

_CLIP = {"empty": False, "n_frames": 0, "box_coverage": 0.0, "box_y_std_px": 0.0, "visible_share": 1.0}


@dataclass(frozen=True)
class Preset:
    """A preset. plan: its `pairs`, `gpu_hours` and `gigabytes`. why: reason for a difference to the estimate."""

    name: str
    products: int
    clips: int
    photos: int
    plan: Mapping[str, float]
    why: str

    def pairs(self, config: Mapping[str, Any]) -> int:
        """Number of planned pairs with these settings; ValueError if the settings need a catalogue."""
        chosen = RunSettings.of(config)
        pairs = chosen.pairs
        if (pairs.include, pairs.exclude, pairs.quotas) != (PairFilter(), PairFilter(), Quotas()):
            raise ValueError(
                f"preset {self.name}: quotas, include and exclude need a catalogue; estimate a feed instead"
            )
        names = [f"p{number}" for number in range(self.products)]
        plan = plan_pairs(
            [_CLIP | {"clip_id": "p0_s01", "product_id": "p0"}],
            {name: {"category": "", "subcategory": ""} for name in names},
            {name: range(1, self.photos + 1) for name in names},
            Taxonomy(read_taxonomy(pairs.taxonomy)),
            pairs,
        )
        total = self.clips * int((plan.status == "planned").sum())
        return total if chosen.max_pairs is None else min(total, chosen.max_pairs)

    def items(self, pairs: int, clip_model: bool, canaries: int) -> dict[str, int]:
        """Number of items by stage for a number of pairs; every clip has a pair if there are at least as many pairs.

        `clip_model`: insertion reads what `measure_clip` measures. `canaries`: clips of which canaries are made.
        """
        used = min(self.clips, pairs)
        found = {"shots": self.products, "cutting": self.clips, "segmentation": self.clips, "background": used}
        found |= {"products": self.products * self.photos, "measure_clip": used * clip_model, "measure_flow": used}
        found |= {"insertion": pairs, "scoring": pairs, "score_canaries": min(canaries, used)}
        return found | {"dataset": used}


def names() -> list[str]:
    """Names of the presets, smallest first."""
    return list(costs()["presets"])


def preset_of(name: str) -> Preset:
    """The preset of a name; ValueError with the known names if there is none."""
    known = costs()["presets"]
    if name not in known:
        raise ValueError(f"no preset {name!r}; there are {', '.join(known)}")
    return Preset(name, **known[name])


def preset_file(name: str) -> Path:
    """The configuration file of a preset."""
    return project_file(f"config/presets/{name}.yaml")

"""Results folders made of empty files: a feed and a run of any size, as far as a dry run looks at them.

Snakemake decides from names, times and the two tables behind the checkpoints; so those tables are real and every other
file is empty. `python tests/dag/fabricate.py FOLDER` leaves a run that is planned and not yet inserted, for `make dag`.
"""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from pvtt.config.settings import stage_defaults
from pvtt.records.ids import clip_id
from pvtt.records.results_format import mark_results
from pvtt.stages.pairs import plan_pairs
from pvtt.stages.pairs.packs import assign_packs, read_ledger, write_ledger
from pvtt.stages.pairs.taxonomy import Taxonomy

ROOT = Path(__file__).parents[2]


@dataclass
class Run:
    """A fabricated feed and its results; `time` orders the files that are written."""

    folder: Path
    clips: dict[str, int] = field(default_factory=dict)
    photos: dict[str, int] = field(default_factory=dict)
    time: itertools.count = field(default_factory=lambda: itertools.count(1_600_000_000, 10))

    @property
    def results(self) -> Path:
        """The results folder."""
        return self.folder / "results"

    def add_product(self, product: str, clips: int, photos: int) -> None:
        """Drop a product's files into the feed and its row into the catalogue."""
        self.clips[product], self.photos[product] = clips, photos
        self.write(f"feed/{product}.mp4" if clips else None, *(f"feed/{product}_{k}.jpg" for k in range(1, photos + 1)))
        rows = [
            f"{name},jewelry,ring,Title,shop,{name + '.mp4' if self.clips[name] else ''},"
            + ";".join(f"{name}_{k}.jpg" for k in range(1, self.photos[name] + 1))
            for name in self.clips
        ]
        header = "id,category,subcategory,title,platform,video,images"
        self.write("feed/products.csv", text="\n".join([header, *rows]) + "\n")

    def write(self, *names: str | None, text: str = "") -> None:
        """Write files, all with the next time."""
        now = next(self.time)
        for name in filter(None, names):
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (now, now))

    def finish_shots(self, *products: str) -> None:
        """As if everything up to the table of clips had run for these products."""
        self.write(*(f"results/catalogue/{product}.json" for product in products))
        mark_results(self.results)
        self.write("results/catalogue.tsv")
        self.write(*(f"results/shots/{product}.json" for product in products if self.clips[product]))
        rows = [f"{clip_id(product, k + 1)}\taccepted" for product, number in self.clips.items() for k in range(number)]
        self.write("results/clips.tsv", text="\n".join(["clip_id\tstatus", *rows]) + "\n")

    def finish_plan(self, *products: str, **settings: object) -> pd.DataFrame:
        """As if everything up to the plan of pairs had run for these products; return the plan."""
        clips = [clip_id(product, k + 1) for product in products for k in range(self.clips[product])]
        cutouts = [f"results/products/{product}/{k + 1}" for product in products for k in range(self.photos[product])]
        self.write(*(f"{cutout}{suffix}" for cutout in cutouts for suffix in (".png", ".json")))
        self.write(*(f"results/clips/{clip}/{name}" for clip in clips for name in ("video.mp4", "clip.json")))
        names = ("masks.mkv", "track.json", "mask_measures.json")
        self.write(*(f"results/clips/{clip}/{name}" for clip in clips for name in names))
        self.write("results/mask_verdicts.tsv")
        plan = self.plan(**settings)
        self.write("results/pairs.parquet")
        plan.to_parquet(self.results / "pairs.parquet")
        now = next(self.time)
        os.utime(self.results / "pairs.parquet", (now, now))
        return plan

    def plan(self, max_pairs: int | None = None, **settings: object) -> pd.DataFrame:
        """The plan of all products that are in the feed."""
        facts = {"box_coverage": 0.1, "box_y_std_px": 0.0, "visible_share": 1.0, "n_frames": 80, "empty": False}
        clips = [
            {"clip_id": clip_id(product, k + 1), "product_id": product, **facts}
            for product, number in self.clips.items()
            for k in range(number)
        ]
        products = {product: {"category": "jewelry", "subcategory": "ring"} for product in self.clips}
        photos = {product: list(range(1, number + 1)) for product, number in self.photos.items() if number}
        taxonomy = Taxonomy.read(ROOT / "config/taxonomy.yaml")
        settings = stage_defaults("pairs") | settings
        plan = plan_pairs(clips, products, photos, taxonomy, settings, max_pairs=max_pairs)
        plan, ledger = assign_packs(plan, read_ledger(self.results / "packs.tsv"), settings["pack_pairs"])
        write_ledger(self.results / "packs.tsv", ledger)
        return plan

    def finish_pairs(self, plan: pd.DataFrame) -> None:
        """As if everything had run for the planned pairs."""
        clips = plan.clip_id.unique()
        self.write(
            *(
                f"results/clips/{clip}/{name}"
                for clip in clips
                for name in ("background.mp4", "region.mkv", "background.json", "clip_model.npz", "source_flow.npz")
            )
        )
        folders = [f"results/pairs/{pair.clip_id}/{pair.target_id}_i{pair.image_index}" for pair in plan.itertuples()]
        names = ("insert.mp4", "insert_mask.mkv", "insert.json")
        self.write(*(f"{folder}/{name}" for folder in folders for name in names))
        self.write(*(f"{folder}/score.json" for folder in folders))
        self.write(*(f"results/packs/{pack}.json" for pack in plan.pack[plan.pack != ""].unique()))
        self.write("results/canaries.json")
        self.write("results/filtered.parquet", "results/canary_verdicts.json")
        annotations = ("pairs", "quality_scores", "statistics")
        self.write("results/dataset/README.md", *(f"results/dataset/annotations/{name}.json" for name in annotations))
        self.write("results/report/index.html", "results/report/summary.html")


if __name__ == "__main__":
    run = Run(Path(sys.argv[1]))
    run.add_product("A", 1, 1)
    run.add_product("B", 0, 1)
    run.finish_shots("A", "B")
    run.finish_plan("A", "B")

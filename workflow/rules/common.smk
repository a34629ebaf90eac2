"""Settings, the feed's rows and the functions that say which files there are; every rule file builds on this one."""

import os
from functools import cache
from pathlib import Path

import pandas as pd
import yaml
from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import DeploymentMethod

from pvtt.backends import registry as backends
from pvtt.backends import requirements
from pvtt.config import settings
from pvtt.execution import cache as store
from pvtt.execution.cluster import cancel_submitted_jobs
from pvtt.execution.job import share_library
from pvtt.io.project_files import project_or_own_file
from pvtt.models import devices
from pvtt.models import registry as models
from pvtt.records import ids
from pvtt.records.results_format import check_results
from pvtt.stages import scoring
from pvtt.stages.catalogue import CatalogueError, read_catalogue
from pvtt.stages.shots import Cutter

share_library()

try:
    SETTINGS = settings.resolve(config)
    check_results(Path(SETTINGS["results"]))
    ALL_ROWS = read_catalogue(SETTINGS["catalogue"])
    ROWS = {row.product_id: row for row in ALL_ROWS if row.status == "accepted"}
    if SETTINGS["models"]:
        models.set_root(SETTINGS["models"])
    devices.set_device(SETTINGS["device"])
    store.set_root(SETTINGS["store"] or f"{SETTINGS['results']}/store")
    BACKENDS = {
        stage: backends.selected_backends(stage, SETTINGS[stage])[0]
        for stage in backends.STAGES
    }
    TAXONOMY = yaml.safe_load(
        project_or_own_file(SETTINGS["pairs"]["taxonomy"]).read_text(encoding="utf-8")
    )
    # Once, before any job: a job parses this file again, and what it needs was found then.
    if workflow.is_main_process:
        # Snakemake has a number of nodes only where jobs go to other machines.
        local = workflow.resource_settings.nodes is None
        if local:
            # Jobs that wait for a warm worker hold a core: one for each worker, and one that is ready to follow.
            waiting = max(1, len(devices.visible_gpus())) + 1
            workflow.global_resources.setdefault("worker_slots", waiting)
        lacking = requirements.check_requirements(
            SETTINGS,
            local=local,
            own_environments=DeploymentMethod.CONDA
            in workflow.deployment_settings.deployment_method,
        )
        if lacking:
            raise WorkflowError(
                "the chosen backends cannot run:\n  " + "\n  ".join(lacking)
            )
    VERSIONS = {
        stage: backends.stage_version(stage, SETTINGS[stage])
        for stage in backends.STAGES
    }
except (
    OSError,
    settings.SettingsError,
    CatalogueError,
    ValueError,
    models.ModelError,
) as error:
    raise WorkflowError(str(error))


pathvars:
    results=SETTINGS["results"],
    logs=f"{SETTINGS['results']}/logs",


wildcard_constraints:
    product=ids.PRODUCT_PATTERN,
    target=ids.PRODUCT_PATTERN,
    clip=ids.CLIP_PATTERN,
    image=r"[1-9]\d*",
    pack=r"p\d+",


def environment_of(stage):
    """The conda environment of a stage's jobs, as seen from this folder."""
    return f"../../envs/{requirements.environment(stage, SETTINGS[stage])}.yaml"


def gpus_of(stage):
    """GPUs of a stage's job."""
    return requirements.gpus_needed(stage, SETTINGS[stage])


def worker_timeout_of(stage):
    """Seconds that a warm worker may take for an item of a stage; 0 where the stage's jobs do their work themselves."""
    return (
        SETTINGS["serving"]["limit_s"]
        if requirements.uses_workers(stage, SETTINGS[stage])
        else 0
    )


def worker_slots_of(stage):
    """1 for a job that waits for a warm worker, so that a machine has few of them at a time, else 0."""
    return int(worker_timeout_of(stage) > 0)


def row_of(wildcards):
    """What a product's media are, as plain values."""
    row = ROWS[wildcards.product]
    return {
        "product_id": row.product_id,
        "video": str(row.video or ""),
        "images": [str(image) for image in row.images],
    }


def has_video(product):
    """Whether the product's video file is there; a missing one is the catalogue's to report."""
    return ROWS[product].video is not None and ROWS[product].video.is_file()


def video_of(wildcards):
    """The source video of a product or of a clip."""
    product = (
        ids.clip_product(wildcards.clip)
        if "clip" in wildcards.keys()
        else wildcards.product
    )
    return ROWS[product].video


def photos_of(product):
    """Indices (from 1) of the photos whose files are there."""
    return [
        index for index, image in enumerate(ROWS[product].images, 1) if image.is_file()
    ]


def media_of(wildcards):
    """All files of a product that are there."""
    video = [ROWS[wildcards.product].video] if has_video(wildcards.product) else []
    return video + [
        ROWS[wildcards.product].images[index - 1]
        for index in photos_of(wildcards.product)
    ]


def photo_of(wildcards):
    """The photo behind a cut-out."""
    return ROWS[wildcards.product].images[int(wildcards.image) - 1]


def words_of_target(wildcards):
    """What the target is called; nothing for backends that read no words, so that new words cost them nothing."""
    if not getattr(BACKENDS["insertion"], "reads_prompt", False):
        return ""
    row = ROWS[wildcards.target]
    words = (row.title, row.subcategory, row.category)
    said = [word.strip() for word in words if word.strip() not in ("", "unknown")]
    return ", ".join(dict.fromkeys(said))


def other_cutouts_of(wildcards):
    """The target's first other cut-outs; none for backends that do not read them, so that new photos cost them nothing."""
    if not getattr(BACKENDS["insertion"], "reads_other_cutouts", False):
        return []
    own = f"<results>/products/{wildcards.target}/{wildcards.image}.png"
    others = [path for path in cutouts_of(wildcards.target) if path != own]
    return others[: SETTINGS["insertion"]["colour_photos"] - 1]


def shots_of(wildcards):
    """The shot record behind a clip."""
    return f"<results>/shots/{ids.clip_product(wildcards.clip)}.json"


def words_of(wildcards):
    """What the catalogue calls the product of a clip."""
    row = ROWS[ids.clip_product(wildcards.clip)]
    return {
        "title": row.title,
        "category": row.category,
        "subcategory": row.subcategory,
    }


def references_of(wildcards):
    """The cut-outs that show segmentation what the product looks like."""
    return cutouts_of(
        ids.clip_product(wildcards.clip), SETTINGS["segmentation"]["references"]
    )


def cutout_records_of(product):
    """Records of a product's cut-outs."""
    return [
        f"<results>/products/{product}/{index}.json" for index in photos_of(product)
    ]


def cutouts_of(product, count=None):
    """Cut-outs of a product's first `count` photos (all when None); rejected photos have empty files."""
    return [
        f"<results>/products/{product}/{index}.png"
        for index in photos_of(product)[:count]
    ]


def accepted_clips():
    """Ids of the clips that passed shot detection."""
    clips = pd.read_csv(
        checkpoints.list_clips.get().output[0],
        sep="\t",
        dtype=str,
        keep_default_na=False,
    )
    return list(clips.clip_id[clips.status == "accepted"])


def measures_of_clips(wildcards):
    """Mask measures of every accepted shot."""
    return [f"<results>/clips/{clip}/mask_measures.json" for clip in accepted_clips()]


def planned_pairs():
    """Rows of the planned pairs."""
    path = checkpoints.plan_pairs.get().output[0]
    return _planned_pairs(path, os.stat(path).st_mtime_ns)


@cache
def _planned_pairs(path, written):
    pairs = pd.read_parquet(path)
    return pairs[pairs.status == "planned"]


@cache
def _packs(path, written):
    """Pack -> folders of its pairs."""
    pairs = _planned_pairs(path, written)
    if (
        "pack" not in pairs
    ):  # planned before there were packs: it is planned again first
        return {}
    return {
        pack: [pair_folder(pair) for pair in rows.itertuples()]
        for pack, rows in pairs.groupby("pack", sort=True)
    }


def packs():
    """Pack -> folders of its pairs, for all planned pairs."""
    path = checkpoints.plan_pairs.get().output[0]
    return _packs(path, os.stat(path).st_mtime_ns)


def pack_files(name):
    """The files `name` of a pack's pairs, a function of the pack's wildcards."""
    return lambda wildcards: [f"{folder}/{name}" for folder in packs()[wildcards.pack]]


def gpus_of_pack(wildcards):
    """GPUs of a pack's job: one for each pair that is to be made, at most a node's (the profile's resource gpu)."""
    if not (gpus_of("insertion") or gpus_of("scoring")):
        return 0
    if (
        not workflow.is_main_process
    ):  # Snakemake inside the pack's job works with what that was given
        return max(1, len(devices.visible_gpus()))
    node = workflow.global_resources
    scores = [
        Path(SETTINGS["results"], folder.removeprefix("<results>/"), "score.json")
        for folder in packs()[wildcards.pack]
    ]
    # When all are there, all are made again, by other settings.
    missing = sum(not score.exists() for score in scores) or len(scores)
    return min(node["gpu"].value if "gpu" in node else 1, missing)


def records_of_packs(wildcards):
    """Sums of all packs."""
    return [f"<results>/packs/{pack}.json" for pack in packs()]


def scores_of_pairs(wildcards):
    """Score records of all planned pairs."""
    return [f"{pair_folder(pair)}/score.json" for pair in planned_pairs().itertuples()]


def pair_folder(pair):
    """Folder of a pair, a row of the plan."""
    return f"<results>/pairs/{pair.clip_id}/{pair.target_id}_i{pair.image_index}"


def results_of_products(wildcards):
    """What is kept of every product, so that a lost file is made again."""
    shots = [f"<results>/shots/{product}.json" for product in filter(has_video, ROWS)]
    cutouts = [
        path
        for product in ROWS
        for path in cutouts_of(product) + cutout_records_of(product)
    ]
    return [f"<results>/catalogue/{product}.json" for product in ROWS] + shots + cutouts


def results_of_clips(wildcards):
    """What is kept of every accepted shot, so that a lost file is made again."""
    return [
        f"<results>/clips/{clip}/{name}"
        for clip in accepted_clips()
        for name in ("video.mp4", "masks.mkv", "track.json", "mask_measures.json")
    ]


def results_of_pairs(wildcards):
    """What is kept of every planned pair and of its clip, so that a lost file is made again."""
    pairs = planned_pairs()
    names = ["background.mp4", "region.mkv", "source_flow.npz"]
    if getattr(BACKENDS["insertion"], "reads_clip_model", False):
        names.append("clip_model.npz")
    shared = [
        f"<results>/clips/{clip}/{name}"
        for clip in pairs.clip_id.unique()
        for name in names
    ]
    return shared + [
        f"{pair_folder(pair)}/{name}"
        for pair in pairs.itertuples()
        for name in ("insert.mp4", "insert.json", "score.json")
    ]


onerror:
    cancel_submitted_jobs(workflow)

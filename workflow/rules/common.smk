"""Settings, the catalogue's rows and the functions that name input files; every rule file builds on this one."""

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import sourcecache_entry
from snakemake_interface_executor_plugins.settings import DeploymentMethod

from pvtt.backends import registry as backends
from pvtt.backends import requirements
from pvtt.config import settings
from pvtt.execution import startup
from pvtt.execution.cluster import cancel_submitted_jobs
from pvtt.models import devices
from pvtt.models.registry import ModelError
from pvtt.records import ids, plan_tables
from pvtt.records.layout import Layout
from pvtt.records.results_format import check_results
from pvtt.stages import scoring
from pvtt.stages.catalogue import Feed, read_catalogue
from pvtt.stages.pairs.taxonomy import read_taxonomy
from pvtt.stages.scoring import canaries
from pvtt.stages.shots import Cutter

try:
    SETTINGS = settings.resolve(config)
    check_results(Path(SETTINGS["results"]))
    startup.prepare(SETTINGS)
    ALL_ROWS = read_catalogue(SETTINGS["catalogue"])
    FEED = Feed(ALL_ROWS, SETTINGS["catalogue"])
    TAXONOMY = read_taxonomy(SETTINGS["pairs"]["taxonomy"])
    BACKENDS = {
        stage: backends.selected_backends(stage, SETTINGS[stage])[0]
        for stage in backends.STAGES
    }
    # Once, before any job: a job parses this file again, and what it needs was found then.
    if workflow.is_main_process:
        # Snakemake has a number of nodes only where jobs go to other machines.
        local = workflow.resource_settings.nodes is None
        if local:
            workflow.global_resources.setdefault("worker_slots", startup.waiting_jobs())
        deployment = workflow.deployment_settings.deployment_method
        if problem := startup.missing_requirements(
            SETTINGS, local, own_environments=DeploymentMethod.CONDA in deployment
        ):
            raise WorkflowError(problem)
    VERSIONS = {
        stage: backends.stage_version(stage, SETTINGS[stage])
        for stage in backends.STAGES
    }
    CANARY_SETTINGS = canaries.canary_settings(SETTINGS["scoring"])
except (OSError, ValueError, ModelError) as error:
    raise WorkflowError(str(error))


pathvars:
    results=SETTINGS["results"],
    logs=f"{SETTINGS['results']}/logs",
    benchmarks=f"{SETTINGS['results']}/benchmarks",


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


def per_attempt(amount):
    """A resource of which a job that failed gets more: `amount` at the first attempt, twice as much at the second."""
    return lambda wildcards, attempt: amount * attempt


def product_of(wildcards):
    """The product that a job is about, by its own wildcard or by its clip's."""
    named = wildcards.keys()
    return wildcards.product if "product" in named else ids.clip_product(wildcards.clip)


def names_of(wildcards):
    """What a product's files are called, without their folders."""
    return FEED.names(wildcards.product)


def from_catalogue(path):
    """A file of the catalogue as an input that Snakemake knows by its name there, so that a moved folder re-runs no job."""
    return sourcecache_entry(str(path), FEED.name_of(path))


def video_of(wildcards):
    """The source video of a product or of a clip."""
    return from_catalogue(FEED.rows[product_of(wildcards)].video)


def videos_of(wildcards):
    """The source video of a product, if it is there."""
    return [from_catalogue(video) for video in FEED.videos(wildcards.product)]


def photos_of(wildcards):
    """The photos of a product that are there."""
    return [from_catalogue(photo) for photo in FEED.photos(wildcards.product).values()]


def photo_of(wildcards):
    """The photo behind a cut-out."""
    images = FEED.rows[wildcards.product].images
    return from_catalogue(images[int(wildcards.image) - 1])


def prompt_of(wildcards):
    """What the target is called; nothing for backends that read no words, so that new words cost them nothing."""
    reads = getattr(BACKENDS["insertion"], "reads_prompt", False)
    return FEED.prompt(wildcards.target) if reads else ""


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
    return FEED.words(product_of(wildcards))


def references_of(wildcards):
    """The cut-outs that show segmentation what the product looks like."""
    return cutouts_of(
        ids.clip_product(wildcards.clip), SETTINGS["segmentation"]["references"]
    )


def cutout_records_of(product):
    """Records of a product's cut-outs."""
    return [
        f"<results>/products/{product}/{index}.json" for index in FEED.photos(product)
    ]


def cutouts_of(product, count=None):
    """Cut-outs of a product's first `count` photos (all when None); rejected photos have empty files."""
    return [
        f"<results>/products/{product}/{index}.png"
        for index in list(FEED.photos(product))[:count]
    ]


def accepted_clips():
    """Ids of the clips that passed shot detection."""
    return plan_tables.accepted_clips(checkpoints.list_clips.get().output[0])


def measures_of_clips(wildcards):
    """Mask measures of every accepted shot."""
    return [f"<results>/clips/{clip}/mask_measures.json" for clip in accepted_clips()]


def planned_pairs():
    """Rows of the planned pairs."""
    return plan_tables.planned_pairs(checkpoints.plan_pairs.get().output[0])


def packs():
    """Pack -> folders of its pairs, for all planned pairs."""
    return plan_tables.packs(checkpoints.plan_pairs.get().output[0], "<results>")


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
    results = SETTINGS["results"]
    scores = [
        Path(results, folder.removeprefix("<results>/"), "score.json")
        for folder in packs()[wildcards.pack]
    ]
    return plan_tables.gpus_of_pack(scores, node["gpu"].value if "gpu" in node else 1)


def records_of_packs(wildcards):
    """Sums of all packs."""
    return [f"<results>/packs/{pack}.json" for pack in packs()]


def scores_of_pairs(wildcards):
    """Score records of all planned pairs."""
    return [f"{pair_folder(pair)}/score.json" for pair in planned_pairs().itertuples()]


def backgrounds_of_pairs(wildcards):
    """Background records of the clips of all planned pairs."""
    clips = planned_pairs().clip_id.unique()
    return [f"<results>/clips/{clip}/background.json" for clip in clips]


def source_cutouts_of_pairs(wildcards):
    """Records of the cut-outs of the products that the planned pairs replace."""
    return [
        record
        for product in planned_pairs().source_id.unique()
        for record in cutout_records_of(product)
    ]


def canary_pairs(wildcards):
    """The pairs of which canaries are made, with the other products that they need, see `score_canaries`."""
    plan = checkpoints.plan_pairs.get().output[0]
    targets = planned_pairs().target_id.unique()
    pairs = plan_tables.canary_pairs(plan, SETTINGS["canaries"])
    for pair in pairs:
        swaps, own = FEED.true_swaps(pair["clip_id"]), pair["target_id"]
        pair["other_id"] = FEED.unlike([pair["source_id"], own], targets)
        pair["swap_id"] = own if own in swaps else next(iter(swaps), "")
        pair["swap_start"] = FEED.true_start(pair["clip_id"]) if swaps else 0
    return pairs


def files_of_canaries(wildcards):
    """The files of the clips and pairs of which canaries are made."""
    found = []
    for names in canary_pairs(wildcards):
        clip = Layout("<results>").clip(names["clip_id"])
        pair = Layout("<results>").pair_of(names)
        found += [clip.record, clip.video, clip.masks, clip.background, clip.flow]
        found += [pair.video, pair.mask, pair.record]
    return [path.as_posix() for path in found]


def cutouts_of_canaries(wildcards):
    """The cut-outs of all products with which canaries are compared."""
    names = ("source_id", "target_id", "other_id", "swap_id")
    pairs = canary_pairs(wildcards)
    products = {pair[name] for pair in pairs for name in names} - {""}
    return [path for product in sorted(products) for path in cutouts_of(product)]


def swaps_of_canaries(wildcards):
    """Video and masks of the true swaps, where the catalogue is a rendered world."""
    return [
        from_catalogue(path)
        for pair in canary_pairs(wildcards)
        if pair["swap_id"]
        for path in FEED.true_swaps(pair["clip_id"])[pair["swap_id"]]
    ]


def canaries_of_run(wildcards):
    """What was measured on the canaries, where the run has any."""
    wanted = SETTINGS["canaries"] and len(planned_pairs())
    return ["<results>/canaries.json"] if wanted else []


def pair_folder(pair):
    """Folder of a pair, a row of the plan."""
    return plan_tables.pair_folder(pair, "<results>")


def with_real_paths(function):
    """An input function without `<results>`, which `rules.all.input` of another workflow would not expand."""
    return lambda wildcards: [
        path.replace("<results>", SETTINGS["results"], 1)
        for path in function(wildcards)
    ]


@with_real_paths
def results_of_products(wildcards):
    """What is kept of every product, so that a lost file is made again."""
    shots = [f"<results>/shots/{product}.json" for product in FEED.with_video()]
    cutouts = [
        path
        for product in FEED.rows
        for path in cutouts_of(product) + cutout_records_of(product)
    ]
    return (
        [f"<results>/catalogue/{product}.json" for product in FEED.rows]
        + shots
        + cutouts
    )


@with_real_paths
def results_of_clips(wildcards):
    """What is kept of every accepted shot, so that a lost file is made again."""
    return [
        f"<results>/clips/{clip}/{name}"
        for clip in accepted_clips()
        for name in ("video.mp4", "masks.mkv", "track.json", "mask_measures.json")
    ]


@with_real_paths
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

"""DINOv2, CLIP and SigLIP as identity backends, with tiny random weights in the published checkpoint format."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (make models)")
pytest.importorskip("transformers", reason="transformers is not installed (make models)")

from backends.tiny.embedders import BUILDERS, build, register
from pvtt.backends.registry import backend_class
from pvtt.config.settings import stage_defaults
from pvtt.models.registry import ModelError
from pvtt.records.provenance import Stopwatch, provenance
from pvtt.stages.scoring.base import Crop
from pvtt.stages.scoring.embedding import _cut

SETTINGS = stage_defaults("scoring")
MODELS = {name: SETTINGS[name]["model"] for name in ("dinov2", "clip", "siglip")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    build(place)
    return place


@pytest.fixture(autouse=True)
def of_this_machine(folder, monkeypatch):
    monkeypatch.setenv("PVTT_MODELS", str(folder))
    monkeypatch.setenv("PVTT_DEVICE", "cpu")


@pytest.fixture(params=sorted(MODELS))
def backend(request):
    made = backend_class("scoring", request.param)(SETTINGS)
    assert made.problems() == []
    made.load("cpu")
    yield made
    made.close()


def crop(seed, height=40, width=28):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    mask = np.zeros((height, width), bool)
    mask[2:-2, 2:-2] = True
    return Crop(np.where(mask[..., None], image, 128).astype(np.uint8), mask)


def test_the_defaults_name_what_the_builders_write():
    assert set(MODELS.values()) == set(BUILDERS)


def test_features_are_of_length_one_and_the_same_every_time_and_in_every_batch(backend):
    crops = [crop(seed, 20 + 7 * seed, 31) for seed in range(5)]
    features = backend.embed(crops)
    assert all(
        f.dtype == np.float32 and f.ndim == 1 and np.linalg.norm(f) == pytest.approx(1, abs=1e-5) for f in features
    )
    singly = type(backend)(SETTINGS | {backend.name: SETTINGS[backend.name] | {"batch": 1}})
    singly.load("cpu")
    np.testing.assert_allclose(np.stack(features), np.stack(singly.embed(crops)), atol=2e-6)
    assert backend.embed([]) == []


def test_similarity_is_the_cosine_above_the_floor(backend):
    floor = SETTINGS[backend.name]["floor"]
    a, b = np.array([1, 0], np.float32), np.array([0.8, 0.6], np.float32)
    assert backend.cosine(a, b) == pytest.approx(0.8)
    assert backend.similarity(a, b) == pytest.approx((0.8 - floor) / (1 - floor))
    assert backend.similarity(a, a) == 1 and backend.similarity(a, -a) == 0


def test_the_network_sees_the_whole_product(backend):
    """A change of the product's outermost pixels reaches what the network is given, though DINOv2 cuts the border."""
    plain = Crop(np.full((60, 20, 3), 40, np.uint8), np.ones((60, 20), bool))
    tipped = Crop(plain.image.copy(), plain.mask)
    tipped.image[:3] = 255
    given = [
        backend._processor(images=[backend.square(c)], return_tensors="np")["pixel_values"] for c in (plain, tipped)
    ]
    assert np.abs(given[0] - given[1]).max() > 0.5
    assert given[0][0, 0, 0, 0] == given[1][0, 0, 0, 0], "the corner is the grey around the product"


def test_prepared_pixels_are_pillows_and_the_configs_arithmetic(backend):
    """Computed again by hand from preprocessor_config.json."""
    from PIL import Image

    from pvtt.models import registry

    known = json.loads((registry.folder(MODELS[backend.name]) / "preprocessor_config.json").read_text())
    square = backend.square(crop(3))
    side = known["size"].get("shortest_edge") or known["size"]["height"]
    image = np.asarray(Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC), np.float32)
    if known.get("do_center_crop"):
        cut = (side - known["crop_size"]["height"]) // 2
        image = image[cut : side - cut, cut : side - cut]
    expected = (image / 255 - known["image_mean"]) / known["image_std"]
    given = backend._processor(images=[square], return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(given.transpose(1, 2, 0), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("published", "side", "cut"),
    [
        ({"feature_extractor_type": "CLIPFeatureExtractor", "size": 224, "crop_size": 224}, 224, 1),
        (
            {"image_processor_type": "CLIPImageProcessorFast", "size": {"shortest_edge": 256}, "crop_size": 224},
            224,
            8 / 7,
        ),
        ({"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 256}, "crop_size": 224}, 224, 8 / 7),
        ({"image_processor_type": "SiglipImageProcessor", "size": {"height": 384, "width": 384}}, 384, 1),
    ],
)
def test_published_forms_of_the_processors_configuration_are_read(published, side, cut, tmp_path):
    from transformers import AutoImageProcessor

    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"resample": 3} | published))
    processor = AutoImageProcessor.from_pretrained(tmp_path, backend="pil", local_files_only=True)
    pixels = processor(images=[np.zeros((50, 50, 3), np.uint8)], return_tensors="np")["pixel_values"]
    assert pixels.shape == (1, 3, side, side) and _cut(processor) == pytest.approx(cut)


def test_the_image_half_gives_what_the_whole_model_gives(backend):
    import torch
    from transformers import AutoModel

    from pvtt.models import registry

    whole = AutoModel.from_pretrained(registry.folder(MODELS[backend.name]), local_files_only=True).eval()
    one = crop(1)
    pixels = backend._processor(images=[backend.square(one)], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        call = whole.get_image_features if hasattr(whole, "get_image_features") else whole
        feature = call(pixel_values=pixels).pooler_output[0].numpy()
    np.testing.assert_allclose(backend.embed([one])[0], feature / np.linalg.norm(feature), atol=1e-5)


def test_provenance_names_model_commit_and_licence(backend):
    record = provenance(backend, {}, {}, Stopwatch())
    (model,) = record.models
    assert (model.repository, model.commit) == (f"tiny/{MODELS[backend.name]}", "0" * 40)
    assert record.licence == model.licence == "Apache-2.0"


def test_missing_and_wrong_weights_are_named(folder, tmp_path, monkeypatch):
    from safetensors.torch import load_file, save_file

    monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
    files = ("config.json", "preprocessor_config.json", "model.safetensors")
    register(tmp_path, {"dinov2-base": files, "clip-vit-large-patch14": files})
    backend = backend_class("scoring", "dinov2")(SETTINGS)
    assert any("dinov2-base" in p and "model.safetensors is missing" in p for p in backend.problems())
    with pytest.raises(ModelError, match="is missing"):
        backend.load("cpu")
    place = shutil.copytree(folder / "clip-vit-large-patch14", tmp_path / "clip-vit-large-patch14")
    weights = load_file(place / "model.safetensors")
    weights.pop("visual_projection.weight")
    save_file(weights, place / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"no weights file of this model; it lacks visual_projection\.weight"):
        backend_class("scoring", "clip")(SETTINGS).load("cpu")

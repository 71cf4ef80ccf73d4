"""The names of LoRA tensors: every style in use is understood, and what is not a LoRA for these models is refused."""

from __future__ import annotations

import json
import pickle

import pytest
from t2f_sd_lora.model import lora_files
from t2f_sd_lora.model.lora_names import parse_key

from text2face_core.errors import ArtifactError

torch = pytest.importorskip("torch")
from_safetensors = pytest.importorskip("safetensors.torch")

Q = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "up_blocks.1.attentions.2.transformer_blocks.0.attn2.to_out.0"
TEXT = "text_model.encoder.layers.11.self_attn.out_proj"


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (f"unet.{Q}.lora_A.weight", ("unet", Q, "down")),  # PEFT behind the part: michaeltrs/text2face
        (f"unet.{OUT}.lora_B.weight", ("unet", OUT, "up")),
        (f"text_encoder.{TEXT}.lora_B.weight", ("text_encoder", TEXT, "up")),
        (f"unet.{Q}.lora_A.default.weight", ("unet", Q, "down")),  # with the adapter's name
        (f"unet.base_model.model.{Q}.lora_A.weight", ("unet", Q, "down")),  # PEFT's own files
        (
            f"text_encoder.{TEXT.removeprefix('text_model.')}.lora_A.weight",
            ("text_encoder", TEXT, "down"),
        ),  # transformers 5
        (f"unet.{OUT}.lora.up.weight", ("unet", OUT, "up")),  # diffusers from 0.22
        (f"unet.{Q.replace('attn1', 'attn1.processor')}_lora.down.weight", ("unet", Q, "down")),  # diffusers to 0.21
        (f"unet.{OUT.replace('attn2', 'attn2.processor').removesuffix('.0')}_lora.up.weight", ("unet", OUT, "up")),
        (f"{Q.replace('attn1', 'attn1.processor')}_lora.up.weight", ("unet", Q, "up")),  # the first ones: no part
        (f"text_encoder.{TEXT.replace('out_proj', 'to_out')}_lora.down.weight", ("text_encoder", TEXT, "down")),
        (f"text_encoder.{TEXT}.lora_linear_layer.down.weight", ("text_encoder", TEXT, "down")),
        (f"{TEXT}.lora_linear_layer.up.weight", ("text_encoder", TEXT, "up")),
        (f"lora_unet_{OUT.replace('.', '_')}.lora_down.weight", ("unet", OUT, "down")),
        (f"lora_te_{TEXT.replace('.', '_')}.alpha", ("text_encoder", TEXT, "alpha")),
        # More than attention, which others train.
        ("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight", ("unet", "mid_block.attentions.0.proj_in", "up")),
        (
            "lora_unet_down_blocks_2_attentions_1_transformer_blocks_0_ff_net_0_proj.alpha",
            ("unet", "down_blocks.2.attentions.1.transformer_blocks.0.ff.net.0.proj", "alpha"),
        ),
        (
            "lora_unet_down_blocks_0_resnets_1_time_emb_proj.lora_down.weight",
            ("unet", "down_blocks.0.resnets.1.time_emb_proj", "down"),
        ),
        (
            "lora_te_text_model_encoder_layers_2_mlp_fc1.lora_down.weight",
            ("text_encoder", "text_model.encoder.layers.2.mlp.fc1", "down"),
        ),
        ("lora_unet_input_blocks_1_1_proj_in.lora_up.weight", None),  # SDXL
        ("lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha", None),
        ("unet.conv_in.weight", None),
    ],
)
def test_keys_of_every_age_are_understood(key, wanted):
    assert parse_key(key) == wanted


def test_alphas_and_ranks_that_differ_between_layers_are_worked_into_the_tensors():
    down, up = torch.ones(2, 3), torch.ones(5, 2)
    wide, tall = torch.ones(4, 3), torch.ones(5, 4)
    q, k = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q", None
    k = q.replace("to_q", "to_k")
    tensors = {f"{q}.lora_down.weight": down, f"{q}.lora_up.weight": up, f"{q}.alpha": torch.tensor(1.0)}
    tensors |= {f"{k}.lora_down.weight": wide, f"{k}.lora_up.weight": tall, f"{k}.alpha": torch.tensor(1.0)}
    lora = lora_files.from_tensors(tensors, {}, "it")
    layer = "mid_block.attentions.0.transformer_blocks.0.attn1"
    assert lora.alphas == {}
    assert torch.equal(lora.unet[f"{layer}.to_q.lora_B.weight"], torch.full((5, 2), 0.5))
    assert torch.equal(lora.unet[f"{layer}.to_k.lora_B.weight"], torch.full((5, 4), 0.25))


def test_alphas_of_single_layers_and_rank_stabilised_ones_are_read_from_the_header():
    down, up = torch.ones(4, 3), torch.ones(5, 4)
    layer = "mid_block.attentions.0.transformer_blocks.0.attn1"
    tensors = {
        f"unet.{layer}.{own}.lora_{kind}.weight": one
        for own in ("to_q", "to_k")
        for kind, one in [("A", down), ("B", up)]
    }
    told = {"unet.lora_alpha": 4, "unet.alpha_pattern": {f"{layer}.to_k": 8}}
    lora = lora_files.from_tensors(tensors, {lora_files.ADAPTERS: json.dumps(told)}, "it")
    assert torch.equal(lora.unet[f"{layer}.to_q.lora_B.weight"], up)
    assert torch.equal(lora.unet[f"{layer}.to_k.lora_B.weight"], 2 * up)
    stabilised = json.dumps({"unet.lora_alpha": 4, "unet.use_rslora": True})
    assert lora_files.from_tensors(tensors, {lora_files.ADAPTERS: stabilised}, "it").alphas == {"unet": 8}


# --- what is refused -------------------------------------------------------------------------------------------------

TENSOR = torch.zeros(2, 2)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"unet.conv_in.weight": TENSOR}, "have unknown names, such as unet.conv_in.weight"),
        ({f"unet.{Q}.lora_A.weight": TENSOR}, f"unet.{Q} lacks its up matrix"),
        ({"lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha": TENSOR}, "made for SDXL"),
        ({f"lora_unet_{Q.replace('.', '_')}.hada_w1_a": TENSOR}, "LoHa, LoKr, DoRA"),
    ],
)
def test_what_is_no_lora_for_these_models_is_refused_with_the_reason(tmp_path, tensors, reason):
    from_safetensors.save_file(tensors, tmp_path / "other.safetensors")
    with pytest.raises(ArtifactError, match=reason):
        lora_files.load(tmp_path / "other.safetensors")


def test_a_pickle_is_refused_unopened(tmp_path):
    (tmp_path / "lora.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(ArtifactError, match="a pickle, which may run code"):
        lora_files.load(tmp_path / "lora.bin")


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    from_safetensors.save_file({f"unet.{Q}.lora_A.weight": TENSOR}, tmp_path / "l.safetensors")
    content = (tmp_path / "l.safetensors").read_bytes()
    (tmp_path / "l.safetensors").write_bytes(content[:-4])
    with pytest.raises(ArtifactError, match="cannot be read as safetensors"):
        lora_files.load(tmp_path / "l.safetensors")

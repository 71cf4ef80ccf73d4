"""The parts of the trainer one by one: formulas, rates, order of samples, figures, refusals, the real architecture."""

from __future__ import annotations

import json
import math
from itertools import islice

import numpy as np
import pytest
from support import tiny_sd
from support.sd_training import Told, steps_of, train

torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytest.importorskip("diffusers")

from t2f_sd_lora import SdLoraOptions  # noqa: E402
from t2f_sd_lora.model.adapters import DenoisingModel, add_text_lora, add_unet_lora  # noqa: E402
from t2f_sd_lora.model.base import load_base  # noqa: E402
from t2f_sd_lora.training.loss import NoiseSchedule, add_noise_offset  # noqa: E402
from t2f_sd_lora.training.optimizer import LoraOptimizer  # noqa: E402

from text2face_core.errors import MissingExtra, PluginError  # noqa: E402
from text2face_core.training.metrics import MetricsLog, ThroughputMeter, format_duration  # noqa: E402
from text2face_core.training.optimizer import rate_factor  # noqa: E402
from text2face_core.training.sampler import SampleRef, sample_steps  # noqa: E402


@pytest.fixture(params=["epsilon", "v_prediction"])
def diffusion(request):
    return NoiseSchedule.from_scheduler(tiny_sd.scheduler(tiny_sd.Shape(prediction=request.param)))


def test_noise_and_targets_are_those_of_the_scheduler(diffusion):
    scheduler = tiny_sd.scheduler(tiny_sd.Shape(prediction=diffusion.prediction))
    latents, noise, places = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([0, 500, 999])
    assert torch.allclose(
        diffusion.add_noise(latents, noise, places), scheduler.add_noise(latents, noise, places), atol=1e-6
    )
    velocity = scheduler.get_velocity(latents, noise, places)
    expected = noise if diffusion.prediction == "epsilon" else velocity
    assert torch.allclose(diffusion.target(latents, noise, places), expected, atol=1e-6)


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weighs_the_error_on_the_picture_alike_for_both_predictions(diffusion, gamma):
    # An error in what is predicted is one in the picture times `on_picture`; its square is to count min(SNR, gamma).
    places = torch.arange(0, 1000, 37)
    alphas = diffusion.alphas[places].double()
    snr = alphas / (1 - alphas)
    signal, spread = alphas.sqrt(), (1 - alphas).sqrt()
    on_picture = spread / signal if diffusion.prediction == "epsilon" else spread
    weights = diffusion.loss_weights(places, gamma).double()
    assert torch.allclose(weights / on_picture**2, snr.clamp(max=gamma), rtol=1e-4)
    assert (diffusion.loss_weights(places, 0.0) == 1).all()


def test_min_snr_for_velocity_divides_by_snr_plus_one():
    v = NoiseSchedule.from_scheduler(tiny_sd.scheduler(tiny_sd.TINY))
    snr = float(v.alphas[100] / (1 - v.alphas[100]))
    assert float(v.loss_weights(torch.tensor([100]), 5.0)) == pytest.approx(min(snr, 5) / (snr + 1), rel=1e-5)


def test_noise_offset_shifts_whole_channels():
    noise, offsets = torch.randn(2, 4, 8, 8), [torch.randn(4, 1, 1) for _ in range(2)]
    shifted = add_noise_offset(noise, offsets, 0.1) - noise
    assert torch.allclose(shifted, (0.1 * torch.stack(offsets)).expand_as(shifted), atol=1e-6)
    assert add_noise_offset(noise, [], 0.0) is noise


@pytest.mark.parametrize(
    ("schedule", "warmup", "expected"),
    [
        ("constant", 0, [1, 1, 1, 1]),
        ("constant", 2, [1 / 3, 2 / 3, 1, 1]),
        ("linear", 0, [1, 0.75, 0.5, 0.25]),
        ("cosine", 0, [1, (1 + math.cos(math.pi / 4)) / 2, 0.5, (1 - math.cos(math.pi / 4)) / 2]),
        ("cosine", 2, [1 / 3, 2 / 3, 1, 0.5]),
    ],
)
def test_rates_follow_the_schedule(schedule, warmup, expected):
    options = SdLoraOptions(schedule=schedule, warmup=warmup, steps=4)
    assert [rate_factor(step, options) for step in range(4)] == pytest.approx(expected)


def test_clipping_is_done_each_time_it_is_asked_for(tiny_base):
    # A generator of parameters would be used up after the first time, or by the optimizer already.
    options = SdLoraOptions(clip=0.5)
    base = load_base(str(tiny_base))
    optimizer = LoraOptimizer(
        add_unet_lora(base.unet, options, 0), add_text_lora(base.text_encoder, options, 0), options
    )
    for size in (1.0, 3.0):
        for one in optimizer.parameters:
            one.grad = torch.full_like(one, size)
        count = sum(one.numel() for one in optimizer.parameters)
        assert float(optimizer.clip()) == pytest.approx(size * count**0.5, rel=1e-4)
        norms = [float(one.grad.norm()) for one in optimizer.parameters]
        assert math.hypot(*norms) == pytest.approx(0.5, rel=1e-4)
    groups = {group["name"]: group["params"] for group in optimizer.inner.param_groups}
    assert {name: len(one) for name, one in groups.items()} == {"unet": 160, "text_encoder": 16}
    assert optimizer.set_rates(0) == {"unet": 1e-4, "text_encoder": 1e-5}
    assert [group["lr"] for group in optimizer.inner.param_groups] == [1e-4, 1e-5]
    assert optimizer.inner.defaults["fused"]


def test_gradient_checkpointing_computes_each_block_twice_and_changes_no_gradient(tiny_base):
    from diffusers.models.attention import FeedForward
    from t2f_sd_lora.training.trainable import build_network
    from transformers.models.clip.modeling_clip import CLIPMLP

    def passes_and_gradients(wanted):
        options = SdLoraOptions(gradient_checkpointing=wanted, base=str(tiny_base))
        base = load_base(str(tiny_base))
        unet, text = add_unet_lora(base.unet, options, 0), add_text_lora(base.text_encoder, options, 0)
        student = build_network(base, options, torch.device("cpu"))
        count = {FeedForward: 0, CLIPMLP: 0}
        for module in student.modules():
            if type(module) in count:
                module.register_forward_pre_hook(lambda one, _: count.update({type(one): count[type(one)] + 1}))
        torch.manual_seed(0)
        student(
            torch.randn(1, 4, 8, 8), torch.tensor([10]), torch.ones(1, 77, dtype=torch.long)
        ).square().sum().backward()
        gradients = [one.grad for part in (unet, text) for name, one in part.named() if "lora_B" in name]
        return count, gradients

    without, plain = passes_and_gradients(False)
    with_it, same = passes_and_gradients(True)
    assert min(without.values()) > 0
    assert with_it == {kind: 2 * number for kind, number in without.items()}
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(plain, same, strict=True))
    assert max(float(one.abs().max()) for one in plain[-8:]) > 0


# --- which samples -----------------------------------------------------------------------------------------------


def test_every_photo_is_seen_once_an_epoch_and_a_walk_can_begin_anywhere():
    indices = np.array([2, 3, 5, 7, 11])
    walked = list(islice(sample_steps(0, indices, 3), 5))
    flat = [one for step in walked for one in step]
    assert [sorted(one.index for one in flat if one.epoch == epoch) for epoch in range(3)] == [indices.tolist()] * 3
    assert list(islice(sample_steps(0, indices, 3, first=3), 2)) == walked[3:]
    # Two processes share what one would do alone.
    assert [one for step in islice(sample_steps(0, indices, 6), 2) for one in step] == flat[:12]


def test_steps_have_one_shape_each_and_nothing_is_left_out():
    indices = np.arange(10)
    walked = list(islice(sample_steps(0, indices, 2, bucket=lambda index: index % 3), 60))
    assert all(len({one.index % 3 for one in step}) == 1 for step in walked)
    seen = [one for step in walked for one in step if one.epoch < 8]
    assert sorted(seen) == [SampleRef(epoch, index) for epoch in range(8) for index in range(10)]
    assert list(islice(sample_steps(0, indices, 2, first=7, bucket=lambda index: index % 3), 3)) == walked[7:10]


class Numbered:
    """Latents whose mean is the sample's number, less one where it is mirrored."""

    def moments(self, indices, flips):
        mean = torch.stack([torch.full((4, 8, 8), float(n - flip)) for n, flip in zip(indices, flips, strict=True)])
        return mean, torch.full_like(mean, 0.5)


def test_a_batch_holds_what_is_drawn_for_each_sample_whatever_else_is_in_it(tiny_base, photos16, shared_cache):
    from pathlib import Path

    from t2f_sd_lora.cache.tokens import TokenCache
    from t2f_sd_lora.training.loader import BatchLoader

    from text2face_core.dataset import open_dataset
    from text2face_core.training.randomness import SampleRandom

    tokens = TokenCache.open(Path(shared_cache), load_base(str(tiny_base)).tokenizer, open_dataset(photos16))
    options = SdLoraOptions(caption_dropout=0.3, flip=True, noise_offset=0.1)
    feed = BatchLoader(Numbered(), tokens, options, 7, scale=0.2, timesteps=1000)
    seen = [SampleRef(epoch, index) for epoch in range(3) for index in (3, 9, 11, 15)]
    whole = feed.load_batch(seen)
    for place, one in enumerate(seen):
        draws = SampleRandom(7, one.epoch, one.index)
        latents = (one.index - draws.flips() + 0.5 * draws.latent_noise((4, 8, 8))) * 0.2
        noise = draws.noise((4, 8, 8)) + 0.1 * draws.noise_offset(4)
        words = (
            tokens.empty
            if draws.drops_caption(0.3)
            else tokens.ids(one.index, draws.choose_caption(tokens.styles(one.index)))
        )
        alone = feed.load_batch([one])
        for made in (alone.latents[0], whole.latents[place]):
            assert torch.allclose(made, latents, atol=1e-6)
        assert torch.allclose(whole.noise[place], noise, atol=1e-6)
        assert (int(whole.timesteps[place]), whole.tokens[place].tolist()) == (
            draws.choose_timestep(1000),
            words.tolist(),
        )
    assert 0 < sum(one.tolist() == tokens.empty.tolist() for one in whole.tokens) < len(seen)
    assert len({float(one.sum()) for one in whole.noise}) == len(seen)


# --- figures -----------------------------------------------------------------------------------------------------


@pytest.mark.nightly
def test_validation_draws_a_growing_sheet_and_writes_figures_that_tensorboard_reads(
    tiny_base, photos16, tmp_path, shared_cache
):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    told = Told()
    options = {"held_out": 1, "prompts": ("a man", "a woman"), "prompt_seeds": (1, 2), "validate_every": 2}
    given = {"cache": shared_cache, "tensorboard": True, "learning_rate": 1e-2, **options}
    train(tiny_base, photos16, tmp_path, told, steps=2, **given)
    before = size_of(tmp_path / "contact_sheet.png")
    first = (tmp_path / "validation" / "step-0000002" / "1-1.png").read_bytes()
    train(tiny_base, photos16, tmp_path, told, steps=4, **given)
    after = size_of(tmp_path / "contact_sheet.png")
    assert before[0] == after[0] == 96 + 4 * 192
    assert (before[1], after[1]) == (48 + 2 * 192, 48 + 3 * 192)
    assert (tmp_path / "validation" / "step-0000004" / "1-1.png").read_bytes() != first
    assert list(steps_of(tmp_path, "validation_loss")) == [0, 2, 4]
    assert any(
        line.startswith("step 4/4, ") and "steps/s" in line and "images/s" in line and "loss" in line
        for line in told.said
    )
    assert told.images == 8
    board = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [one.step for one in board.Scalars("training/loss")] == [1, 2, 3, 4]
    assert [one.step for one in board.Scalars("validation/validation_loss")] == [0, 2, 4]
    assert [one.step for one in board.Images("samples")] == [0, 2, 4]


def size_of(picture):
    from PIL import Image

    with Image.open(picture) as image:
        return image.size


def test_a_log_that_was_cut_off_goes_on_from_the_step_that_is_known(tmp_path):
    (tmp_path / "train.jsonl").write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 2.0}\n{"step": 3, "lo')
    log = MetricsLog(tmp_path, 1, tensorboard=False)
    log.write(2, {"loss": 0.5})
    log.close()
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert lines == [{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.5}]


def test_the_line_of_progress_says_how_fast_and_how_long(monkeypatch):
    clock = iter(range(0, 100, 2))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    meter = ThroughputMeter(10, 100, images=8)
    for loss in (1.0, 1.0):
        meter.step()
        meter.loss(loss)
    assert meter.line() == "step 12/100, 0.5 steps/s, 4 images/s, loss 1.0000, 3 min left"
    assert format_duration(36_000) == "10 h 0 min"


# --- options ---


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 100}, "try 128"),
        ({"learning_rate": 0, "text_encoder": False}, "nothing is learned"),
        ({"steps": 3, "warmup": 4}, "warmup = 4 is longer than the training of 3 steps"),
        ({"styles": {"short": 0.0}}, "must be above 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SdLoraOptions(**options)


def test_what_is_not_installed_or_not_there_is_said(tiny_base, photos16, tmp_path, shared_cache):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    options = {"cache": shared_cache, "steps": 1}
    with pytest.raises(
        (MissingExtra, PluginError), match=r"adamw8bit needs (bitsandbytes|a GPU).*sd_lora.optimizer=adamw"
    ):
        train(tiny_base, photos16, tmp_path / "8bit", optimizer="adamw8bit", **options)
    with pytest.raises(PluginError, match="bucket_aspect above 1 needs the cache"):
        train(tiny_base, photos16, tmp_path / "buckets", bucket_aspect=2.0, cache_latents=False, **options)


def test_stable_diffusion_1_trains_too_and_pads_with_the_end_token(tiny_base_15, photos16, tmp_path, shared_cache):
    base = load_base(str(tiny_base_15))
    assert base.tokenizer.pad_token == "<|endoftext|>"
    assert not base.v2
    told = Told()
    train(tiny_base_15, photos16, tmp_path, told, steps=2, min_snr=5.0, cache=shared_cache)
    assert list(steps_of(tmp_path)) == [1, 2]
    assert any("epsilon, 64 px" in line for line in told.said)


# --- the file, in a fresh pipeline -------------------------------------------------------------------------------


@pytest.mark.parametrize(("rank", "alpha"), [(8, None), (4, 2.0)])
def test_the_file_gives_a_fresh_pipeline_what_was_trained(tiny_base, photos16, tmp_path, shared_cache, rank, alpha):
    from diffusers import StableDiffusionPipeline

    from text2face_core.training.checkpoints import Checkpoints, unpack

    form = {"rank": rank, "alpha": alpha, "text_rank": rank, "text_alpha": alpha}
    given = {"steps": 3, "learning_rate": 0.1, "text_learning_rate": 0.1, **form}
    train(tiny_base, photos16, tmp_path, cache=shared_cache, **given)
    options = SdLoraOptions(**form)
    base = load_base(str(tiny_base))
    unet, text = add_unet_lora(base.unet, options, 0), add_text_lora(base.text_encoder, options, 0)
    unpack(Checkpoints(tmp_path / "checkpoints", 1, "sd_lora").latest(), LoraOptimizer(unet, text, options), None)
    trained = DenoisingModel(base.unet, base.text_encoder, trains_text=True).eval()
    fresh = StableDiffusionPipeline.from_pretrained(tiny_base)
    untouched = DenoisingModel(fresh.unet, fresh.text_encoder, trains_text=True).eval()
    torch.manual_seed(0)
    asked = (torch.randn(2, 4, 8, 8), torch.tensor([100, 900]), torch.randint(0, 500, (2, 77)))
    with torch.no_grad():
        wanted, before = trained(*asked), untouched(*asked)
        fresh.load_lora_weights(tmp_path)
        found = untouched(*asked)
    assert float((wanted - found).abs().max()) < 1e-5
    assert float((before - found).abs().max()) > 1e-2


def test_the_header_says_what_made_the_file_and_no_path_of_this_machine(tiny_base, photos16, tmp_path, shared_cache):
    from safetensors import safe_open

    train(tiny_base, photos16, tmp_path / "out", cache=shared_cache, steps=1, seed=3)
    for name in ("pytorch_lora_weights.safetensors", "text2face_lora_kohya.safetensors"):
        with safe_open(tmp_path / "out" / name, "pt") as file:
            header = file.metadata()
        told = {name.removeprefix("text2face."): one for name, one in header.items() if name.startswith("text2face.")}
        assert (told["base"], told["prediction"], told["steps"], told["seed"]) == ("tiny-21", "v_prediction", "1", "3")
        assert (told["photos"], told["resolution"], len(told["dataset"])) == ("16", "64", 32)
        assert str(tiny_base.parent) not in str(header)
        assert shared_cache not in str(header)
    assert str(tiny_base.parent) not in (tmp_path / "out" / "README.md").read_text()


# --- the real architecture ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [8, 4])
def test_the_real_sd_2_1_has_the_published_number_of_lora_weights(rank):
    options = SdLoraOptions(rank=rank, text_rank=rank)
    with torch.device("meta"):
        unet = add_unet_lora(tiny_sd.unet(tiny_sd.SD21), options, 0)
        text = add_text_lora(tiny_sd.text_encoder(tiny_sd.SD21, 49408), options, 0)
    of_unet, of_text = dict(unet.named()), dict(text.named())
    assert sum(one.numel() for one in of_unet.values()) == 1_659_904 * rank // 8
    assert sum(one.numel() for one in of_text.values()) == 1_507_328 * rank // 8
    assert (len(of_unet), len(of_text)) == (256, 184)
    assert of_unet["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight"].shape == (rank, 1024)
    assert of_unet["mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_B.weight"].shape == (1280, rank)
    assert of_text["text_model.encoder.layers.22.self_attn.out_proj.lora_B.weight"].shape == (1024, rank)
    assert {one.dtype for one in (*of_unet.values(), *of_text.values())} == {torch.float32}

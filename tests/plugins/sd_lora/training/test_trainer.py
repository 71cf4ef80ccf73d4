"""What a training must do, on a tiny Stable Diffusion: learn, be exact, and not have the faults of public trainers."""

from __future__ import annotations

import os
import signal
from collections import Counter

import numpy as np
import pytest
from support.sd_training import Told, largest_difference, steps_of, train, weights

from text2face_core.errors import RunError


@pytest.fixture
def run(tiny_base, photos16, tmp_path, shared_cache):
    """Train into a folder of this name, and return it."""

    def train_it(name="out", progress=None, **options):
        out = tmp_path / name
        train(tiny_base, photos16, out, progress, **{"cache": shared_cache, **options})
        return out

    return train_it


@pytest.fixture(scope="module")
def calm(tiny_base, photos16, shared_cache, tmp_path_factory):
    """Eight steps of two photos, left alone."""
    out = tmp_path_factory.mktemp("calm")
    train(tiny_base, photos16, out, cache=shared_cache, steps=8)
    return out


@pytest.mark.nightly
def test_what_was_learned_shows_on_photos_that_were_never_seen(run):
    out = run(steps=150, batch_size=4, learning_rate=1e-2, text_learning_rate=1e-2, held_out=1, validate_every=0)
    losses = steps_of(out, "validation_loss")
    assert list(losses) == [0, 150]
    assert losses[150] <= 0.7 * losses[0]


def test_each_part_learns_at_its_own_rate(run):
    out = run(steps=1, learning_rate=1e-3, text_learning_rate=1e-5, caption_dropout=0.0)
    # Adam's first step moves every weight by the learning rate, up to epsilon.
    moved = {part: largest(out, part, ".lora_B.") for part in ("unet.", "text_encoder.")}
    assert moved["unet."] == pytest.approx(1e-3, rel=1e-3)
    assert moved["text_encoder."] == pytest.approx(1e-5, rel=1e-3)
    assert steps_of(out, "learning_rate_unet") == {1: 1e-3}
    assert steps_of(out, "learning_rate_text_encoder") == {1: 1e-5}


def largest(out, start, kind):
    return max(float(one.abs().max()) for name, one in weights(out).items() if name.startswith(start) and kind in name)


def test_a_rate_of_zero_leaves_a_part_as_it_was(run):
    out = run(steps=2, text_learning_rate=0.0)
    assert largest(out, "text_encoder.", ".lora_B.") == 0
    assert largest(out, "unet.", ".lora_B.") > 0


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_lora_weights_stay_float32_and_all_move_at_a_rate_of_1e_5(run, dtype):
    # In bfloat16 a weight of 0.1 has neighbours 5e-4 away: of LoRA weights kept so 1 % would move.
    # At 64 px the lowest level has one place, whose attention to itself knows no gradient.
    options = {
        "dtype": dtype,
        "learning_rate": 1e-5,
        "text_learning_rate": 1e-5,
        "weight_decay": 0.0,
        "resolution": 128,
    }
    first, later = weights(run("first", steps=1, **options)), weights(run("later", steps=4, **options))
    assert {str(one.dtype) for one in later.values()} == {"torch.float32"}
    for kind in (".lora_A.", ".lora_B."):
        moved = [(later[name] != first[name]).float().mean().item() for name in later if kind in name]
        assert np.mean(moved) > 0.99, kind


def test_gradients_are_clipped_at_every_step(run):
    # With so large an epsilon Adam moves weights by rate * gradient / epsilon, so that what is clipped shows.
    options = {"steps": 3, "epsilon": 1.0, "weight_decay": 0.0, "learning_rate": 1.0, "text_learning_rate": 1.0}
    clipped, free = run("clipped", clip=1e-4, **options), run("free", clip=0.0, **options)
    assert min(steps_of(free, "gradient_norm").values()) > 1e-3
    # Three steps of at most the rate times the norm each; bias correction makes no step longer than its gradients.
    length = sum(float(one.square().sum()) for name, one in weights(clipped).items() if ".lora_B." in name) ** 0.5
    further = sum(float(one.square().sum()) for name, one in weights(free).items() if ".lora_B." in name) ** 0.5
    assert 1e-4 < length < 3.01e-4
    assert further > 10 * length


def test_gradients_of_both_models_accumulate(run):
    together = run("together", steps=3, batch_size=4)
    in_turns = run("in-turns", steps=3, batch_size=1, accumulation=4)
    assert largest_difference(together, in_turns) < 1e-5
    assert steps_of(together) == pytest.approx(steps_of(in_turns), abs=1e-5)


@pytest.mark.parametrize(("steps", "accumulation"), [(7, 1), (5, 3)])
def test_exactly_so_many_steps_are_done_and_the_last_is_saved(run, steps, accumulation):
    out = run(steps=steps, accumulation=accumulation, checkpoint_every=3)
    assert list(steps_of(out)) == list(range(1, steps + 1))
    assert kept(out) == [*range(3, steps, 3), steps]
    assert (out / "pytorch_lora_weights.safetensors").is_file()
    assert {float(one) for name, one in checkpoint(out, steps).items() if name.startswith("optimiser.step.")} == {steps}


def kept(out):
    from text2face_core.training.checkpoints import Checkpoints

    return Checkpoints(out / "checkpoints", 1, "sd_lora").steps()


def checkpoint(out, step):
    from text2face_core.training.checkpoints import Checkpoints

    return Checkpoints(out / "checkpoints", 1, "sd_lora").read(step).tensors


def test_checkpoints_hold_the_lora_and_its_optimiser_and_nothing_of_the_base(calm):
    found = checkpoint(calm, 8)
    kinds = Counter(name.partition(".lora_")[0].partition("unet")[0].partition("text_encoder")[0] for name in found)
    many = len(weights(calm))
    assert kinds == {"lora.": many, "optimiser.step.": many, "optimiser.exp_avg.": many, "optimiser.exp_avg_sq.": many}
    numbers = sum(one.numel() for one in weights(calm).values())
    size = (calm / "checkpoints" / "step-0000008.safetensors").stat().st_size
    assert size < 3 * 4 * numbers + 300 * len(found)


def test_only_the_last_checkpoints_are_kept(run):
    assert kept(run(steps=7, checkpoint_every=2, keep_checkpoints=2)) == [6, 7]


def test_the_text_encoder_may_stay_as_it_is(run):
    out = run(steps=3, text_encoder=False, checkpoint_every=2)
    assert {name.partition(".")[0] for name in weights(out)} == {"unet"}
    assert largest(out, "unet.", ".lora_B.") > 0
    assert "learning_rate_text_encoder" not in (out / "train.jsonl").read_text()


def test_training_in_two_parts_equals_training_in_one(run, calm):
    run(steps=3)
    out = run(steps=8)  # at a constant rate more steps only mean longer
    assert steps_of(out) == pytest.approx(steps_of(calm), abs=1e-6)
    assert largest_difference(out, calm) < 1e-6


@pytest.mark.parametrize(
    ("number", "options"),
    [
        (signal.SIGINT, {"held_out": 1, "validate_every": 2}),  # it is stopped where a validation is due
        (signal.SIGTERM, {"schedule": "cosine", "warmup": 2, "ema": 0.9, "min_snr": 5.0, "noise_offset": 0.1}),
        pytest.param(
            signal.SIGTERM,
            {"dtype": "float16", "accumulation": 2, "flip": True, "styles": {"": 1.0}},
            marks=pytest.mark.nightly,
        ),
    ],
)
def test_a_stopped_training_goes_on_as_if_it_had_not_been(run, number, options):
    undisturbed = run("undisturbed", steps=6, checkpoint_every=100, **options)

    def stop(step):
        if step == 3:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        run("stopped", Told(stop), steps=6, checkpoint_every=100, **options)
    assert signal.getsignal(number) == before
    progress = Told()
    out = run("stopped", progress, steps=6, checkpoint_every=100, **options)
    assert any("resuming after step" in line for line in progress.said)
    for figure in ("loss", "validation_loss"):
        assert steps_of(out, figure) == pytest.approx(steps_of(undisturbed, figure), abs=1e-6)
    assert largest_difference(out, undisturbed) < 1e-6


class StopAtValidation(Told):
    """Sends SIGTERM when validation at a step has its loss, and is about to generate images."""

    def __init__(self, step):
        super().__init__()
        self._line = f"step {step}: validation loss"

    def say(self, message):
        super().say(message)
        if message.startswith(self._line):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [2, *(pytest.param(step, marks=pytest.mark.nightly) for step in (0, 4))])
def test_a_signal_during_validation_is_obeyed_within_a_denoising_step(run, step, monkeypatch):
    from diffusers import DDIMScheduler

    options = {"held_out": 1, "validate_every": 2, "prompts": ("a man",), "inference_steps": 3, "steps": 4}
    undisturbed = run("undisturbed", **options)
    denoised = []
    inner = DDIMScheduler.step
    monkeypatch.setattr(DDIMScheduler, "step", lambda *a, **k: denoised.append(1) or inner(*a, **k))
    with pytest.raises(KeyboardInterrupt):
        run("stopped", StopAtValidation(step), **options)
    assert len(denoised) == 3 * step / 2 + 1
    out = run("stopped", **options)
    assert steps_of(out, "loss") == steps_of(undisturbed, "loss")
    assert steps_of(out, "validation_loss") == steps_of(undisturbed, "validation_loss")
    assert largest_difference(out, undisturbed) == 0
    run("stopped", **options)  # a finished training validates nothing again
    assert list(steps_of(out, "validation_loss")) == [0, 2, 4]


def test_a_finished_training_is_not_done_again(run):
    out = run(steps=3)
    before = weights(out), header(out)
    (out / "pytorch_lora_weights.safetensors").unlink()  # as if it had been killed while it wrote the result
    run(steps=3)
    after = weights(out), header(out)
    assert all(bool((before[0][name] == one).all()) for name, one in after[0].items())
    assert before[1] == after[1]
    assert list(steps_of(out)) == [1, 2, 3]


def header(out):
    from safetensors import safe_open

    with safe_open(out / "pytorch_lora_weights.safetensors", "pt") as file:
        return file.metadata()


def test_a_checkpoint_that_cannot_be_read_gives_way_to_the_one_before(run, calm, caplog):
    out = run(steps=5, checkpoint_every=2)
    path = out / "checkpoints" / "step-0000005.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    run(steps=8)
    assert "cannot be read" in caplog.text
    assert largest_difference(out, calm) < 1e-6


def test_other_settings_are_taken_up_only_when_told_so(run):
    run(steps=2)
    with pytest.raises(RunError, match=r"learning_rate was 0\.001, now 0\.002.*--resume"):
        run(steps=4, learning_rate=2e-3)
    progress = Told()
    out = run(progress=progress, steps=4, learning_rate=2e-3, resume="always")
    assert steps_of(out, "learning_rate_unet") == {1: 1e-3, 2: 1e-3, 3: 2e-3, 4: 2e-3}
    assert any("resuming with other settings: learning_rate was 0.001" in line for line in progress.said)
    with pytest.raises(RunError, match=r"do not fit \(rank was 8, now 4.*--fresh"):
        run(steps=4, learning_rate=2e-3, rank=4, resume="always")
    with pytest.raises(RunError, match=r"training of 4 steps, .* 3: .*--fresh"):
        run(steps=3, learning_rate=2e-3)


def test_beginning_anew_leaves_nothing_of_before(run, calm):
    run(steps=4, learning_rate=0.1)
    out = run(steps=8, resume="never")
    assert steps_of(out) == steps_of(calm)
    assert largest_difference(out, calm) == 0


def test_what_is_no_number_stops_the_training_and_spares_the_last_good_checkpoint(run, photos16, tiny_base, tmp_path):
    from text2face_core.training.sampler import sample_steps

    own = tmp_path / "own cache"
    out = run("broken", cache=str(own), steps=1)
    broken = next(iter(sample_steps(0, np.arange(16), 2, first=4)))[0].index  # is seen in the fifth step
    data = np.memmap(next(own.glob("latents-*")) / "data", np.float16, "r+").reshape(16, -1)
    slot = slot_of(own, photos16, tiny_base, broken)
    data[slot] = np.nan
    data.flush()
    with pytest.raises(RunError, match=r"at step 5 the loss is not finite.*step 4 in .*checkpoints"):
        run("broken", cache=str(own), steps=8, checkpoint_every=2)
    assert kept(out) == [1, 2, 4]
    assert all(bool(one.isfinite().all()) for one in checkpoint(out, 4).values())


def slot_of(cache, photos, base, index):
    """Which row of the cache's file belongs to a sample."""
    from diffusers import AutoencoderKL
    from t2f_sd_lora.cache.crops import Size
    from t2f_sd_lora.cache.latents import LatentCache, LatentFormat

    from text2face_core.dataset import open_dataset

    vae = AutoencoderKL.from_pretrained(base / "vae").eval()
    opened = LatentCache.open(cache, vae, open_dataset(photos), LatentFormat((Size(64, 64),)))
    return opened._slot(index, flip=False)


def test_the_cache_gives_what_encoding_at_each_step_gives(run, calm):
    out = run(steps=4, cache_latents=False, flip=False)
    found = steps_of(calm)
    # The cache keeps float16: a latent is off by 2e-4 of its size.
    assert steps_of(out) == pytest.approx({step: found[step] for step in range(1, 5)}, rel=1e-3)


def test_averaged_weights_are_the_result_and_drawn_with(run):
    import torch

    out = run(steps=3, ema=0.5, checkpoint_every=1, keep_checkpoints=5)
    name = next(name for name in weights(out) if name.startswith("unet.") and ".lora_B." in name)
    average = torch.zeros_like(weights(out)[name])
    for step in range(1, 4):
        share = min(0.5, (1 + step) / (10 + step))
        average = share * average + (1 - share) * checkpoint(out, step)[f"lora.{name}"]
    assert torch.allclose(weights(out)[name], average, atol=1e-7)
    assert not torch.allclose(weights(out)[name], checkpoint(out, 3)[f"lora.{name}"], atol=1e-5)


def test_another_seed_is_another_training(run, calm):
    other = run(steps=2, seed=1)
    assert steps_of(other)[1] != steps_of(calm)[1]

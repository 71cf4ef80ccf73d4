"""What a training step costs, and what each measure against that is worth.

    python benchmarks/train.py                         a small SD 2.1 on the CPU, one thread: seconds of CPU per step
    python benchmarks/train.py --only plain,fp32,bf16  some of the variants
    python benchmarks/train.py --device cuda           the real SD 2.1 with random weights, 768 px, on a GPU

The plain loop is written the way public scripts are: at every step photos are decoded, resized and encoded by the VAE,
and captions tokenised. All variants take turns in one process, so that the machine's mood falls on all; the smallest
time of each is shown, its median, and how often faster than the plain loop it is. The small model's widths are chosen
so that the VAE takes about a third of a step, as measured on the real one at 768 px.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "plugins"), str(ROOT / "tests")]

import numpy as np  # noqa: E402
import torch  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402
from support import tiny_sd  # noqa: E402

EXAMPLES = ROOT / "examples" / "photos"
SMALL = replace(
    tiny_sd.TINY,
    unet=(64, 128, 192, 192),
    unet_heads=(2, 4, 6, 6),
    unet_layers=2,
    text_width=128,
    text_layers=8,
    text_heads=4,
    text_mlp=512,
    vae=(28, 56, 88, 88),
    vae_layers=2,
)
TFLOP_CACHED = 5.0
"""Of the real model at 768 px, for each photo and step, forward and backward; 7.6 with the VAE."""
PEAKS = {"H200": 989, "H100": 989, "A100": 312, "L40": 181, "4090": 165}
"""Dense bfloat16 TFLOP/s, by a part of the GPU's name."""
PAPER_STEPS = 30_000


@dataclass(frozen=True)
class Variant:
    """A way to train. plain: the loop of public scripts."""

    name: str
    plain: bool = False
    latents: bool = True
    tokens: bool = True
    dtype: str = "float32"
    fused: bool = True
    compile: bool = False
    checkpointing: bool = False


VARIANTS = (
    Variant("plain", plain=True),
    Variant("plain-bf16", plain=True, dtype="bfloat16"),
    Variant("fp32"),
    Variant("fp32 no latent cache", latents=False),
    Variant("fp32 no token cache", tokens=False),
    Variant("fp32 not fused", fused=False),
    Variant("fp32 checkpointing", checkpointing=True),
    Variant("bf16", dtype="bfloat16"),
    Variant("bf16 no latent cache", dtype="bfloat16", latents=False),
    Variant("fp32 compile", compile=True),
    Variant("bf16 compile", dtype="bfloat16", compile=True),
)


@dataclass(frozen=True)
class Bench:
    """What all variants share."""

    base: Path
    photos: Path
    cache: Path
    resolution: int
    batch: int
    device: torch.device


def plain_step(variant: Variant, bench: Bench) -> Callable[[], None]:
    """The loop of public scripts: one optimizer group over both models, everything computed again at every step.

    In bfloat16 it does as they do: frozen weights narrow, LoRA weights float32, the forward pass under autocast.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from peft import LoraConfig, inject_adapter_in_model
    from torch.nn import functional
    from transformers import CLIPTextModel, CLIPTokenizer

    narrow = getattr(torch, variant.dtype)
    unet = UNet2DConditionModel.from_pretrained(bench.base / "unet", torch_dtype=narrow).to(bench.device)
    text_encoder = CLIPTextModel.from_pretrained(bench.base / "text_encoder", dtype=narrow).to(bench.device)
    vae = AutoencoderKL.from_pretrained(bench.base / "vae", torch_dtype=narrow).to(bench.device)
    tokenizer = CLIPTokenizer.from_pretrained(bench.base / "tokenizer")
    scheduler = DDIMScheduler.from_pretrained(bench.base / "scheduler")
    for model, targets in (
        (unet, ["to_q", "to_k", "to_v", "to_out.0"]),
        (text_encoder, ["q_proj", "k_proj", "v_proj", "out_proj"]),
    ):
        model.requires_grad_(False)
        config = LoraConfig(r=8, lora_alpha=8, init_lora_weights="gaussian", target_modules=targets)
        inject_adapter_in_model(config, model)
    vae.requires_grad_(False)
    trained = [one for model in (unet, text_encoder) for one in model.parameters() if one.requires_grad]
    for one in trained:
        one.data = one.data.float()
    optimizer = torch.optim.AdamW(trained, lr=1e-5, weight_decay=1e-2)
    lines = [json.loads(line) for line in (bench.photos / "metadata.jsonl").read_text().splitlines()]
    chance = np.random.default_rng(0)
    widened = torch.autocast(bench.device.type, narrow) if narrow != torch.float32 else contextlib.nullcontext()

    def load(line: dict[str, Any]) -> tuple[torch.Tensor, str]:
        with Image.open(bench.photos / line["file_name"]) as image:
            side = bench.resolution
            picture = ImageOps.fit(image.convert("RGB"), (side, side), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 127.5 - 1
        return pixels, str(chance.choice(line["text"]))

    def step() -> None:
        chosen = [load(lines[number]) for number in chance.integers(len(lines), size=bench.batch)]
        tokens = tokenizer(
            [text for _, text in chosen], max_length=77, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        pixels = torch.stack([picture for picture, _ in chosen]).to(bench.device, vae.dtype)
        with widened:
            with torch.no_grad():
                latents = vae.encode(pixels).latent_dist.sample() * vae.config.scaling_factor
            noise = torch.randn_like(latents)
            times = torch.randint(0, 1000, (bench.batch,), device=bench.device)
            noisy = scheduler.add_noise(latents, noise, times)
            words = text_encoder(tokens.to(bench.device), return_dict=False)[0]
            target = scheduler.get_velocity(latents, noise, times)
            answer = unet(noisy, times, words, return_dict=False)[0]
        loss = functional.mse_loss(answer.float(), target.float())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        loss.item()

    return step


def our_step(variant: Variant, bench: Bench) -> Callable[[], None]:
    """A step of the trainer itself: its loader and its loop, with these measures on or off."""
    from t2f_sd_lora import SdLoraOptions
    from t2f_sd_lora.model.base import load_base
    from t2f_sd_lora.model.devices import DTYPES
    from t2f_sd_lora.model.tokenizer import encode_texts
    from t2f_sd_lora.training.loader import BatchLoader
    from t2f_sd_lora.training.prepare import prepare_data
    from t2f_sd_lora.training.trainable import build_trainable
    from t2f_sd_lora.training.trainer import make_accelerator

    from text2face_core import Runtime
    from text2face_core.dataset import open_dataset
    from text2face_core.models.store import ModelStore
    from text2face_core.training.checkpoints import Checkpoints
    from text2face_core.training.context import SilentProgress, TrainingContext
    from text2face_core.training.loader import prefetch_batches
    from text2face_core.training.loop import Loop
    from text2face_core.training.sampler import sample_steps
    from text2face_core.training.signals import StopRequest

    options = SdLoraOptions(
        base=str(bench.base),
        resolution=bench.resolution,
        batch_size=bench.batch,
        steps=10**6,
        learning_rate=1e-5,
        cache=str(bench.cache),
        cache_latents=variant.latents,
        fused=variant.fused,
        compile=variant.compile,
        gradient_checkpointing=variant.checkpointing,
        held_out=0,
        prompts=(),
    )
    runtime = Runtime(ModelStore(bench.cache / "store", offline=True), str(bench.device), variant.dtype)
    accelerator = make_accelerator(options, runtime)
    context = TrainingContext("sd_lora", options, runtime, accelerator, bench.cache, SilentProgress(), StopRequest())
    base = load_base(options.base, dtype=DTYPES[variant.dtype], device=bench.device)
    dataset = open_dataset(bench.photos)
    data = prepare_data(context, dataset, base, bench.resolution)
    model = build_trainable(context, base)
    tokens: Any = data.tokens
    if not variant.tokens:

        class Live:
            empty, styles = tokens.empty, tokens.styles

            def ids(self, index: int, number: int) -> torch.Tensor:
                return torch.tensor(encode_texts(base.tokenizer, [dataset.captions(index)[number][0]])[0][0])

        tokens = Live()
    loader = BatchLoader(data.latents, tokens, options, 0, model.latent_scale, len(model.schedule))
    loop = Loop(context, model, data, loader, Checkpoints(bench.cache / "none", 1, "sd_lora"), None, lambda _: True)
    walk = sample_steps(0, data.trained, bench.batch)
    on_gpu = bench.device.type == "cuda"
    parts = ([samples] for samples in walk)
    batches = prefetch_batches(loader, parts) if on_gpu else ([loader.load_batch(one)] for (one,) in parts)

    def step() -> None:
        loop.train_step(next(batches))
        loop.read_metrics(1)

    return step


def photos_in(folder: Path, side: int, count: int) -> Path:
    """An imagefolder of JPEGs, somewhat larger than they are trained at."""
    (folder / "images").mkdir(parents=True)
    examples = sorted(EXAMPLES.glob("*.jpg"))
    with (folder / "metadata.jsonl").open("w") as file:
        for number in range(count):
            with Image.open(examples[number % len(examples)]) as image:
                picture = ImageOps.fit(image.convert("RGB"), (side, side))
            picture.save(folder / "images" / f"{number}.jpg", quality=92)
            texts = [f"a photo of a woman with long black hair and a smile, {number}", "a man with short brown hair"]
            file.write(json.dumps({"file_name": f"images/{number}.jpg", "text": texts}) + "\n")
    return folder


def clock(device: torch.device) -> float:
    """Seconds of this process's CPU time, or, on a GPU, of the clock on the wall when it has done all its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()
        return time.perf_counter()
    return time.process_time()


def measure(variants: list[Variant], bench: Bench, rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds per step of each variant, a figure for each round."""
    made: dict[str, Callable[[], None]] = {}
    for variant in variants:
        with contextlib.redirect_stderr(io.StringIO()):
            made[variant.name] = (plain_step if variant.plain else our_step)(variant, bench)
        for _ in range(2):  # the first steps set things up, and compile
            made[variant.name]()
    found: dict[str, list[float]] = {name: [] for name in made}
    gc.disable()
    for _ in range(rounds):
        for name, step in made.items():
            start = clock(bench.device)
            for _ in range(steps):
                step()
            found[name].append((clock(bench.device) - start) / steps)
        gc.collect()
    return found


def vae_share(bench: Bench) -> float:
    """Seconds that the VAE takes for a batch."""
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(bench.base / "vae").to(bench.device)
    pixels = torch.randn(bench.batch, 3, bench.resolution, bench.resolution, device=bench.device)
    taken = []
    with torch.no_grad():
        for _ in range(3):
            start = clock(bench.device)
            vae.encode(pixels)
            taken.append(clock(bench.device) - start)
    return min(taken)


def on_gpu(given: argparse.Namespace, room: Path) -> None:
    """The real shape: steps and images per second, memory, and how much of the GPU's arithmetic is used."""
    base = tiny_sd.write_pipeline(room / "base", tiny_sd.SD21)
    photos = photos_in(room / "photos", 1024, 64)
    name = torch.cuda.get_device_name()
    peak = next((flops for part, flops in PEAKS.items() if part in name), None)
    print(f"{name}, SD 2.1 shape, 768 px, bfloat16, cached latents, float32 LoRA of rank 8 on both models")
    print(f"{'batch':>5} {'compile':>7} {'steps/s':>8} {'images/s':>9} {'peak GiB':>9} {'MFU':>6} {'30k steps':>10}")
    for batch in given.batches:
        for compiled in (False, True):
            gc.collect()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            bench = Bench(base, photos, room / "cache", 768, batch, torch.device("cuda"))
            variant = Variant("gpu", dtype="bfloat16", compile=compiled)
            seconds = min(measure([variant], bench, given.rounds, given.steps)["gpu"])
            memory = torch.cuda.max_memory_allocated() / 2**30
            used = f"{TFLOP_CACHED * batch / seconds / peak:6.1%}" if peak else "     -"
            hours = PAPER_STEPS * seconds / 3600
            speed = f"{1 / seconds:8.2f} {batch / seconds:9.1f}"
            print(f"{batch:5} {compiled!s:>7} {speed} {memory:9.1f} {used} {hours:8.1f} h")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="names of variants, with commas between them")
    parser.add_argument("--no-compile", action="store_true", help="leave out what has to be compiled")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32], help="on a GPU")
    parser.add_argument("--resolution", type=int, default=256, help="on the CPU")
    parser.add_argument("--batch", type=int, default=2, help="on the CPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=3, help="in each round")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [one.name for one in VARIANTS]
    chosen = [one for one in VARIANTS if one.name in wanted and not (given.no_compile and one.compile)]
    with tempfile.TemporaryDirectory() as scratch:
        room = Path(scratch)
        if given.device == "cuda":
            on_gpu(given, room)
            return
        torch.set_num_threads(1)
        with contextlib.redirect_stderr(io.StringIO()):
            base = tiny_sd.write_pipeline(room / "base", SMALL)
        photos = photos_in(room / "photos", 2 * given.resolution, 16)
        bench = Bench(base, photos, room / "cache", given.resolution, given.batch, torch.device("cpu"))
        found = measure(chosen, bench, given.rounds, given.steps)
        against = min(found["plain"]) if "plain" in found else None
        print(
            f"CPU seconds per step of {bench.batch} photos at {given.resolution} px, one thread, {given.rounds} rounds"
        )
        print(f"{'':24} {'least':>8} {'median':>8} {'faster':>7}")
        for name, times in found.items():
            ratio = f"{against / min(times):6.2f}×" if against else ""
            print(f"{name:24} {min(times):8.4f} {statistics.median(times):8.4f} {ratio}")
        if against:
            print(f"the VAE takes {vae_share(bench) / against:.0%} of the plain step")


if __name__ == "__main__":
    main()

"""How training goes: a loss on photos that it never sees, and pictures of the same prompts and seeds."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from text2face_core.utils import replacing

from ._lora import Student
from ._watch import figure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from accelerate import Accelerator
    from PIL.Image import Image

    from text2face_core.contracts import Progress

    from ._base import Base
    from ._feed import Feed
    from ._loss import Diffusion
    from ._optimiser import Average, Optimiser
    from ._watch import Log
    from .options import SdLoraOptions

ROUNDS = 4
SHEET = "contact_sheet.png"
CELL, HEAD, SIDE = 192, 48, 96


@torch.no_grad()
def validation_loss(
    student: Student, feed: Feed, diffusion: Diffusion, indices: npt.NDArray[np.int64], size: int, device: torch.device
) -> float:
    """The mean squared error over held-out photos at four steps of noise each, spread evenly; the same at any time.

    Noise and steps belong to the photo, so that two values differ by the weights alone.
    """
    spread = [int((number + 0.5) * diffusion.steps / ROUNDS) for number in range(ROUNDS)]
    total = torch.zeros((), device=device, dtype=torch.float64)
    for round_ in range(ROUNDS):
        for first in range(0, len(indices), size):
            part = [int(one) for one in indices[first : first + size]]
            # Neighbouring photos take turns over all the steps, so that these are not tried on one photo alone.
            steps = [spread[(round_ + first + place) % ROUNDS] for place in range(len(part))]
            batch = feed.exam(part, steps, round_).to(device)
            noisy = diffusion.noisy(batch.latents, batch.noise, batch.steps)
            answer = student(noisy, batch.steps, batch.tokens)
            target = diffusion.target(batch.latents, batch.noise, batch.steps)
            total += torch.nn.functional.mse_loss(answer.float(), target) * len(part)
    return float(total) / (ROUNDS * len(indices))


@torch.no_grad()
def draw(base: Base, options: SdLoraOptions, resolution: int) -> Iterator[tuple[int, int, Image]]:
    """A picture of each prompt and seed, with their numbers."""
    from diffusers import StableDiffusionPipeline
    from diffusers.image_processor import VaeImageProcessor

    pipeline: Any = StableDiffusionPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        unet=base.unet,
        scheduler=base.scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    processor = VaeImageProcessor()
    for number, prompt in enumerate(options.prompts):
        for place, seed in enumerate(options.prompt_seeds):
            latents = pipeline(
                prompt,
                num_inference_steps=options.draw_steps,
                guidance_scale=options.guidance,
                height=resolution,
                width=resolution,
                generator=torch.Generator().manual_seed(seed),
                output_type="latent",
            ).images
            # Decoded apart, in float32: in float16 the VAE gives black pictures.
            pixels = base.vae.decode(latents.float() / base.vae.config.scaling_factor).sample
            yield number, place, processor.postprocess(pixels.nan_to_num(), output_type="pil")[0]


def folder_of(out: Path, step: int) -> Path:
    """Where the pictures of one validation lie."""
    return out / "validation" / f"step-{step:07d}"


def contact_sheet(out: Path, options: SdLoraOptions, losses: dict[int, float]) -> Image | None:
    """All pictures so far on one sheet: a row for each validation, a column for each prompt and seed."""
    from PIL import Image, ImageDraw, ImageFont

    columns = [(one, place) for one in range(len(options.prompts)) for place in range(len(options.prompt_seeds))]
    rows = sorted(int(path.name[5:]) for path in (out / "validation").glob("step-*"))
    if not rows or not columns:
        return None
    sheet = Image.new("RGB", (SIDE + CELL * len(columns), HEAD + CELL * len(rows)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for place, (prompt, seed) in enumerate(columns):
        lines = textwrap.wrap(options.prompts[prompt], 32)[:2]
        told = "\n".join([*lines, f"seed {options.prompt_seeds[seed]}"])
        pen.multiline_text((SIDE + CELL * place + 4, 2), told, "black", font, spacing=2)
    for row, step in enumerate(rows):
        loss = f"\nloss {losses[step]:.4f}" if step in losses else ""
        pen.multiline_text((4, HEAD + CELL * row + 4), f"step {step}{loss}", "black", font)
        for place, (prompt, seed) in enumerate(columns):
            path = folder_of(out, step) / name_of(prompt, seed)
            if path.is_file():
                cell = Image.open(path).resize((CELL, CELL), Image.Resampling.LANCZOS)
                sheet.paste(cell, (SIDE + CELL * place, HEAD + CELL * row))
    return sheet


def name_of(prompt: int, seed: int) -> str:
    """The file of one picture."""
    return f"{prompt}-{seed}.png"


@dataclass(slots=True)
class Examination:
    """Both, at a step: into train.jsonl, TensorBoard, OUT/validation and OUT/contact_sheet.png."""

    base: Base
    student: Student
    options: SdLoraOptions
    feed: Feed
    diffusion: Diffusion
    held_out: npt.NDArray[np.int64]
    average: Average | None
    optimiser: Optimiser
    log: Log | None
    out: Path
    resolution: int
    progress: Progress
    accelerator: Accelerator

    def __call__(self, step: int) -> None:
        """Examine the model after `step` steps: the main process does, the others wait."""
        if self.log:
            self.student.eval()
            with averaged(self.optimiser, self.average), torch.compiler.set_stance("force_eager"):
                self._examine(step, self.log)
            self.student.train()
        self.accelerator.wait_for_everyone()

    def _examine(self, step: int, log: Log) -> None:
        device = self.accelerator.device
        if len(self.held_out):
            size = 1 if self.options.bucket_aspect > 1 else self.options.batch_size
            loss = validation_loss(self.student, self.feed, self.diffusion, self.held_out, size, device)
            log.write(step, {"validation_loss": loss}, group="validation")
            self.progress.say(f"step {step}: validation loss {loss:.4f}")
        if not self.options.prompts:
            return
        folder = folder_of(self.out, step)
        folder.mkdir(parents=True, exist_ok=True)
        for prompt, seed, image in draw(self.base, self.options, self.resolution):
            image.save(folder / name_of(prompt, seed))
        log.flush()
        if sheet := contact_sheet(self.out, self.options, figure(self.out, "validation_loss")):
            with replacing(self.out / SHEET) as temporary:
                sheet.save(temporary, "PNG")
            log.picture(step, "samples", sheet)


@contextlib.contextmanager
def averaged(optimiser: Optimiser, average: Average | None) -> Iterator[None]:
    """The averaged weights in the place of the last ones, while this lasts."""
    if average is None:
        yield
        return
    with torch.no_grad():
        before = {name: one.detach().clone() for name, one in optimiser.named.items()}
        for name, one in optimiser.named.items():
            one.copy_(average.named[name])
        try:
            yield
        finally:
            for name, one in optimiser.named.items():
                one.copy_(before[name])

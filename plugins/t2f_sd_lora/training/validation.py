"""Validation: the loss on held-out photos, and images of the same prompts and seeds each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from text2face_core.training import (
    SHEET,
    averaged_weights,
    draw_contact_sheet,
    read_metric,
    sample_folder,
    sample_name,
)
from text2face_core.utils import replacing

if TYPE_CHECKING:
    from PIL.Image import Image

    from text2face_core.training import MetricsLog, TrainingContext

    from ..model.base import StableDiffusion
    from ..options import SdLoraOptions
    from .loader import BatchLoader
    from .prepare import TrainingData
    from .trainable import TrainableModel

ROUNDS = 4


class Stopped(Exception):
    """A signal asked to stop during validation."""


@dataclass(slots=True)
class Validator:
    """Validates a model; writes to train.jsonl, TensorBoard, OUT/validation and OUT/contact_sheet.png."""

    context: TrainingContext[SdLoraOptions]
    model: TrainableModel
    data: TrainingData
    loader: BatchLoader
    log: MetricsLog | None

    def __call__(self, step: int) -> bool:
        """Validate the model after `step` optimizer steps: in the main process, while the others wait.

        Returns False if a signal interrupted it; train.jsonl then has no record of it.
        """
        complete = True
        if self.log:
            self.model.network.eval()
            try:
                with (
                    averaged_weights(self.model.optimizer, self.model.average),
                    torch.compiler.set_stance("force_eager"),
                ):
                    self._validate(step, self.log)
            except Stopped:
                complete = False
            self.model.network.train()
        return self.context.all_agree(complete)

    def _validate(self, step: int, log: MetricsLog) -> None:
        context, options = self.context, self.context.options
        loss = None
        if len(self.data.held_out):
            loss = self._loss()
            context.progress.say(f"step {step}: validation loss {loss:.4f}")
        folder = sample_folder(context.out, step)
        for prompt, seed, image in generate_samples(self.model.base, options, self.data.resolution, self._check_stop):
            folder.mkdir(parents=True, exist_ok=True)
            image.save(folder / sample_name(prompt, seed))
        if loss is not None:
            log.write(step, {"validation_loss": loss}, group="validation")
        if not options.prompts:
            return
        log.flush()
        losses = read_metric(context.out, "validation_loss")
        if sheet := draw_contact_sheet(context.out, options.prompts, options.prompt_seeds, losses):
            with replacing(context.out / SHEET) as temporary:
                sheet.save(temporary, "PNG")
            log.picture(step, "samples", sheet)

    def _check_stop(self) -> None:
        if self.context.stop.wanted:
            raise Stopped

    @torch.no_grad()
    def _loss(self) -> float:
        """Mean squared error over held-out photos at four timesteps each, spread evenly.

        Noise and timesteps belong to the photo, so that two values differ by the weights alone.
        """
        model, held_out, device = self.model, self.data.held_out, self.context.device
        options = self.context.options
        size = 1 if options.bucket_aspect > 1 else options.batch_size
        spread = [int((number + 0.5) * len(model.schedule) / ROUNDS) for number in range(ROUNDS)]
        total = torch.zeros((), device=device, dtype=torch.float64)
        for round_ in range(ROUNDS):
            for first in range(0, len(held_out), size):
                self._check_stop()
                part = [int(one) for one in held_out[first : first + size]]
                # Neighbouring photos take turns over all timesteps, so that none is tried on a single photo only.
                timesteps = [spread[(round_ + first + place) % ROUNDS] for place in range(len(part))]
                batch = self.loader.load_validation_batch(part, timesteps, round_).to(device)
                noisy = model.schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
                prediction = model.network(noisy, batch.timesteps, batch.tokens)
                target = model.schedule.target(batch.latents, batch.noise, batch.timesteps)
                total += torch.nn.functional.mse_loss(prediction.float(), target) * len(part)
        return float(total) / (ROUNDS * len(held_out))


@torch.no_grad()
def generate_samples(
    base: StableDiffusion, options: SdLoraOptions, resolution: int, on_step: Callable[[], None]
) -> Iterator[tuple[int, int, Image]]:
    """Yield an image of each prompt and seed, with their numbers. on_step: called after each denoising step."""
    from diffusers import StableDiffusionPipeline
    from diffusers.image_processor import VaeImageProcessor

    def report(_pipeline: Any, _step: int, _timestep: Any, _tensors: dict[str, Any]) -> dict[str, Any]:
        on_step()
        return {}

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
                num_inference_steps=options.inference_steps,
                guidance_scale=options.guidance,
                height=resolution,
                width=resolution,
                generator=torch.Generator().manual_seed(seed),
                output_type="latent",
                callback_on_step_end=report,
            ).images
            # Decoded separately, in float32: in float16 the VAE gives black images.
            pixels = base.vae.decode(latents.float() / base.vae.config.scaling_factor).sample
            yield number, place, processor.postprocess(pixels.nan_to_num(), output_type="pil")[0]

"""The base model with LoRA adapters, and their optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from text2face_core.training import WeightAverage

from ..model.adapters import DenoisingModel, add_text_lora, add_unet_lora
from .loss import NoiseSchedule, weighted_mse
from .optimizer import LoraOptimizer

if TYPE_CHECKING:
    import torch

    from text2face_core.training import TrainingContext

    from ..model.adapters import Adapter
    from ..model.base import StableDiffusion
    from ..options import SdLoraOptions
    from .loader import Batch


@dataclass(frozen=True, slots=True)
class TrainableModel:
    """A base model whose adapters are trained.

    text_encoder: None when only the UNet is trained. network: UNet and text encoder in a single module.
    average: the averaged weights (EMA), or None. min_snr: gamma of the loss weights; 0 for none.
    """

    base: StableDiffusion
    unet: Adapter
    text_encoder: Adapter | None
    network: DenoisingModel
    schedule: NoiseSchedule
    optimizer: LoraOptimizer
    average: WeightAverage | None
    min_snr: float = 0.0

    def compute_loss(self, network: Any, batch: Batch) -> torch.Tensor:
        """The training loss of a batch, a scalar. network: `self.network`, or what wraps it for several processes."""
        schedule = self.schedule
        noisy = schedule.add_noise(batch.latents, batch.noise, batch.timesteps)
        prediction = network(noisy, batch.timesteps, batch.tokens)
        target = schedule.target(batch.latents, batch.noise, batch.timesteps)
        return weighted_mse(prediction, target, schedule.loss_weights(batch.timesteps, self.min_snr))

    @property
    def latent_scale(self) -> float:
        """The VAE's scaling factor of latents."""
        return float(self.base.vae.config.scaling_factor)


def build_trainable(context: TrainingContext[SdLoraOptions], base: StableDiffusion) -> TrainableModel:
    """Attach adapters to `base`, in the mode and memory layout of training."""
    options, seed = context.options, context.runtime.seed
    unet = add_unet_lora(base.unet, options, seed)
    text = add_text_lora(base.text_encoder, options, seed) if options.text_encoder else None
    network = build_network(base, options, context.device)
    optimizer = LoraOptimizer(unet, text, options)
    average = WeightAverage(optimizer.named, options.ema) if options.ema else None
    schedule = NoiseSchedule.from_scheduler(base.scheduler).to(context.device)
    return TrainableModel(base, unet, text, network, schedule, optimizer, average, options.min_snr)


def build_network(base: StableDiffusion, options: SdLoraOptions, device: torch.device) -> DenoisingModel:
    """UNet and text encoder in a single module, with checkpointing, memory layout and compilation from the options."""
    import torch

    if options.gradient_checkpointing:
        base.unet.enable_gradient_checkpointing()
        if options.text_encoder:
            encoder = base.text_encoder  # from 5.2x on transformers has another name for it
            switch = getattr(encoder, "activation_checkpointing_enable", encoder.gradient_checkpointing_enable)
            switch({"use_reentrant": False})
    if device.type == "cuda" if options.channels_last is None else options.channels_last:
        base.unet.to(memory_format=torch.channels_last)
    if options.cache_latents and not options.prompts:
        base.vae.to("cpu")
    network = DenoisingModel(base.unet, base.text_encoder, trains_text=options.text_encoder)
    network.train()  # transformers checkpoints gradients in this mode only; there is no dropout
    if options.compile:
        base.unet.compile(dynamic=False)
    return network

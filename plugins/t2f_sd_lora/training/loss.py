"""The noise schedule, the training target and the loss. Formulas: Ho et al. 2020; Salimans and Ho 2022."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence


class NoiseSchedule:
    """Noise added to latents, as the base model's scheduler defines it.

    alphas: cumulative product of 1 - beta at each timestep. prediction: "epsilon" or "v_prediction".
    """

    def __init__(self, alphas: torch.Tensor, prediction: str) -> None:
        self.alphas = alphas.to(torch.float32)
        self.prediction = prediction

    @classmethod
    def from_scheduler(cls, scheduler: Any) -> NoiseSchedule:
        """The schedule of a diffusers scheduler."""
        return cls(scheduler.alphas_cumprod, scheduler.config.prediction_type)

    def to(self, device: torch.device) -> NoiseSchedule:
        """Copy to another device."""
        return NoiseSchedule(self.alphas.to(device), self.prediction)

    def __len__(self) -> int:
        """The number of timesteps."""
        return len(self.alphas)

    def add_noise(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """(N, 4, h, w): latents with the noise of `timesteps`, (N,) integers."""
        signal, spread = self._scales(timesteps)
        return signal * latents + spread * noise

    def target(self, latents: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """What the UNet should predict: the noise, or the velocity: noise times signal less latents times spread."""
        if self.prediction == "epsilon":
            return noise
        signal, spread = self._scales(timesteps)
        return signal * noise - spread * latents

    def loss_weights(self, timesteps: torch.Tensor, gamma: float) -> torch.Tensor:
        """(N,): min-SNR weights, which reduce the loss at timesteps with little noise; with gamma 0 all are 1.

        The loss on the picture itself has the weight min(SNR, gamma). The squared error in the noise is that in the
        picture times SNR, the squared error in the velocity that times SNR + 1: hence the divisors.
        """
        if not gamma:
            return torch.ones(len(timesteps), device=timesteps.device)
        alphas = self.alphas[timesteps]
        snr = alphas / (1 - alphas)
        capped = snr.clamp(max=gamma)
        return capped / snr if self.prediction == "epsilon" else capped / (snr + 1)

    def _scales(self, timesteps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alphas = self.alphas[timesteps].reshape(-1, 1, 1, 1)
        return alphas.sqrt(), (1 - alphas).sqrt()


def weighted_mse(prediction: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Scalar: the mean over samples of their mean squared error times weight, in float32.

    prediction, target: (N, 4, h, w). weights: (N,).
    """
    error = torch.nn.functional.mse_loss(prediction.float(), target.float(), reduction="none")
    return (error.mean(dim=(1, 2, 3)) * weights).mean()


def add_noise_offset(noise: torch.Tensor, offsets: Sequence[torch.Tensor], strength: float) -> torch.Tensor:
    """Shift whole channels of the noise as well, so that very dark and very bright pictures can be learned."""
    return noise + strength * torch.stack(list(offsets)).to(noise) if strength else noise

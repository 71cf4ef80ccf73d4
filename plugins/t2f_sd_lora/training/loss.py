"""What the UNet should predict, and how much each example counts. Formulas: Ho et al. 2020; Salimans and Ho 2022."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence


class Diffusion:
    """Noise added to latents, as the base model's scheduler has it.

    alphas: cumulative product of 1 - beta, one for each step. prediction: "epsilon" or "v_prediction".
    """

    def __init__(self, alphas: torch.Tensor, prediction: str) -> None:
        self.alphas = alphas.to(torch.float32)
        self.prediction = prediction

    @classmethod
    def of(cls, scheduler: Any) -> Diffusion:
        """From a scheduler of diffusers."""
        return cls(scheduler.alphas_cumprod, scheduler.config.prediction_type)

    def to(self, device: torch.device) -> Diffusion:
        """The same on another device."""
        return Diffusion(self.alphas.to(device), self.prediction)

    @property
    def steps(self) -> int:
        """How many steps of noise there are."""
        return len(self.alphas)

    def noisy(self, latents: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """(N, 4, h, w): latents at the noise of `steps`, (N,) integers."""
        signal, spread = self._scales(steps)
        return signal * latents + spread * noise

    def target(self, latents: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """What the UNet should answer: the noise, or the velocity: noise times signal less latents times spread."""
        if self.prediction == "epsilon":
            return noise
        signal, spread = self._scales(steps)
        return signal * noise - spread * latents

    def weights(self, steps: torch.Tensor, gamma: float) -> torch.Tensor:
        """(N,): how much each example counts by min-SNR, which holds back steps of little noise; gamma 0: 1.

        The loss on the picture itself is to be weighted min(SNR, gamma). An error in the noise is one in the picture
        times SNR, one in the velocity times SNR + 1: hence the divisors.
        """
        if not gamma:
            return torch.ones(len(steps), device=steps.device)
        alphas = self.alphas[steps]
        snr = alphas / (1 - alphas)
        capped = snr.clamp(max=gamma)
        return capped / snr if self.prediction == "epsilon" else capped / (snr + 1)

    def loss(self, answer: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """The mean over examples of their squared error times weight, in float32."""
        error = torch.nn.functional.mse_loss(answer.float(), target.float(), reduction="none")
        return (error.mean(dim=(1, 2, 3)) * weights).mean()

    def _scales(self, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        alphas = self.alphas[steps].reshape(-1, 1, 1, 1)
        return alphas.sqrt(), (1 - alphas).sqrt()


def with_offset(noise: torch.Tensor, offsets: Sequence[torch.Tensor], strength: float) -> torch.Tensor:
    """Noise whose channels are also shifted as a whole, so that very dark and very bright pictures can be learned."""
    return noise + strength * torch.stack(list(offsets)).to(noise) if strength else noise

"""Contracts of generated images: requests, image generators, and renderers of faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .utils import warn_renamed

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .contracts import Rejection
    from .records import Pixels


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """Request for an image.

    Attributes:
        prompt: What the image should show.
        seed: Determines all of the image's noise.
        width: In pixels.
        height: In pixels.
        negative: Negative prompt: what the image should not show.
        steps: Denoising steps.
        guidance: Classifier-free guidance scale, at least 1: how strongly the prompt steers the image.
        scale: Strength of the trained model (LoRA); 0 for the base model alone.
    """

    prompt: str
    seed: int
    width: int
    height: int
    negative: str = ""
    steps: int = 50
    guidance: float = 7.5
    scale: float = 1.0


class ImageGenerator(ABC):
    """Generates images from prompts, with a base model and what was trained on it.

    Attributes:
        size: Default (width, height) of an image, in pixels.
        steps: Default number of denoising steps.
        guidance: Default classifier-free guidance scale.
        notes: Messages for the user before images are generated.
    """

    size: tuple[int, int]
    steps: int = 50
    guidance: float = 7.5
    notes: tuple[str, ...] = ()

    @abstractmethod
    def generate(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Generate an image for each request.

        Args:
            requests: A request per image. Equal requests give equal images, except for rounding, whatever else is in
                the batch.
            on_step: Called after each denoising step, to show progress: a step is slow on a CPU.

        Returns:
            For each request an image, (height, width, 3) uint8 RGB, or a `Rejection`.
        """

    @abstractmethod
    def identity(self, request: GenerationRequest) -> dict[str, str]:
        """Return everything else that the image depends on: "base", "revision", "lora", "lora_sha256", "sampler", ….

        It is stored in the image's file; an image whose request and identity are unchanged is not generated again.
        """

    def unread(self, prompts: Sequence[str]) -> list[str]:
        """Return the part of each prompt that the model cuts off; empty if it reads the whole prompt."""
        return [""] * len(prompts)

    def draw(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Deprecated name of `generate`."""
        warn_renamed("Drawer.draw", "ImageGenerator.generate")
        return self.generate(requests, on_step)


class Renderer(ABC):
    """Renders photo-like faces of people who do not exist, each from a vector, its latent.

    Attributes:
        name: What the images' metadata call it.
        latent_size: Length of a latent.
        size: (width, height) of its images, in pixels.
    """

    name: str
    latent_size: int
    size: tuple[int, int]

    @abstractmethod
    def latents(self, seeds: Sequence[int], truncation: float = 1.0) -> npt.NDArray[np.float32]:
        """Draw latents.

        Args:
            seeds: A seed for each; equal seeds give equal latents, whatever else is drawn.
            truncation: 1 for the full variety, less for faces nearer to the mean face, 0 for the mean face.

        Returns:
            (N, latent_size).
        """

    @abstractmethod
    def render(self, latent: npt.NDArray[np.float32]) -> Pixels:
        """Render a face.

        Args:
            latent: (latent_size,).

        Returns:
            (height, width, 3) uint8 RGB; the same for the same latent.
        """


class Drawer(ImageGenerator):
    """The image generator of 0.1, with its method `draw`; kept until 0.3 for plugins written for 0.1."""

    @abstractmethod
    def draw(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Generate images, like `ImageGenerator.generate`."""

    def generate(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Generate images with `draw`."""
        return self.draw(requests, on_step)

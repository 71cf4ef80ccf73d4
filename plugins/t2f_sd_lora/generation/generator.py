"""Generate images with Stable Diffusion 1.x and 2.x, with or without a LoRA."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from text2face_core.contracts import GenerationRequest, ImageGenerator, Rejection, Runtime
from text2face_core.errors import PluginError

from ..model import lora_files
from ..model.attach import LoraScale, attach_lora
from ..model.base import StableDiffusion, load_base
from ..model.devices import DTYPES, find_device
from ..model.resolve import choose_base, describe_differences, display_name, find_lora, hash_folder, metadata_of
from ..model.tokenizer import encode_texts

if TYPE_CHECKING:
    from text2face_core.records import Pixels

    from ..model.lora_files import Lora
    from ..options import SdLoraOptions

BLACK = 4
"""An image whose pixels are all at most this bright (of 255) is black."""


def open_generator(model: str | None, options: SdLoraOptions, runtime: Runtime) -> SdImageGenerator:
    """Load a LoRA and its base model.

    model: a folder or file, or "owner/name[/path][@revision]" of the hub; None for the base model alone.

    The base model is taken from the options, else from the LoRA's file, if it names the model it was trained on.
    Raises ArtifactError when either cannot be found, or they do not fit.
    """
    offline = bool(runtime.models.offline)
    path = find_lora(model, offline=offline) if model else None
    lora = lora_files.load(path) if path else None
    metadata = metadata_of(lora, path) if lora and path else {}
    name, revision = choose_base(options, metadata)
    device = find_device(runtime.device)
    if device.type == "cpu":
        torch.set_num_threads(runtime.threads)
    base = load_base(name, revision, dtype=DTYPES[runtime.dtype], device=device, offline=offline)
    if device.type == "cuda":
        base.unet.to(memory_format=torch.channels_last)
    identity = {"base": display_name(name), "revision": base.revision or hash_folder(base.folder)}
    trained = {}
    if model and path:
        trained = {"lora": display_name(model), "lora_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    return SdImageGenerator(base, lora, identity, trained, runtime.dtype, metadata)


class SdImageGenerator(ImageGenerator):
    """A base model with a LoRA, whose scale can differ for each image."""

    def __init__(
        self,
        base: StableDiffusion,
        lora: Lora | None,
        identity: Mapping[str, str],
        trained: Mapping[str, str],
        dtype: str,
        metadata: Mapping[str, str],
    ) -> None:
        self._base = base
        self._half = dtype == "float16"
        self._scheduler = _scheduler(base)
        self._identity = {**identity, "sampler": _sampler(self._scheduler), "dtype": dtype}
        self._trained = dict(trained)
        self._scale = LoraScale()
        self._extra = "generator" in inspect.signature(self._scheduler.step).parameters
        side = int(metadata["resolution"]) if metadata.get("resolution", "").isdigit() else base.resolution
        self.size = side, side
        notes = [*base.notes]
        if lora:
            attach_lora(base, lora, self._scale, trained["lora"])
            notes += describe_differences(base, metadata, trained["lora"])
        self.notes = tuple(notes)

    def identity(self, request: GenerationRequest) -> dict[str, str]:
        """Base, revision, sampler and dtype; the LoRA and its hash, unless its scale is 0."""
        return {**self._identity, **(self._trained if request.scale else {})}

    def unread(self, prompts: Sequence[str]) -> list[str]:
        """The end of each prompt beyond the text encoder's 77 tokens."""
        if not prompts:
            return []
        tokenizer = self._base.tokenizer
        kept = len(encode_texts(tokenizer, [""])[0][0]) - 1  # its last token is the end
        found = tokenizer(list(prompts), padding=False, truncation=False, verbose=False)["input_ids"]
        return [str(tokenizer.decode(ids[kept:-1])).strip() if len(ids) > kept + 1 else "" for ids in found]

    def generate(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None = None
    ) -> list[Pixels | Rejection]:
        """Generate requests; those with the same size, steps, guidance and scale are generated together."""
        alike: dict[Any, list[int]] = defaultdict(list)
        for place, one in enumerate(requests):
            alike[one.width, one.height, one.steps, one.guidance, one.scale].append(place)
        images: dict[int, Pixels | Rejection] = {}
        for places in alike.values():
            try:
                with torch.inference_mode():
                    found = self._generate_alike([requests[place] for place in places], on_step)
            except torch.OutOfMemoryError as error:
                raise PluginError(
                    f"the memory of {self._base.unet.device} is too small for {len(places)} images at once"
                    + (f": --batch-size {len(places) // 2}" if len(places) > 1 else ": make it smaller with --size")
                ) from error
            images |= zip(places, found, strict=True)
        return [images[place] for place in range(len(requests))]

    def _generate_alike(
        self, requests: Sequence[GenerationRequest], on_step: Callable[[], None] | None
    ) -> list[Pixels | Rejection]:
        base, scheduler, like = self._base, self._scheduler, requests[0]
        device = base.unet.device
        if like.width % base.shrink or like.height % base.shrink:
            near = [max(1, round(side / 64)) * 64 for side in (like.width, like.height)]
            raise PluginError(
                f"sides must be multiples of {base.shrink} px, as in {near[0]}x{near[1]}; "
                f"{like.width}x{like.height} are not"
            )
        known = scheduler.config.num_train_timesteps
        if like.steps > known:
            raise PluginError(f"{base.name} has {known} timesteps: --steps {known} at most, not {like.steps}")
        self._scale.value = like.scale
        guided = like.guidance > 1
        words = self._encode([one.prompt for one in requests])
        if guided:
            words = torch.cat([self._encode([one.negative for one in requests]), words])
        # On the CPU, in float32 and singly: the same noise on any device, at any precision, in any batch.
        generators = [torch.Generator().manual_seed(one.seed) for one in requests]
        shape = (base.unet.config.in_channels, like.height // base.shrink, like.width // base.shrink)
        latents = torch.stack([torch.randn(shape, generator=one) for one in generators]).to(device)
        scheduler.set_timesteps(like.steps, device=device)
        latents *= scheduler.init_noise_sigma
        extra = {"generator": generators} if self._extra else {}
        for step in scheduler.timesteps:
            noisy = scheduler.scale_model_input(torch.cat([latents] * 2) if guided else latents, step)
            # Only the networks compute in `dtype`: in bfloat16, latents would lose the last digits of 50 small steps.
            answer = base.unet(noisy.to(words.dtype), step, words, return_dict=False)[0].float()
            if guided:
                without, with_words = answer.chunk(2)
                answer = without + like.guidance * (with_words - without)
            latents = scheduler.step(answer, step, latents, **extra, return_dict=False)[0]
            if on_step:
                on_step()
        return [self._decode(one) for one in latents]

    def _encode(self, texts: list[str]) -> torch.Tensor:
        """(N, 77, width): each distinct text encoded once, tokenized as in training."""
        distinct = list(dict.fromkeys(texts))
        encoder = self._base.text_encoder
        tokens = torch.tensor(encode_texts(self._base.tokenizer, distinct)[0], device=encoder.device)
        found = encoder(tokens, return_dict=False)[0]
        return found[[distinct.index(text) for text in texts]]

    def _decode(self, latents: torch.Tensor) -> Pixels | Rejection:
        """Decode a single image, to save memory; in float32, because in float16 the VAE gives black images."""
        narrow = ". Values were too large for float16: give --dtype bfloat16 or float32" if self._half else ""
        if not torch.isfinite(latents).all():
            return Rejection(f"the network's output contains NaN{narrow}")
        vae = self._base.vae
        decoded = vae.decode(latents[None] / vae.config.scaling_factor, return_dict=False)[0][0]
        pixels = ((decoded / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
        if not torch.isfinite(decoded).all() or (self._half and pixels.max() <= BLACK):
            return Rejection(f"the image is black{narrow}")
        return np.ascontiguousarray(pixels)


def _scheduler(base: StableDiffusion) -> Any:
    """The base model's own sampler."""
    import diffusers

    folder = base.folder / "scheduler"
    config = json.loads((folder / "scheduler_config.json").read_text(encoding="utf-8"))
    kind = config.get("_class_name", "DDIMScheduler")
    found = getattr(diffusers, kind, None) if str(kind).endswith("Scheduler") else None
    if found is None:
        raise PluginError(f"{base.name} needs the scheduler {kind}, which this version of diffusers does not have")
    return found.from_pretrained(folder)


def _sampler(scheduler: Any) -> str:
    return type(scheduler).__name__.removesuffix("Scheduler")

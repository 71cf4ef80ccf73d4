"""A vision language model in this process, through transformers' image-text-to-text pipeline."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from text2face_core.contracts import Fuser, FusionRequest, Runtime
from text2face_core.errors import BadPhoto, FuserError
from text2face_core.utils import stream_seed

from ..formats import answer
from ..images import picture
from ..recap import DEFAULT, RecapOptions, prompt_of

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)


class LocalRecap(Fuser):
    """Writes a single text at a time, so that it depends only on its request; for speed, use a server.

    Raises FuserError if transformers cannot load the model.
    """

    def __init__(self, options: RecapOptions, runtime: Runtime) -> None:
        self._options = options
        self._device = runtime.device
        self._pipeline = _pipeline(options, runtime)

    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """`count` texts for each request; none for a photo that can no longer be read."""
        return [self._texts(request) for request in requests]

    def _texts(self, request: FusionRequest) -> list[str]:
        try:
            shown = picture(request.uri, self._options.max_side)
        except BadPhoto as error:
            log.warning("%s gets no caption: %s", request.uri, error)
            return []
        prompt = prompt_of(self._options, request)
        return [self._say(shown, prompt, stream_seed(request.seed, number)) for number in range(request.count)]

    def _say(self, shown: Image, prompt: str, seed: int) -> str:
        import torch

        options = self._options
        content = [{"type": "image", "image": shown}, {"type": "text", "text": prompt}]
        draws = {"do_sample": True, "temperature": options.temperature, "top_p": options.top_p, "top_k": 0}
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(seed)
            said: list[dict[str, Any]] = self._pipeline(
                text=[{"role": "user", "content": content}],
                return_full_text=False,
                generate_kwargs={
                    "max_new_tokens": options.max_tokens,
                    **(draws if options.temperature else {"do_sample": False}),
                },
            )
        return answer(str(said[0]["generated_text"]))


def _pipeline(options: RecapOptions, runtime: Runtime) -> Any:
    if runtime.models.offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from transformers import pipeline

    name = options.model or DEFAULT
    if runtime.device == "cpu":
        torch.set_num_threads(runtime.threads)
    try:
        return pipeline(
            "image-text-to-text",
            model=name,
            revision=options.revision or None,
            device=runtime.device,
            dtype=getattr(torch, runtime.dtype),
        )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise FuserError(
            f"transformers cannot run {name}: {lines[0]}. Set recap.model to an image-text-to-text model, a "
            "repository or a folder, or use a server with recap.backend=server"
        ) from error

"""vLLM's offline engine: all prompts of a batch at once, each with its own seed; candidates share one prefill."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core.contracts import Fuser, FusionRequest, Runtime
from text2face_core.errors import FuserError, PluginError
from text2face_core.utils import stream_seed

from ..formats import FORMATS, answer
from ..vicuna import PREFIX, VicunaOptions, needs, prompt_of

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput, SamplingParams

    from text2face_core.models import ModelStore

log = logging.getLogger(__name__)

SEEDS = 2**63 - 2**16  # torch's generators take 63 bits; vLLM adds the number of the candidate


class Vicuna(Fuser):
    """A causal language model by vLLM.

    Sampling uses each request's own seed, whatever else is in its batch. Probabilities may still differ in their last
    bits with the batch (see docs/fusers.md), unless VLLM_BATCH_INVARIANT=1 is set and vLLM supports it.
    Raises FuserError if the engine cannot be started, or dies.
    """

    def __init__(self, options: VicunaOptions, runtime: Runtime) -> None:
        self._options = options
        self._llm = _engine(options, runtime)
        self._longest = 0

    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """`count` texts for each request; none if its prompt is too long."""
        prompts = [prompt_of(self._options, request) for request in requests]
        fits = [place for place, prompt in enumerate(prompts) if self._fits(prompt)]
        sampled = [sampling(self._options, requests[place]) for place in fits]
        answers = self._ask([prompts[place] for place in fits], sampled) if fits else []
        texts: list[list[str]] = [[] for _ in requests]
        for place, found in zip(fits, answers, strict=True):
            texts[place] = [answer(one.text) for one in sorted(found.outputs, key=lambda one: one.index)]
        return texts

    def _ask(self, prompts: list[str], sampled: list[SamplingParams]) -> list[RequestOutput]:
        try:
            if self._options.wraps:
                return list(self._llm.generate(prompts, sampled, use_tqdm=False))
            conversations = [[{"role": "user", "content": prompt}] for prompt in prompts]
            settings = {"enable_thinking": False}
            return list(self._llm.chat(conversations, sampled, use_tqdm=False, chat_template_kwargs=settings))
        except Exception as error:
            if type(error).__name__ == "EngineDeadError":
                raise FuserError(f"vLLM's engine died: {error}. Its log above shows why") from error
            raise

    def _fits(self, prompt: str) -> bool:
        """Whether prompt and answer fit; vLLM would refuse the whole batch if they do not."""
        # No tokenizer makes more tokens than bytes; the chat template's are few.
        room = self._options.max_model_len - self._options.max_tokens - 64
        if len(prompt.encode()) <= room:
            return True
        count = len(self._llm.get_tokenizer().encode(prompt))
        if count > room and not self._longest:
            log.warning(
                "a prompt of %d tokens is too long and gets no answer: vicuna.max_model_len = %d must hold the prompt, "
                "vicuna.max_tokens, and 64 tokens of the chat format",
                count,
                self._options.max_model_len,
            )
            self._longest = count
        return count <= room


def sampling(options: VicunaOptions, request: FusionRequest) -> SamplingParams:
    """Sampling parameters of a request. By default vLLM would stop after 16 tokens."""
    from vllm import SamplingParams

    format_stops = FORMATS["vicuna"].stop if options.wraps else ()
    return SamplingParams(
        # At temperature 0 all texts would be equal, and vLLM refuses to write the same text several times.
        n=request.count if options.temperature else 1,
        seed=stream_seed(request.seed, "vllm") % SEEDS,
        temperature=options.temperature,
        top_p=options.top_p,
        max_tokens=options.max_tokens,
        stop=[*format_stops, *options.stop],
    )


def _engine(options: VicunaOptions, runtime: Runtime) -> LLM:
    if runtime.models.offline:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    from vllm import LLM

    model, revision = options.model, options.revision or None
    if needs(options):
        model, revision = str(folder(options, runtime.models)), None
    try:
        return LLM(
            model,
            revision=revision,
            seed=runtime.seed % 2**31,
            dtype=options.dtype,
            quantization=options.quantization or None,
            max_model_len=options.max_model_len,
            tensor_parallel_size=options.tensor_parallel_size,
            gpu_memory_utilization=options.gpu_memory_utilization,
            enable_prefix_caching=options.enable_prefix_caching,
            # Not the sampling settings from the model's repository: Vicuna's (0.9 and 0.6) would apply.
            generation_config="vllm",
        )
    except Exception as error:
        raise FuserError(
            f"vLLM cannot run {options.model}: {_first_line(error)}. It needs a GPU with room for the model (Vicuna "
            "13B: 28 GB; less with vicuna.quantization, or on several GPUs with vicuna.tensor_parallel_size)"
        ) from error


def folder(options: VicunaOptions, store: ModelStore) -> Path:
    """A folder with the model's files under the names that vLLM expects, as links to files in the store."""
    found = store.folder / "folders" / PREFIX.rstrip("-")
    try:
        found.mkdir(parents=True, exist_ok=True)
        for artifact in needs(options):
            link, file = found / artifact.name.removeprefix(PREFIX), store.path(artifact)
            if not (link.is_symlink() and link.readlink() == file):
                link.unlink(missing_ok=True)
                with contextlib.suppress(FileExistsError):  # another process was faster
                    link.symlink_to(file)
    except OSError as error:
        raise PluginError(f"{found} cannot be written: {error.strerror}") from error
    return found


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

"""llama.cpp in this process, with equal texts for equal requests.

Its floats depend on how tokens are batched: a prompt processed at once, and the same prompt processed as a cached
beginning and a rest, differ in the last bits, which soon leads to another word in sampled text. So there is a single
slot, and its cache when a request begins depends on that request alone: the head of its prompt (everything up to the
bag's first word), processed at once. This keeps most of the speed of a prompt cache, since on a CPU reading costs as
much as writing.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from text2face_core.contracts import Fuser, FusionRequest, Runtime
from text2face_core.errors import ArtifactError, FuserError
from text2face_core.records import Bag
from text2face_core.utils import stream_seed

from ..formats import answer
from ..llamacpp import LlamaCppOptions, artifact
from ..options import prompts

if TYPE_CHECKING:
    import xllamacpp

log = logging.getLogger(__name__)

SEEDS = 2**32 - 1  # llama.cpp's seeds have 32 bits, and with the highest it draws its own
ALL_LAYERS = 999
# Reasoning is switched off; templates that print today's date would change captions overnight.
TEMPLATE_SETTINGS = {"enable_thinking": False, "date_string": "1 January 2025"}


class LlamaCpp(Fuser):
    """A GGUF model with its own chat template, for a single caption at a time.

    Raises ArtifactError if its file cannot be fetched or is not GGUF, FuserError if llama.cpp cannot load it.
    """

    def __init__(self, options: LlamaCppOptions, runtime: Runtime) -> None:
        self._options = options
        path = Path(options.path).expanduser() if options.path else runtime.models.path(artifact(options.model))
        check_gguf(path)
        self._model = OneSlot(path, options, runtime)
        self._warned: set[str] = set()

    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        """Texts for each request. Requests with the same head are sent consecutively."""
        asked = [(self._head(request), place) for place, request in enumerate(requests)]
        texts: dict[int, list[str]] = {}
        for head, place in sorted(asked):
            texts[place] = self._texts(requests[place], head)
        return [texts[place] for place in range(len(requests))]

    def _head(self, request: FusionRequest) -> str:
        """The lines of the prompt before the first word of the bag, which do not depend on the bag's words."""
        other = Bag(tuple(replace(item, phrase="\N{REPLACEMENT CHARACTER}") for item in request.bag.items))
        template = prompts(self._options.prompt)
        text, blank = template.render(request), template.render(replace(request, bag=other))
        same = next(
            (n for n, (a, b) in enumerate(zip(text, blank, strict=False)) if a != b), min(len(text), len(blank))
        )
        return text[: text.rfind("\n", 0, same) + 1]

    def _texts(self, request: FusionRequest, head: str) -> list[str]:
        text = prompts(self._options.prompt).render(request)
        seeds = [stream_seed(request.seed, candidate) % SEEDS for candidate in range(request.count)]
        try:
            return [answer(said) for said in self._model.ask(head, text, seeds)]
        except PromptRefused as refused:
            if refused.kind not in self._warned:
                self._warned.add(refused.kind)
                log.warning("llama.cpp refuses a prompt, and will refuse similar prompts: %s", refused)
            return []


class PromptRefused(Exception):
    """llama.cpp refuses a prompt; `kind` is its name of the reason."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error.get("message", error))
        self.kind = str(error.get("type", ""))


class OneSlot:
    """llama.cpp's server engine with a single slot, called directly rather than over a network."""

    def __init__(self, path: Path, options: LlamaCppOptions, runtime: Runtime) -> None:
        self._options = options
        # The engine always listens somewhere: here, on a socket that no other user can reach.
        room = tempfile.mkdtemp(prefix="t2f-")
        weakref.finalize(self, shutil.rmtree, room, ignore_errors=True)
        self._server = _load(path, options, runtime, str(Path(room) / "llama.sock"))
        self._head = ""
        self._trusted = 0  # number of cached tokens of the head that are still as first processed
        # An engine that is dropped before its thread has started waits for it forever. Any answer shows that it has.
        with contextlib.suppress(PromptRefused):
            self._chat("", 0, max_tokens=0, remember=False)

    def ask(self, head: str, prompt: str, seeds: Sequence[int]) -> list[str]:
        """A text for each seed. `head` is the part of the prompt to cache for further prompts.

        Raises PromptRefused, before anything is generated, if the prompt does not fit.
        """
        texts = []
        for number, seed in enumerate(seeds):
            if number == 0:
                self._remember(head)
            said, known = self._chat(prompt, seed, remember=bool(head) or number > 0)
            if number == 0 and known > self._trusted:
                self._read(head)
                said, _ = self._chat(prompt, seed)
            texts.append(said)
        return texts

    def _remember(self, head: str) -> None:
        """Reset the cache to the head alone."""
        if not head:
            self._head, self._trusted = "", 0
        elif head != self._head:
            self._read(head)
        else:
            # Drops what the previous request put behind the head. The end of this message is processed again, in
            # another batch than before, so it is no longer trusted.
            _, known = self._chat(head, 0, max_tokens=0)
            self._trusted = min(self._trusted, known)

    def _read(self, head: str) -> None:
        self._chat(head, 0, max_tokens=0, remember=False)
        _, known = self._chat(head, 0, max_tokens=0)
        self._head, self._trusted = head, known

    def _chat(self, prompt: str, seed: int, *, max_tokens: int = -1, remember: bool = True) -> tuple[str, int]:
        """The answer, and the number of tokens of the prompt that were cached."""
        options = self._options
        answered: dict[str, Any] = self._server.handle_chat_completions({
            "messages": [{"role": "user", "content": prompt}],
            "chat_template_kwargs": TEMPLATE_SETTINGS,
            "cache_prompt": remember,
            "seed": seed,
            "max_tokens": options.max_tokens if max_tokens < 0 else max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            # Off, so that only temperature and top_p matter.
            "top_k": 0,
            "min_p": 0.0,
            "repeat_penalty": 1.0,
            "stop": list(options.stop),
        })  # fmt: skip
        if "error" in answered:
            raise PromptRefused(answered["error"])
        return answered["choices"][0]["message"].get("content") or "", answered["timings"]["cache_n"]


def check_gguf(path: Path) -> None:
    """Raise ArtifactError unless the file begins like a GGUF file."""
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise ArtifactError(
            f"the model {path} cannot be read: {error.strerror}. Set llamacpp.path to a .gguf file"
        ) from error
    if magic != b"GGUF":
        raise ArtifactError(
            f'{path} is not a GGUF file: it begins with {magic!r}, not b"GGUF". Set llamacpp.path to a .gguf file'
        )


def _load(path: Path, options: LlamaCppOptions, runtime: Runtime, socket: str) -> xllamacpp.Server:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = options.context
    on_gpu = runtime.device != "cpu"
    params.n_gpu_layers = options.gpu_layers if options.gpu_layers >= 0 else ALL_LAYERS if on_gpu else 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = runtime.threads
    params.verbosity = -1
    params.warmup = False
    params.fit_params = False  # would change the context depending on free memory
    # A single sequence, and no cache but its slot.
    params.n_parallel = 1
    params.cache_ram_mib = 0
    params.n_ctx_checkpoints = 0
    params.swa_full = True
    params.hostnames = [socket]
    params.endpoint_slots = False
    params.ui = False
    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        raise FuserError(
            f"llama.cpp cannot load {path} ({path.stat().st_size / 1e6:.0f} MB) with a context of {options.context}: "
            "the file is damaged or not supported by this release, or there is too little memory (llamacpp.context)"
        ) from error

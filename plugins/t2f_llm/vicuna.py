"""Captions by the paper's language model, Vicuna 1.5 13B, or any other of the Hugging Face Hub, through vLLM on GPUs.

Vicuna: Zheng et al., NeurIPS 2023. vLLM: Kwon et al., SOSP 2023. The paper found 13B good enough and 7B not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import Component, Fuser, FusionRequest, Runtime
from text2face_core.models import Artifact, HubFile

from .formats import FORMATS
from .options import LanguageModelOptions, prompts

if TYPE_CHECKING:
    from .backends.vllm import Vicuna

VICUNA = "lmsys/vicuna-13b-v1.5"
REVISION = "c8327bf999adbd2efe2e75f6509fa01436100dc2"
PREFIX = "vicuna-13b-v1.5-"
"""Before the names of its files in the model store, where `config.json` could be anybody's."""

NOTE = (
    "13 billion weights of 16 bits in three files, 26 GB; Meta's licence and acceptable use policy bind you; "
    "tuned on conversations with ChatGPT, and meant for research by its authors"
)
ARTIFACTS = tuple(
    Artifact(
        PREFIX + file,
        sources=(HubFile(VICUNA, file, REVISION),),
        licence="Llama 2 Community",
        licence_url=f"https://huggingface.co/{VICUNA}",
        note=NOTE if file.startswith("pytorch_model-") else "",
    )
    for file in (
        *(f"pytorch_model-0000{part}-of-00003.bin" for part in (1, 2, 3)),
        "pytorch_model.bin.index.json",
        "config.json",
        "generation_config.json",
        "special_tokens_map.json",
        "tokenizer.model",
        "tokenizer_config.json",
    )
)


class VicunaOptions(LanguageModelOptions):
    """Which model writes, and how vLLM runs it."""

    model: str = Field(
        VICUNA, description="a causal language model of the Hugging Face Hub, or the path of a folder that holds one"
    )
    revision: str = Field("", description="commit of its repository; Vicuna's is pinned")
    chat_format: Literal["auto", "vicuna", "model"] = Field(
        "auto", description="auto: Vicuna's for models whose name says vicuna, else the model's own chat template"
    )
    stop: tuple[str, ...] = Field((), description="texts that end an answer, besides those of the chat format")
    max_model_len: int = Field(2048, ge=64, description="tokens of prompt and answer together; memory is kept for them")
    tensor_parallel_size: int = Field(1, ge=1, description="GPUs that share each layer")
    gpu_memory_utilization: float = Field(
        0.9, gt=0, le=1, exclude=True, description="share of a GPU's memory that vLLM takes"
    )
    enable_prefix_caching: bool = Field(True, description="read what all prompts begin with only once")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field("auto", description="auto: as the model is stored")
    quantization: str = Field(
        "", description='vLLM\'s name of it, as "fp8" or "bitsandbytes"; unless given, what the model says of itself'
    )

    @property
    def wraps(self) -> bool:
        """Whether prompts get Vicuna's format from us; the tokenizer of Vicuna carries none."""
        if self.chat_format == "auto":
            return "vicuna" in self.model.rstrip("/").rpartition("/")[2].lower()
        return self.chat_format == "vicuna"


def needs(options: VicunaOptions) -> tuple[Artifact, ...]:
    """Vicuna's files; any other model vLLM fetches by itself, or reads from a folder."""
    return ARTIFACTS if options.model == VICUNA and options.revision in {"", REVISION} else ()


def prompt_of(options: VicunaOptions, request: FusionRequest) -> str:
    """What the model is told, in Vicuna's format where that is ours to apply."""
    prompt = prompts(options.prompt).render(request)
    return FORMATS["vicuna"].wrap(prompt) if options.wraps else prompt


def build(options: VicunaOptions, runtime: Runtime) -> Vicuna:
    """The fuser, with its model loaded."""
    from .backends.vllm import Vicuna

    return Vicuna(options, runtime)


@hookimpl
def t2f_fusers() -> Iterable[Component[VicunaOptions, Fuser]]:
    """The one component."""
    yield Component(
        "vicuna",
        build,
        VicunaOptions,
        artifacts=ARTIFACTS,
        needs=needs,
        extra="vicuna",
        summary="the paper's Vicuna 1.5 13B (licence: Llama 2 Community), or any other model, by vLLM on GPUs",
        prompt=prompt_of,
    )

"""Captions by the paper's language model, Vicuna 1.5 13B, or any other on the Hugging Face Hub, through vLLM on GPUs.

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
"""Prefix of its files' names in the model store, where `config.json` would be ambiguous."""

NOTE = (
    "13 billion weights of 16 bits in three files, 26 GB; subject to Meta's licence and acceptable use policy; "
    "tuned on conversations with ChatGPT, and intended for research by its authors"
)
# Sizes are rounded as on the repository's page; its LFS pointers, which state hashes, could not be read when this was
# written, so the hash of the first download counts.
SIZES = {
    "pytorch_model-00001-of-00003.bin": 9_950_000_000,
    "pytorch_model-00002-of-00003.bin": 9_900_000_000,
    "pytorch_model-00003-of-00003.bin": 6_180_000_000,
    "pytorch_model.bin.index.json": 33_400,
    "config.json": 600,
    "generation_config.json": 200,
    "special_tokens_map.json": 400,
    "tokenizer.model": 500_000,
    "tokenizer_config.json": 800,
}
ARTIFACTS = tuple(
    Artifact(
        PREFIX + file,
        sources=(HubFile(VICUNA, file, REVISION),),
        licence="Llama 2 Community",
        licence_url=f"https://huggingface.co/{VICUNA}",
        note=NOTE if file.startswith("pytorch_model-") else "",
        approximate_size=size,
    )
    for file, size in SIZES.items()
)


class VicunaOptions(LanguageModelOptions):
    """The model that writes the captions, and how vLLM runs it."""

    model: str = Field(
        VICUNA, description="causal language model: a repository on the Hugging Face Hub, or the path of a folder"
    )
    revision: str = Field("", description="commit of the model's repository; Vicuna's is pinned")
    chat_format: Literal["auto", "vicuna", "model"] = Field(
        "auto", description="auto: Vicuna's format if the model's name contains vicuna, else the model's chat template"
    )
    stop: tuple[str, ...] = Field((), description="stop sequences, in addition to those of the chat format")
    max_model_len: int = Field(
        2048, ge=64, description="context length in tokens: prompt and answer together; memory is reserved for it"
    )
    tensor_parallel_size: int = Field(1, ge=1, description="tensor parallelism: GPUs that share each layer")
    gpu_memory_utilization: float = Field(
        0.9, gt=0, le=1, exclude=True, description="share of a GPU's memory that vLLM reserves"
    )
    enable_prefix_caching: bool = Field(
        True, description="prefix caching: process the common beginning of prompts once"
    )
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field("auto", description="auto: as the model is stored")
    quantization: str = Field(
        "",
        description='quantization by vLLM\'s name, such as "fp8" or "bitsandbytes"; by default as the model is stored',
    )

    @property
    def wraps(self) -> bool:
        """Whether the plugin applies Vicuna's chat format, which Vicuna's tokenizer lacks."""
        if self.chat_format == "auto":
            return "vicuna" in self.model.rstrip("/").rpartition("/")[2].lower()
        return self.chat_format == "vicuna"


def needs(options: VicunaOptions) -> tuple[Artifact, ...]:
    """Vicuna's files; vLLM fetches any other model itself, or reads it from a folder."""
    return ARTIFACTS if options.model == VICUNA and options.revision in {"", REVISION} else ()


def prompt_of(options: VicunaOptions, request: FusionRequest) -> str:
    """The model's input, in Vicuna's chat format if the plugin applies it."""
    prompt = prompts(options.prompt).render(request)
    return FORMATS["vicuna"].wrap(prompt) if options.wraps else prompt


def build(options: VicunaOptions, runtime: Runtime) -> Vicuna:
    """Build the fuser, with its model loaded."""
    from .backends.vllm import Vicuna

    return Vicuna(options, runtime)


@hookimpl
def t2f_fusers() -> Iterable[Component[VicunaOptions, Fuser]]:
    """Declare the fuser."""
    yield Component(
        "vicuna",
        build,
        VicunaOptions,
        artifacts=ARTIFACTS,
        needs=needs,
        extra="vicuna",
        summary="the paper's Vicuna 1.5 13B (licence: Llama 2 Community), or any other model, by vLLM on GPUs",
        prompt=prompt_of,
        gpu="28 GB of memory for Vicuna 13B, less with vicuna.quantization",
    )

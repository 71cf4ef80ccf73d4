"""Captions by a language model that runs in this process: a GGUF file through llama.cpp, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from text2face_core import hookimpl
from text2face_core.contracts import Component, Fuser, FusionRequest, Runtime
from text2face_core.language import PromptTemplate
from text2face_core.models import Artifact, HubFile

from .options import LanguageModelOptions, prompts

if TYPE_CHECKING:
    from .backends.llamacpp import LlamaCpp

QWEN = Artifact(
    "qwen2.5-1.5b-instruct-q4_k_m.gguf",
    sources=(
        HubFile(
            "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
            "qwen2.5-1.5b-instruct-q4_k_m.gguf",
            "91cad51170dc346986eccefdc2dd33a9da36ead9",
        ),
    ),
    licence="Apache-2.0",
    sha256="6a1a2eb6d15622bf3c96857206351ba97e1af16c30d7a74ee38970e434e9407e",
    size=1_117_320_736,
    licence_url="https://huggingface.co/Qwen/Qwen2.5-1.5B-Instruct-GGUF",
    note="1.5 billion weights of about 4.5 bits; runs on two CPU cores; its training texts were not published",
)
DEFAULT = "Qwen/Qwen2.5-1.5B-Instruct-GGUF/qwen2.5-1.5b-instruct-q4_k_m.gguf"
KNOWN = {DEFAULT: QWEN}
"""Artifacts by model. Any other file on the Hugging Face Hub can be named as well."""


class LlamaCppOptions(LanguageModelOptions):
    """The model that writes the captions, and its resources."""

    prompt: PromptTemplate = Field(
        "examples",  # small models follow examples better than rules
        description="prompt template: its name, or the path of your own (see: t2f prompt)",
    )
    model: str = Field(DEFAULT, description="OWNER/REPOSITORY/FILE.gguf on the Hugging Face Hub")
    path: str = Field("", description="path of a .gguf file of your own, used instead of `model`")
    context: int = Field(2048, ge=128, description="context length in tokens: prompt and answer together")
    gpu_layers: int = Field(
        -1, ge=-1, description="layers that a GPU computes; -1: all with --device cuda, none on a CPU"
    )
    stop: tuple[str, ...] = Field((), description="stop sequences, in addition to the model's own end token")

    @field_validator("model")
    @classmethod
    def _a_file_of_a_repository(cls, model: str) -> str:
        if model.count("/") < 2 or not model.endswith(".gguf"):
            raise ValueError(f"{model!r} is not of the form OWNER/REPOSITORY/FILE.gguf, such as {DEFAULT}")
        return model


def needs(options: LlamaCppOptions) -> list[Artifact]:
    """The model's file, unless `path` is given."""
    return [] if options.path else [artifact(options.model)]


def artifact(model: str) -> Artifact:
    """The file that `model` names; if no hash is known, the file must stay as it was when it was first fetched."""
    if model in KNOWN:
        return KNOWN[model]
    owner, repository, file = model.split("/", 2)
    return Artifact(
        file.rpartition("/")[2],
        sources=(HubFile(f"{owner}/{repository}", file),),
        licence="see its page",
        licence_url=f"https://huggingface.co/{owner}/{repository}",
    )


def prompt_of(options: LlamaCppOptions, request: FusionRequest) -> str:
    """The user's message; llama.cpp puts it into the chat template of the model's file."""
    return prompts(options.prompt).render(request)


def build(options: LlamaCppOptions, runtime: Runtime) -> LlamaCpp:
    """Build the fuser, with its model in memory."""
    from .backends.llamacpp import LlamaCpp

    return LlamaCpp(options, runtime)


@hookimpl
def t2f_fusers() -> Iterable[Component[LlamaCppOptions, Fuser]]:
    """Declare the fuser."""
    yield Component(
        "llamacpp",
        build,
        LlamaCppOptions,
        artifacts=tuple(KNOWN.values()),
        needs=needs,
        extra="llamacpp",
        summary="a language model in this process: any GGUF file, through llama.cpp",
        prompt=prompt_of,
    )

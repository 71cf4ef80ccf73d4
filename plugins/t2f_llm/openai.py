"""Captions by an OpenAI-compatible server: vLLM, llama.cpp, Ollama, SGLang, or hosted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from text2face_core import hookimpl
from text2face_core.contracts import Component, Fuser, FusionRequest, Runtime

from .formats import FORMATS
from .options import ServerOptions, prompts, unreachable

if TYPE_CHECKING:
    from .backends.openai import OpenAIFuser


class OpenAIOptions(ServerOptions):
    """The server, its model and its API."""

    system: str = Field("", description="system message, sent before the prompt")
    api: Literal["chat", "completions"] = Field(
        "chat", description="completions for models whose tokenizer has no chat template, such as Vicuna"
    )
    chat_format: Literal["", "vicuna"] = Field(
        "", description="chat format around the prompt, for api=completions; '' sends the prompt unchanged"
    )

    @model_validator(mode="after")
    def _one_format(self) -> OpenAIOptions:
        if self.chat_format and self.api == "chat":
            raise ValueError("chat_format is for api=completions; with api=chat the server applies the model's own")
        return self


def prompt_of(options: OpenAIOptions, request: FusionRequest) -> str:
    """The model's input: in the chat format if the plugin applies it, else system message and prompt."""
    prompt = prompts(options.prompt).render(request)
    if options.chat_format:
        return FORMATS[options.chat_format].wrap(prompt, options.system)
    return f"{options.system}\n\n{prompt}" if options.system else prompt


def build(options: OpenAIOptions, runtime: Runtime) -> OpenAIFuser:
    """Build the fuser; it connects to the server when it is used."""
    from .backends.openai import OpenAIFuser

    return OpenAIFuser(options, runtime.models.folder / "answers")


@hookimpl
def t2f_fusers() -> Iterable[Component[OpenAIOptions, Fuser]]:
    """Declare the fuser."""
    yield Component(
        "openai",
        build,
        OpenAIOptions,
        extra="openai",
        summary="any language model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, SGLang, hosted",
        prompt=prompt_of,
        unreachable=lambda options: unreachable("openai", options),
    )

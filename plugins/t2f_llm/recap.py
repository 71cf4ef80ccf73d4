"""RECAP: captions by a vision language model that sees the photo, instead of alt texts or a bag of words.

Segalis et al., "A Picture is Worth a Thousand Words: Principled Recaptioning Improves Image Generation", 2023,
arXiv 2310.16656. The paper fine-tunes PaLI on a hundred human captions; here, any open vision language model is used.
Equal parts of short and long captions worked best in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from text2face_core import hookimpl
from text2face_core.contracts import Component, Fuser, FusionRequest, Runtime
from text2face_core.language import PromptTemplate
from text2face_core.records import Bag

from .options import ServerOptions, prompts, unreachable

DEFAULT = "Qwen/Qwen2.5-VL-7B-Instruct"


class RecapOptions(ServerOptions):
    """The prompt for each photo, and the model: on a server (base_url), or by transformers in this process."""

    prompt: PromptTemplate = Field("recap", description="prompt template: its name, or the path of your own")
    temperature: float = Field(
        0.5, ge=0, le=2, description="sampling temperature: higher is more varied and less faithful; 0 is deterministic"
    )
    backend: Literal["server", "transformers"] = Field(
        "server", description="where the model runs: on a server at base_url, or in this process by transformers"
    )
    base_url: str = Field(
        "",
        json_schema_extra={"reaches": "server"},
        description="address of the server, such as http://127.0.0.1:8000/v1; not used with backend=transformers",
    )
    model: str = Field(
        "",
        json_schema_extra={"reaches": "model"},
        description=f"name of the model on the server, or repository or folder for transformers, by default {DEFAULT}",
    )
    revision: str = Field("", description="commit of the repository, for transformers")
    hints: bool = Field(
        False, description="whether the prompt lists the findings, so that captions mention them as well"
    )
    max_side: int = Field(1024, ge=32, description="longer side of the image for the model, in pixels")
    quality: int = Field(90, ge=1, le=100, description="JPEG quality of the image sent to a server")

    @model_validator(mode="after")
    def _somewhere(self) -> RecapOptions:
        if self.backend == "server" and not self.base_url:
            raise ValueError(
                "set the server's address, for example --set recap.base_url=http://127.0.0.1:8000/v1, or "
                "--set recap.backend=transformers to run a model in this process"
            )
        return self


def prompt_of(options: RecapOptions, request: FusionRequest) -> str:
    """The text that goes with the image; without hints, nothing from the bag."""
    from dataclasses import replace

    seen = request if options.hints else replace(request, bag=Bag(()), missed=())
    return prompts(options.prompt).render(seen)


def build(options: RecapOptions, runtime: Runtime) -> Fuser:
    """Build the fuser for the chosen backend."""
    if options.backend == "transformers":
        from .backends.recap_transformers import LocalRecap

        return LocalRecap(options, runtime)
    from .backends.recap_server import ServerRecap

    return ServerRecap(options, runtime.models.folder / "answers")


@hookimpl
def t2f_fusers() -> Iterable[Component[RecapOptions, Fuser]]:
    """Declare the fuser."""
    yield Component(
        "recap",
        build,
        RecapOptions,
        extra="recap",
        summary=f"captions of what the photo shows, by a vision language model: a server's, or {DEFAULT} (Apache-2.0)",
        needed_extra=lambda options: "openai" if options.backend == "server" else "recap",
        prompt=prompt_of,
        unreachable=lambda options: unreachable("recap", options) if options.backend == "server" else "",
    )

"""RECAP: captions by a model that looks at the picture, in place of alt texts from the web or of a bag of words.

Segalis et al., "A Picture is Worth a Thousand Words: Principled Recaptioning Improves Image Generation", 2023,
arXiv 2310.16656. There, PaLI was tuned on a hundred captions by people; here, any open vision language model is asked.
Short and long captions in equal parts did best there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import Field, model_validator

from text2face_core import hookimpl
from text2face_core.contracts import Component, Fuser, FusionRequest, Runtime
from text2face_core.language import PromptTemplate
from text2face_core.records import Bag

from .options import ServerOptions, prompts

DEFAULT = "Qwen/Qwen2.5-VL-7B-Instruct"


class RecapOptions(ServerOptions):
    """What is asked about each photo, and of whom: a server (base_url), or transformers in this process."""

    prompt: PromptTemplate = Field("recap", description="what the model is told: a template's name, or a path of yours")
    temperature: float = Field(
        0.5, ge=0, le=2, description="higher is more varied and less faithful; 0 always the same"
    )
    backend: Literal["server", "transformers"] = Field(
        "server", description="who looks: a server at base_url, or transformers in this process"
    )
    base_url: str = Field(
        "",
        json_schema_extra={"reaches": "server"},
        description="the server's address, as http://127.0.0.1:8000/v1; not used with backend=transformers",
    )
    model: str = Field(
        "",
        json_schema_extra={"reaches": "model"},
        description=f"its name at the server; or a repository or folder for transformers, there {DEFAULT} unless given",
    )
    revision: str = Field("", description="commit of the repository, for transformers")
    hints: bool = Field(False, description="whether the model is told what was found, to say that as well")
    max_side: int = Field(1024, ge=32, description="longer side, in pixels, of what the model is shown")
    quality: int = Field(90, ge=1, le=100, description="JPEG quality of what a server is sent")

    @model_validator(mode="after")
    def _somewhere(self) -> RecapOptions:
        if self.backend == "server" and not self.base_url:
            raise ValueError(
                "say which server to ask, for example --set recap.base_url=http://127.0.0.1:8000/v1, or "
                "--set recap.backend=transformers to run a model in this process"
            )
        return self


def prompt_of(options: RecapOptions, request: FusionRequest) -> str:
    """What the model is told beside the picture; without hints, nothing of the bag."""
    from dataclasses import replace

    seen = request if options.hints else replace(request, bag=Bag(()), missed=())
    return prompts(options.prompt).render(seen)


def build(options: RecapOptions, runtime: Runtime) -> Fuser:
    """The fuser of the backend that was chosen."""
    if options.backend == "transformers":
        from .backends.recap_transformers import LocalRecap

        return LocalRecap(options, runtime)
    from .backends.recap_server import ServerRecap

    return ServerRecap(options, runtime.models.folder / "answers")


@hookimpl
def t2f_fusers() -> Iterable[Component[RecapOptions, Fuser]]:
    """The one component."""
    yield Component(
        "recap",
        build,
        RecapOptions,
        extra="recap",
        summary=f"captions of what the photo shows, by a vision language model: a server's, or {DEFAULT} (Apache-2.0)",
        prompt=prompt_of,
    )

"""The paper's zero-shot questions to CLIP: a real person? text over the photo? visible teeth or tongue?

CLIP: Radford et al., ICML 2021; weights by OpenCLIP (Cherti et al., CVPR 2023). The paper names neither the weights nor
a threshold: the model, the prompts (prompts.toml) and the thresholds here are ours.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from text2face_core import Artifact, Component, Extractor, Filter, HubFile, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._components import Mouth, Real


LAION_NOTE = "trained on LAION-2B, uncurated pictures and captions from the web"
OPENAI_NOTE = "trained on 400 million unpublished pairs of pictures and texts"
FILE = "open_clip_model.safetensors"


def _weights(
    model: str,
    repository: str,
    licence: str,
    note: str,
    *,
    revision: str = "main",
    sha256: str | None = None,
    size: int | None = None,
    approximate_size: int | None = None,
) -> Artifact:
    return Artifact(
        f"clip-{model.replace('/', '-')}.safetensors",
        sources=(HubFile(repository, FILE, revision),),
        licence=licence,
        sha256=sha256,
        size=size,
        licence_url=f"https://huggingface.co/{repository}",
        note=note,
        approximate_size=approximate_size,
    )


WEIGHTS = {
    "ViT-B-32/laion2b_s34b_b79k": _weights(
        "ViT-B-32/laion2b_s34b_b79k",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "MIT",
        LAION_NOTE,
        revision="1a25a446712ba5ee05982a381eed697ef9b435cf",
        sha256="ac4f8c4b88af6d963118cbf40ad93176d092abbedfcb752601ae1866352656e6",
        size=605_143_316,
    ),
    "ViT-B-32/openai": _weights(
        "ViT-B-32/openai",
        "timm/vit_base_patch32_clip_224.openai",
        "Apache-2.0",
        OPENAI_NOTE,
        revision="a6f597a30f7b82c51704746581f9a4e41421e878",
        sha256="e6d1bd7789aa45192b3bf90570a789b478bae1b74ebcce7eddd908e83a2b7c31",
        size=605_143_284,
    ),
    "ViT-L-14/laion2b_s32b_b82k": _weights(
        "ViT-L-14/laion2b_s32b_b82k",
        "laion/CLIP-ViT-L-14-laion2B-s32B-b82K",
        "MIT",
        LAION_NOTE,
        approximate_size=1_710_000_000,
    ),
    "ViT-L-14/openai": _weights(
        "ViT-L-14/openai",
        "timm/vit_large_patch14_clip_224.openai",
        "Apache-2.0",
        OPENAI_NOTE,
        sha256="9ce2e8a8ebfff3793d7d375ad6d3c35cb9aebf3de7ace0fc7308accab7cd207e",
        size=1_710_517_724,
    ),
}
"""Artifacts by model; for any other model, set `weights`."""

DEFAULT = "ViT-B-32/laion2b_s34b_b79k"


class ClipOptions(Options):
    """The CLIP model and its prompts."""

    model: str = Field(
        DEFAULT, description=f"model, as open_clip's ARCHITECTURE/TAG: {', '.join(WEIGHTS)}; any other with `weights`"
    )
    weights: str = Field("", description="path of the model's checkpoint; by default from the model store")
    prompts: str = Field("", description="path of a TOML file of prompts that replaces the plugin's prompts.toml")

    @field_validator("model")
    @classmethod
    def _has_a_tag(cls, model: str) -> str:
        if model.count("/") != 1 or model.startswith("/") or model.endswith("/"):
            raise ValueError(f"{model!r} is not of the form ARCHITECTURE/TAG, such as {DEFAULT}")
        return model


class RealOptions(ClipOptions):
    """Thresholds for rejecting a photo: the paper's check for real people without text over them."""

    not_real: float = Field(
        0.9,
        gt=0,
        le=1,
        description="probability of a drawing, statue … above which a photo is rejected; 1: never",
    )
    overlaid_text: float = Field(
        0.9, gt=0, le=1, description="probability of a cover, poster … above which a photo is rejected; 1: never"
    )


class MouthOptions(ClipOptions):
    """Thresholds for reporting teeth and tongue."""

    teeth: float = Field(0.7, ge=0.5, le=1, description="minimum probability to report teeth as visible or not visible")
    tongue: float = Field(0.9, ge=0.5, le=1, description="likewise for the tongue; doubtful tongues are usually lips")


def needs(options: ClipOptions) -> list[Artifact]:
    """The file of the chosen model, unless `weights` gives it or its source is not known."""
    return [WEIGHTS[options.model]] if options.model in WEIGHTS and not options.weights else []


def build_real(options: RealOptions, runtime: Runtime) -> "Real":
    """Build the filter; it shares its network with the extractor."""
    from ._components import Real

    return Real(options, runtime)


def build_mouth(options: MouthOptions, runtime: Runtime) -> "Mouth":
    """Build the extractor; it shares its network with the filter."""
    from ._components import Mouth

    return Mouth(options, runtime)


@hookimpl
def t2f_filters() -> Iterable[Component[RealOptions, Filter]]:
    """A filter for both reasons to reject a photo."""
    yield Component(
        "clip.real",
        build_real,
        RealOptions,
        artifacts=tuple(WEIGHTS.values()),
        needs=needs,
        extra="clip",
        summary="rejects drawings, statues, masks …, and photos with text over them",
        lineage=("LAION-2B",),
    )


@hookimpl
def t2f_extractors() -> Iterable[Component[MouthOptions, Extractor]]:
    """An extractor for teeth and tongue."""
    yield Component(
        "clip.mouth",
        build_mouth,
        MouthOptions,
        artifacts=tuple(WEIGHTS.values()),
        needs=needs,
        extra="clip",
        provides=("teeth_visible", "tongue_visible"),
        summary="whether teeth or the tongue are visible",
        lineage=("LAION-2B",),
    )

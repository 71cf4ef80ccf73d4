"""Age, gender and ethnicity by DeepFace's own three networks: in batches, by its package or without it.

DeepFace: Serengil and Ozpinar, "LightFace", ASYU 2020, and "HyperExtended LightFace", ICEET 2021. Three VGG-Face
networks (Parkhi et al., BMVC 2015), retrained. Published: ages 4.65 years off on average, gender 97.4 % right, race
68 % (six groups, FairFace). Users report that children and young people are taken for far older.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from text2face_core import Artifact, Component, Extractor, HubFile, Options, Runtime, Url, hookimpl

if TYPE_CHECKING:
    from ._extractor import Demography

Trait = Literal["age", "gender", "ethnicity"]
Backend = Literal["onnx", "torch", "package"]

FILES: dict[Trait, str] = {
    "age": "age_model_weights",
    "gender": "gender_model_weights",
    "ethnicity": "race_model_single_batch",
}
FORMATS: dict[Backend, Literal["onnx", "pth"]] = {"onnx": "onnx", "torch": "pth", "package": "onnx"}


def _weights(trait: Trait, backend: Backend) -> Artifact:
    name = f"{FILES[trait]}.{FORMATS[backend]}"
    return Artifact(
        name,
        sources=(
            Url(f"https://github.com/serengil/deepface_models/releases/download/v1.0/{name}"),
            HubFile("serengil/deepface", name),
        ),
        licence="VGG-Face",
        non_commercial=True,
        licence_url="https://github.com/serengil/deepface_models",
        note="retrained from VGG-Face, whose licence it inherits; weak on children",
        approximate_size=538_000_000,  # that of the .h5 files with the same tensors
    )


WEIGHTS: dict[tuple[Trait, Backend], Artifact] = {
    (trait, backend): _weights(trait, backend) for backend in FORMATS for trait in FILES
}


class DeepFaceOptions(Options):
    """What is estimated, and thresholds for reporting it."""

    traits: tuple[Trait, ...] = Field(
        ("age", "gender", "ethnicity"), min_length=1, description="what is read; each has a network of its own"
    )
    gender_score: float = Field(0.6, ge=0.5, le=1, description="a gender that is less probable than this is not said")
    ethnicity_score: float = Field(0.4, ge=0, le=1, description="likewise; the most probable of six")
    backend: Backend = Field(
        "onnx",
        description="onnx: .onnx files by ONNX Runtime; torch: .pth files, for a GPU that onnxruntime cannot use; "
        "package: .onnx files by the package deepface itself",
    )
    age_weights: str = Field("", description="path of the age network's file; from the model store unless given")
    gender_weights: str = Field("", description="path of the gender network's file; likewise")
    ethnicity_weights: str = Field("", description="path of the race network's file; likewise")


def build(options: DeepFaceOptions, runtime: Runtime) -> "Demography":
    """The networks that the options name."""
    from ._extractor import Demography

    return Demography(options, runtime)


def needs(options: DeepFaceOptions) -> list[Artifact]:
    """The files of the traits that are read and not given, in the backend's form."""
    return [WEIGHTS[one, options.backend] for one in options.traits if not getattr(options, f"{one}_weights")]


@hookimpl
def t2f_extractors() -> Iterable[Component[DeepFaceOptions, Extractor]]:
    """One extractor for all three."""
    yield Component(
        "deepface",
        build,
        DeepFaceOptions,
        artifacts=tuple(dict.fromkeys(WEIGHTS.values())),
        needs=needs,
        extra="deepface",
        provides=("age", "gender", "ethnicity"),
        summary="age in years, gender, ethnicity, by DeepFace's networks; not for commercial use",
        lineage=("VGGFace", "IMDB-WIKI", "FairFace"),
    )

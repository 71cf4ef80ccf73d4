"""Age, gender and identity by faceres, a MobileNet that learned from VGGFace2 and IMDB-WIKI.

Savchenko, "Efficient facial representations for age, gender and identity recognition in organizing photo albums using
multi-output ConvNet", PeerJ Computer Science 2019; published as HSE_FaceRec_tf (Apache-2.0), and converted to
TensorFlow.js in the package @vladmandic/human (MIT). Input convention, training photos and errors: MODEL_CARD.md.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Embedder, Extractor, NpmMember, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._embedder import Identity
    from ._extractor import FaceRes

LINEAGE = ("VGGFace2", "IMDB-WIKI")
"""Data sets that the network was trained on."""


def _file(name: str, sha256: str, size: int) -> Artifact:
    tarball = "425e9c51dbbca0c8934362b170cb0d54c2529c11c654b3c03092b16e9d6ad3f7"
    return Artifact(
        name,
        sources=(NpmMember("@vladmandic/human", "3.3.6", f"package/models/{name}", tarball),),
        licence="Apache-2.0 and MIT",
        sha256=sha256,
        size=size,
        licence_url="https://github.com/HSE-asavchenko/HSE_FaceRec_tf",
        note="trained on VGGFace2 and IMDB-WIKI, photos for research only",
    )


GRAPH = _file("faceres.json", "5b83d49c0385d2e68a05122441b94226313677cae9fcc40b9587ad50079eb4df", 71_432)
WEIGHTS = _file("faceres.bin", "2c7d2d62b76c97528b736527aa09d310ea71743c9e3e79fb6c62d4b2d73af79b", 6_978_814)


class FaceResOptions(Options):
    """Thresholds for reporting findings."""

    gender_score: float = Field(0.6, ge=0.5, le=1, description="minimum probability of a gender that is reported")
    gender_from_age: float = Field(
        3, ge=0, le=80, description="minimum apparent age, in years, at which a gender is reported"
    )
    mirror: bool = Field(False, description="average over the face and its mirror image: twice the time")


def build(options: FaceResOptions, runtime: Runtime) -> "FaceRes":
    """Build the extractor; the network is converted to ONNX once and runs on the CPU."""
    from ._extractor import FaceRes
    from ._network import Network

    return FaceRes(Network.load(runtime), options)


def build_identity(_options: Options, runtime: Runtime) -> "Identity":
    """Build the embedder; it shares its network's file with the extractor."""
    from ._embedder import Identity
    from ._network import Network

    return Identity(Network.load(runtime))


@hookimpl
def t2f_metrics() -> Iterable[Component[Options, Embedder]]:
    """An embedder of identity."""
    yield Component(
        "faceres.identity",
        build_identity,
        artifacts=(GRAPH, WEIGHTS),
        extra="evaluate",
        summary="who looks like whom: copies of training faces, sweeps, alikeness",
        lineage=LINEAGE,
    )


@hookimpl
def t2f_extractors() -> Iterable[Component[FaceResOptions, Extractor]]:
    """An extractor for both."""
    yield Component(
        "faceres",
        build,
        FaceResOptions,
        artifacts=(GRAPH, WEIGHTS),
        extra="evaluate",
        provides=("age", "gender"),
        summary="age in years, gender; a grader that shares nothing with the starter recipe",
        lineage=LINEAGE,
    )

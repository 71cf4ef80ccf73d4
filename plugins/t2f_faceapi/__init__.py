"""Age, gender and three expressions by the two small networks of face-api.js.

Vincent Mühler's networks (MIT), in the package @vladmandic/face-api: weights alone, 430 and 330 KB, whose layers are
built in `_networks.py`. Of the seven expressions only happiness, anger and surprise are right often enough to be
reported; "neutral" is wrong every second time. Training photos and errors: MODEL_CARD.md.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Extractor, NpmMember, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._extractor import FaceApi

EMOTIONS = ("happiness", "anger", "surprise")


def _file(name: str, sha256: str, size: int) -> Artifact:
    tarball = "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031"
    return Artifact(
        f"face-api-{name}",
        sources=(NpmMember("@vladmandic/face-api", "1.7.15", f"package/model/{name}", tarball),),
        licence="MIT",
        sha256=sha256,
        size=size,
        licence_url="https://github.com/justadudewhohacks/face-api.js/issues/315",
        note="trained on UTKFace, IMDB-WIKI, CACD, MegaAge, …, photos for research only",
    )


PEOPLE = (
    _file(
        "age_gender_model-weights_manifest.json",
        "74b60bf3ebf981bf4e661e9cca3a185614e10b25d797118b62e2a68d3ff2569f",
        8_392,
    ),
    _file("age_gender_model.bin", "49f92bbc0afef2342c4385e4a2b0acb6d7a727c6f0aa539499719a81acf9abaa", 429_708),
)
EXPRESSION = (
    _file(
        "face_expression_model-weights_manifest.json",
        "5b349c17c7836da506e03422cd6461c74085d8bb2713ad4114647dc5d28174c8",
        6_980,
    ),
    _file("face_expression_model.bin", "9a9840f2cf1f4c7eab95f197512569345c00d2426754d4608b92af30e0300f3d", 329_468),
)


class FaceApiOptions(Options):
    """Thresholds for reporting findings."""

    gender_score: float = Field(0.6, ge=0.5, le=1, description="minimum probability of a gender that is reported")
    gender_from_age: float = Field(
        3, ge=0, le=80, description="minimum apparent age, in years, at which a gender is reported"
    )
    emotion_score: float = Field(
        0.9, ge=0, le=1, description="minimum probability of happiness, anger or surprise that is reported"
    )


def build(options: FaceApiOptions, runtime: Runtime) -> "FaceApi":
    """Build the extractor; the networks are written as ONNX once and run on the CPU."""
    from ._extractor import FaceApi
    from ._networks import Networks

    return FaceApi(Networks.load(runtime), options)


@hookimpl
def t2f_extractors() -> Iterable[Component[FaceApiOptions, Extractor]]:
    """An extractor for everything."""
    yield Component(
        "faceapi",
        build,
        FaceApiOptions,
        artifacts=(*PEOPLE, *EXPRESSION),
        extra="evaluate",
        provides=("age", "gender", "emotion"),
        summary="age in years, gender, and happiness, anger or surprise; two tiny networks",
        lineage=("UTKFace", "FG-NET", "ChaLearn", "IMDB-WIKI", "CACD", "MegaAge"),
        decides={"emotion": EMOTIONS},
    )

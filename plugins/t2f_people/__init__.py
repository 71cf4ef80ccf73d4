"""Age, gender, facial hair, dark glasses and, only if requested, ethnicity, by our own network trained on FairFace.

The network, `people.onnx`, is next to this file: nothing is fetched and no torch is needed. `people.toml` is its
record: hash, licence, attribution, calibration. Training data and figures by group: docs/people.md.

Trained on FairFace (Kärkkäinen and Joo, "FairFace: Face Attribute Dataset for Balanced Race, Gender, and Age for Bias
Measurement and Mitigation", WACV 2021), CC BY 4.0. It describes how a face looks, not who a person is.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Component, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._extractor import People


class PeopleOptions(Options):
    """What is reported, and from which probability."""

    gender_score: float = Field(0.6, ge=0.5, le=1, description="minimum probability of a gender that is reported")
    gender_from_age: float = Field(
        3, ge=0, le=80, description="minimum apparent age, in years, at which a gender is reported"
    )
    ethnicity: bool = Field(
        False,
        description="also report the apparent ethnicity: FairFace's seven groups, in the six words of captions",
    )
    ethnicity_score: float = Field(0.5, ge=0, le=1, description="minimum probability of an ethnicity that is reported")
    looks: bool = Field(True, description="also report facial hair of men, glasses and sunglasses")
    looks_score: float = Field(
        0.65, ge=0.5, le=1, description="minimum probability of facial hair and of glasses that are reported"
    )
    clean_score: float = Field(
        0.9, ge=0.5, le=1, description="minimum probability, in a man, of no facial hair, from which he is clean-shaven"
    )
    mirror: bool = Field(True, description="average over the face and its mirror image: more accurate, twice the time")


def build(options: PeopleOptions, runtime: Runtime) -> "People":
    """Build the extractor; the network runs on the CPU."""
    from ._extractor import People

    return People(options, runtime.threads)


@hookimpl
def t2f_extractors() -> Iterable[Component]:
    """An extractor for everything that the network estimates."""
    yield Component(
        "people",
        build,
        PeopleOptions,
        provides=(
            *("age", "gender", "ethnicity", "no_beard", "mustache", "five_o_clock_shadow"),
            *("sunglasses", "eyeglasses"),
        ),
        summary="age in years, gender, facial hair, sunglasses, ethnicity if requested; our own small network",
        lineage=("FairFace",),
    )

"""FaRL: the 40 attributes of CelebA, and regions of the face measured for hair, eyes, mouth, glasses and hats.

The models are those of the package pyfacer (FacePerceiver/facer); crops, normalisation and the order of labels are the
same here, to 1e-4, without that package. The attribute network sees a wide square with hat and neck; its authors report
92.1 % accuracy on average over CelebA's test set. Of the two parsing models, `lapa` sees the whole photo, with its
periphery compressed, and so the length of hair; `celebm` sees FFHQ's crop, and has classes for glasses and hats. Zheng
et al., "General Facial Representation Learning in a Visual-Linguistic Manner", CVPR 2022.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from text2face_core import Artifact, Component, Extractor, HubFile, Options, Runtime, Url, hookimpl

if TYPE_CHECKING:
    from ._attributes import Attributes
    from ._parsing import Parsing

RELEASE = "https://github.com/FacePerceiver/facer/releases/download/models-v1"
LICENCE_URL = "https://github.com/FacePerceiver/facer/blob/main/LICENSE"
LAPA_FILE = "face_parsing.farl.lapa.main_ema_136500_jit191.pt"
CELEBM_FILE = "face_parsing.farl.celebm.main_ema_181500_jit.pt"

Parser = Literal["lapa", "celebm"]

ATTRIBUTES = Artifact(
    "face_attribute.farl.celeba.pt",
    sources=(Url(f"{RELEASE}/face_attribute.farl.celeba.pt"),),
    licence="MIT",
    licence_url=LICENCE_URL,
    note="trained on CelebA, whose photos are for non-commercial research",
    approximate_size=343_000_000,
)
PARSERS: dict[Parser, Artifact] = {
    "lapa": Artifact(
        LAPA_FILE,
        sources=(
            Url(f"{RELEASE}/{LAPA_FILE}"),
            HubFile("AIRI-Institute/StyleFeatureEditor", f"pretrained_models/{LAPA_FILE}"),
        ),
        licence="MIT",
        sha256="f5a874906795ef89fadd7cf3b5b218ed8550fa9dbb383b7c0f95726c3a352914",
        size=646_604_126,
        licence_url=LICENCE_URL,
        note="trained on LaPa",
    ),
    "celebm": Artifact(
        CELEBM_FILE,
        sources=(Url(f"{RELEASE}/{CELEBM_FILE}"),),
        licence="MIT",
        sha256="bbc1f0e9f68c80eb83a0b23f33850d1e10f2ec1eda96884112d111c2c1f15c79",
        size=646_629_586,
        licence_url=LICENCE_URL,
        note="trained on CelebAMask-HQ, whose photos are for non-commercial research",
    ),
}

NAMES = (
    "five_o_clock_shadow", "arched_eyebrows", "attractive", "bags_under_eyes", "bald", "bangs", "big_lips", "big_nose",
    "black_hair", "blond_hair", "blurry", "brown_hair", "bushy_eyebrows", "chubby", "double_chin", "eyeglasses",
    "goatee", "gray_hair", "heavy_makeup", "high_cheekbones", "male", "mouth_slightly_open", "mustache", "narrow_eyes",
    "no_beard", "oval_face", "pale_skin", "pointy_nose", "receding_hairline", "rosy_cheeks", "sideburns", "smiling",
    "straight_hair", "wavy_hair", "wearing_earrings", "wearing_hat", "wearing_lipstick", "wearing_necklace",
    "wearing_necktie", "young",
)  # fmt: skip
"""Findings in the order of the network's outputs, which is CelebA's."""

MEASURED = ("hair_length", "eye_openness", "mouth_openness", "eyeglasses", "wearing_hat")


class AttributeOptions(Options):
    """Options of the attribute network."""

    threshold: float = Field(0.5, gt=0, lt=1, description="minimum probability of an attribute that counts as present")
    normalise: bool = Field(
        True,
        description="normalise colours by CLIP's mean and standard deviation, as in training; false reproduces a "
        "mistake of pyfacer before version 0.0.5, with which the paper's own labels were probably made",
    )
    weights: str = Field("", description="path of the network's tensors; empty for the published weights")


class ParsingOptions(Options):
    """The parsers, and the threshold for reporting findings."""

    models: tuple[Parser, ...] = Field(
        ("lapa", "celebm"),
        min_length=1,
        max_length=2,
        description="parsers: lapa for hair in the whole photo, eyes and mouth; celebm also for eyeglasses and hats. "
        "With both, celebm's glasses and hats are added to lapa's regions",
    )
    certainty: float = Field(0.7, ge=0.5, le=1, description="minimum score of a finding that is reported")
    lapa_weights: str = Field(
        "", description="path of a TorchScript file that replaces lapa's; it can run code, so it must be trusted"
    )
    celebm_weights: str = Field(
        "", description="path of a TorchScript file that replaces celebm's; it can run code, so it must be trusted"
    )


def build_attributes(options: AttributeOptions, runtime: Runtime) -> "Attributes":
    """Build the extractor of attributes."""
    from pathlib import Path

    from ._attributes import Attributes

    weights = Path(options.weights).expanduser() if options.weights else runtime.models.path(ATTRIBUTES)
    return Attributes(weights, options, runtime)


def build_parsing(options: ParsingOptions, runtime: Runtime) -> "Parsing":
    """Build the extractor with the chosen parsers."""
    from pathlib import Path

    from ._parsing import Parsing

    given = {"lapa": options.lapa_weights, "celebm": options.celebm_weights}
    weights = {
        name: Path(given[name]).expanduser() if given[name] else runtime.models.path(PARSERS[name])
        for name in options.models
    }
    return Parsing(weights, options, runtime)


def needs_parsers(options: ParsingOptions) -> list[Artifact]:
    """The files of the chosen parsers, except those that the user provides."""
    given = {"lapa": options.lapa_weights, "celebm": options.celebm_weights}
    return [PARSERS[name] for name in options.models if not given[name]]


@hookimpl
def t2f_extractors() -> Iterable[Component[AttributeOptions, Extractor] | Component[ParsingOptions, Extractor]]:
    """Two extractors: attributes and regions."""
    yield Component(
        "farl.attributes",
        build_attributes,
        AttributeOptions,
        artifacts=(ATTRIBUTES,),
        needs=lambda options: [] if options.weights else [ATTRIBUTES],
        extra="farl",
        provides=NAMES,
        summary="the 40 attributes of CelebA: hair, make-up, beard, face shape, jewellery, ...",
        lineage=("LAION-Face", "CelebA"),
    )
    yield Component(
        "farl.parsing",
        build_parsing,
        ParsingOptions,
        artifacts=tuple(PARSERS.values()),
        needs=needs_parsers,
        extra="farl",
        provides=MEASURED,
        summary="hair length, openness of eyes and mouth, eyeglasses and hats, measured on regions of the face",
        lineage=("LAION-Face", "LaPa", "CelebA", "CelebAMask-HQ"),
    )

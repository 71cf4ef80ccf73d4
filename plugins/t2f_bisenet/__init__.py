"""Face parsing by BiSeNet, and findings from its regions: hair, eyes, mouth, teeth, glasses, hat, jewellery, skin tone.

The network has the 19 classes of CelebAMask-HQ and is facexlib's, whose file `parsing_bisenet.pth` and the original
`79999_iter.pth` of face-parsing.PyTorch are the same bytes. Yu et al., "BiSeNet: Bilateral Segmentation Network for
Real-time Semantic Segmentation", ECCV 2018, on ResNet-18 without the spatial path.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Extractor, HubFile, Options, Runtime, Url, hookimpl

if TYPE_CHECKING:
    from ._extractor import Regions

FILE = "parsing_bisenet.pth"
SHA256 = "468e13ca13a9b43cc0881a9f99083a430e9c0a38abd935431d1c28ee94b26567"

NETWORK = Artifact(
    FILE,
    sources=(
        Url(f"https://github.com/xinntao/facexlib/releases/download/v0.2.0/{FILE}"),
        HubFile("leonelhs/facexlib", FILE),
        HubFile("vivym/face-parsing-bisenet", "79999_iter.pth"),
        HubFile("ManyOtherFunctions/face-parse-bisent", "79999_iter.pth"),
        Url(f"https://github.com/sczhou/CodeFormer/releases/download/v0.1.0/{FILE}"),
    ),
    licence="MIT",
    sha256=SHA256,
    size=53_289_463,
    licence_url="https://github.com/zllrunning/face-parsing.PyTorch/blob/master/LICENSE",
    note="trained on CelebAMask-HQ, whose photos are for non-commercial research",
)


class BiSeNetOptions(Options):
    """Thresholds for reporting findings. Areas are in squared inter-ocular distances."""

    certainty: float = Field(0.7, ge=0.5, le=1, description="minimum score of a finding that is reported")
    # On 186 portraits, 21 of the 23 earrings and 21 of the 22 necklaces reported with these areas were real. The
    # network also labels edges of ears and sideburns as earrings; smaller areas include more of these.
    earrings: float = Field(0.003, gt=0, description="minimum area of earrings that count as worn")
    necklace: float = Field(0.01, gt=0, description="minimum area of a necklace that counts as worn")
    weights: str = Field("", description="path of the network's tensors; empty for the published weights")


def build(options: BiSeNetOptions, runtime: Runtime) -> "Regions":
    """The network."""
    from pathlib import Path

    from ._extractor import Regions

    weights = Path(options.weights).expanduser() if options.weights else runtime.models.path(NETWORK)
    return Regions(weights, options, runtime)


@hookimpl
def t2f_extractors() -> Iterable[Component[BiSeNetOptions, Extractor]]:
    """An extractor for everything that the regions show."""
    yield Component(
        "bisenet",
        build,
        BiSeNetOptions,
        artifacts=(NETWORK,),
        extra="bisenet",
        provides=(
            "hair_length",
            "bald",
            "bangs",
            "black_hair",
            "blond_hair",
            "brown_hair",
            "gray_hair",
            "red_hair",
            "eye_openness",
            "mouth_openness",
            "mouth_slightly_open",
            "teeth_visible",
            "eyeglasses",
            "wearing_hat",
            "wearing_earrings",
            "wearing_necklace",
            "skin_tone",
        ),
        summary="hair, eyes, mouth, teeth, glasses, hat, jewellery and skin tone, measured on 19 regions of the face",
        lineage=("CelebA", "CelebAMask-HQ"),
    )

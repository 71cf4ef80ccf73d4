"""Emotions, by the residual masking network: of seven, a single emotion if it dominates, else the two strongest.

The network is that of the package rmn, without that package, which fetches files while it is imported. Its authors
report 74.1 % right on FER2013, gray faces of 48 pixels, for a sibling of the published file that sees each face in ten
ways. Pham et al., "Facial Expression Recognition Using Residual Masking Network", ICPR 2020.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Extractor, HubFile, Options, Runtime, Url, hookimpl

if TYPE_CHECKING:
    from ._emotions import Emotions

FILE = "ResMaskNet_Z_resmasking_dropout1_rot30.pth"

# The file of the network's authors, Z_resmasking_dropout1_rot30_2019Nov30_13.32, holds the same tensors in other bytes,
# whose hash is not published; it, too, can be given as `weights`.
NETWORK = Artifact(
    FILE,
    sources=(
        HubFile("py-feat/resmasknet", FILE),
        Url(f"https://github.com/cosanlab/feat/releases/download/v0.1/{FILE}"),
    ),
    licence="MIT",
    sha256="1aa0454662df6c59ab8bc4db80a25be5a109acfda970d32e7593cde2d3aeae68",
    size=551_634_217,
    licence_url="https://github.com/phamquiluan/ResidualMaskingNetwork/blob/master/LICENSE",
    note="the weights of rmn, saved again by py-feat; trained on FER2013's gray faces",
)


class EmotionOptions(Options):
    """Thresholds for reporting one emotion or two. The paper gives no numbers; these are ours."""

    dominant: float = Field(0.6, ge=0, le=1, description="an emotion as probable as this is said alone")
    margin: float = Field(
        0.3, ge=0, le=1, description="so is one that is more probable than every other by as much as this"
    )
    weights: str = Field("", description="path of the network's tensors; empty for the published ones")


def build(options: EmotionOptions, runtime: Runtime) -> "Emotions":
    """The network."""
    from pathlib import Path

    from ._emotions import Emotions

    weights = Path(options.weights).expanduser() if options.weights else runtime.models.path(NETWORK)
    return Emotions(weights, options, runtime)


@hookimpl
def t2f_extractors() -> Iterable[Component[EmotionOptions, Extractor]]:
    """One extractor."""
    yield Component(
        "resmasknet",
        build,
        EmotionOptions,
        artifacts=(NETWORK,),
        needs=lambda options: [] if options.weights else [NETWORK],
        extra="resmasknet",
        provides=("emotion",),
        summary="anger, disgust, fear, happiness, sadness, surprise or neutral; the top two when none dominates",
        lineage=("FER2013",),
    )

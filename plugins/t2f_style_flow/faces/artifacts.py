"""The generator's files, members of a wheel of which nothing is run."""

from __future__ import annotations

from text2face_core import Artifact, WheelMember

NAME = "mobilestylegan-ffhq"
"""The generator, as metadata of images and models name it."""
LATENT = 512
"""Length of a style vector."""


def _file(name: str, sha256: str, size: int) -> Artifact:
    return Artifact(
        f"random-face-{name}",
        sources=(WheelMember("random-face", "2021.7.21.1", f"random_face/data/{name}"),),
        licence="Apache-2.0",
        sha256=sha256,
        size=size,
        licence_url="https://github.com/bes-dev/random_face/blob/main/LICENSE",
        note="trained on FFHQ, whose photos and annotations are CC BY-NC-SA 4.0 or freer",
    )


MAPPING = _file("MappingNetwork.xml", "73e2096cad6e696e4af47df2477e048ab4c42c0e0dec83c7c66604822689e55b", 59_865)
MAPPING_WEIGHTS = _file(
    "MappingNetwork.bin", "212dd716bdb556e18db603ea97300d4fa3c872b878c726b2402fea80820e7305", 8_405_040
)
SYNTHESIS = _file("SynthesisNetwork.xml", "7918fce515243954d3e06628cb39a23902d6b1d5d02932cc0c2faee7a2aeeedd", 425_183)
SYNTHESIS_WEIGHTS = _file(
    "SynthesisNetwork.bin", "c7da15fa22d508c82e1c30dd6b4cdf67fe3ccdddaf85b310ee764dbf0c289645", 32_025_440
)
FILES = (MAPPING, MAPPING_WEIGHTS, SYNTHESIS, SYNTHESIS_WEIGHTS)

"""Hair, glasses, hat, smile, mouth, eyes and skin tone, by a small network of our own.

A distilled network of 1.2 million parameters, 4.7 MB, about 3 ms per face on a single core. MODEL_CARD.md has its data,
teachers, licences and figures; tools/train_starter trains it. It needs neither torch nor a download: its file is in
this folder.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Component, Extractor, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._extractor import Starter


class StarterOptions(Options):
    """Threshold for reporting findings."""

    certainty: float = Field(0.7, ge=0.5, le=1, description="minimum score of a finding that is reported")


def build(options: StarterOptions, runtime: Runtime) -> "Starter":
    """Build the extractor; the network runs on the CPU."""
    from ._extractor import Starter

    return Starter(options, runtime.threads)


@hookimpl
def t2f_extractors() -> Iterable[Component[StarterOptions, Extractor]]:
    """An extractor for everything that the network detects."""
    yield Component(
        "starter",
        build,
        StarterOptions,
        provides=(
            "eyeglasses",
            "wearing_hat",
            "smiling",
            "emotion",
            "hair_length",
            "bald",
            "bangs",
            "black_hair",
            "blond_hair",
            "brown_hair",
            "gray_hair",
            "red_hair",
            "mouth_openness",
            "mouth_slightly_open",
            "teeth_visible",
            "eye_openness",
            "skin_tone",
        ),
        summary="hair, glasses, hat, smile, mouth, eyes, skin tone; our own small network on the CPU",
        lineage=("FFHQ", "CelebA", "CelebAMask-HQ"),
    )

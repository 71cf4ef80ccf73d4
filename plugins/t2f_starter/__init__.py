"""What a face shows at a glance, by one small network of our own: hair, glasses, hat, smile, mouth, eyes, skin tone.

A distilled network of 1.2 million parameters, 4.7 MB, about 3 ms a face on one core. MODEL_CARD.md has its data,
teachers, licences and figures; tools/train_starter trains it. Needs neither torch nor a download: the file is next to
this one.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pydantic import Field

from text2face_core import Component, Extractor, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._extractor import Starter


class StarterOptions(Options):
    """When something is said."""

    certainty: float = Field(0.7, ge=0.5, le=1, description="findings whose score is smaller are not said")


def build(options: StarterOptions, runtime: Runtime) -> "Starter":
    """The network, on the CPU."""
    from ._extractor import Starter

    return Starter(options, runtime.threads)


@hookimpl
def t2f_extractors() -> Iterable[Component[StarterOptions, Extractor]]:
    """One extractor for everything that the network sees."""
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
    )

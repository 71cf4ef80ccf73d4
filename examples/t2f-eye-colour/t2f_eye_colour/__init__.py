"""What colour are the eyes? A plugin for text2face.

No network is needed: both irises are found as dark discs between brighter whites, and their colour is read in CIELAB
beside that of the whites, which lie in the same light.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field
from text2face_core import Component, Options, Runtime, hookimpl

if TYPE_CHECKING:
    from ._irises import EyeColour


class EyeColourOptions(Options):
    """When to say nothing rather than guess."""

    min_iris: float = Field(
        7.0, ge=1, description="diameter of an iris in the photo, in pixels, below which nothing is said"
    )
    contrast: float = Field(
        9.0, ge=0, le=100, description="CIELAB lightness by which irises must be darker than their whites"
    )
    monochrome: float = Field(
        4.0, ge=0, description="mean CIELAB chroma below which a face is taken for black and white"
    )
    score: float = Field(
        0.65, ge=0.5, le=1, description="how sure a colour must be: 0.5 is half-way between two, 1 is none but it"
    )


def build(options: EyeColourOptions, runtime: Runtime) -> "EyeColour":
    """OpenCV is imported here, when the plugin is used, and not when it is listed."""
    from ._irises import EyeColour

    return EyeColour(options)


@hookimpl
def t2f_extractors() -> Iterable[Component]:
    """One extractor."""
    yield Component(
        "eye_colour", build, EyeColourOptions, provides=("eye_colour",), summary="brown, blue, green or grey eyes"
    )


@hookimpl
def t2f_vocabulary() -> Path:
    """How captions say it."""
    return Path(__file__).with_name("vocabulary.toml")

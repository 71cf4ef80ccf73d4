"""EasyPortrait (https://github.com/hukenovs/easyportrait): selfies with masks of eight regions of the face.

A mask says which regions the photo shows. Of these, teeth are a finding: `teeth_visible` is true if at least a share of
the mouth's pixels are teeth.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import Component, Options, Runtime, Source
from text2face_core.errors import BadPhoto
from text2face_core.records import Finding, Known
from text2face_core.utils import read_regular

from .folders import FolderSource, images_below
from .places import split_uri

SPLITS = ("train", "val", "test")
CLASSES = ("background", "person", "skin", "left_brow", "right_brow", "left_eye", "right_eye", "lips", "teeth")
LIPS, TEETH = CLASSES.index("lips"), CLASSES.index("teeth")
MOST_MASK, MOST_PIXELS = 20_000_000, 60_000_000


class EasyPortraitOptions(Options):
    """Which of EasyPortrait's photos are used."""

    split: Literal["all", "train", "val", "test"] = Field("all", description="the authors' split")
    masks: bool = Field(True, description="read masks, and state teeth_visible from them")
    teeth: float = Field(0.05, gt=0, le=1, description="least share of teeth in the mouth's pixels that counts")


class EasyPortrait(FolderSource):
    """EasyPortrait's photos."""

    scheme = "easyportrait"
    layout = "images/train/….jpg, images/val, images/test, and annotations/train/….png"

    def __init__(self, options: EasyPortraitOptions) -> None:
        self.options = options

    def photos(self, root: Path) -> Iterator[str]:
        """Photos split by split."""
        for split in SPLITS:
            if self.options.split in {"all", split}:
                yield from images_below(root, "images", split)

    def known(self, uri: str) -> Known:
        """Whether teeth are visible, from the mask; nothing if there is none."""
        root, name, _ = split_uri(uri)
        path = (root / "annotations" / Path(name).relative_to("images")).with_suffix(".png")
        if not self.options.masks or not path.is_file():
            return Known()
        counts = np.bincount(_mask(path).ravel(), minlength=len(CLASSES))
        mouth = int(counts[LIPS] + counts[TEETH])
        if not mouth:
            return Known()
        return Known(findings=(Finding("teeth_visible", counts[TEETH] / mouth >= self.options.teeth, 1.0),))


def _mask(path: Path) -> np.ndarray:
    """A mask, (H, W) uint8, each pixel a class."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(read_regular(path, MOST_MASK)), formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS or image.mode not in {"L", "P"}:
                raise BadPhoto(f"{path.name} is not a mask")
            return np.asarray(image, np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadPhoto(f"{path.name} is not a mask: {error}") from error


def build(options: EasyPortraitOptions, runtime: Runtime) -> EasyPortrait:  # noqa: ARG001  the form of `Component.build`
    """Build the source."""
    return EasyPortrait(options)


@hookimpl
def t2f_sources() -> Iterable[Component[EasyPortraitOptions, Source]]:
    """Declare the source."""
    yield Component(
        "easyportrait",
        build,
        EasyPortraitOptions,
        provides=("easyportrait",),
        summary="EasyPortrait in its own layout, teeth from its masks",
    )

"""FFHQ (https://github.com/NVlabs/ffhq-dataset): 70,000 photos of faces from Flickr, in folders of a thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import Component, Options, Runtime, Source
from text2face_core.errors import SourceError
from text2face_core.records import Known
from text2face_core.utils import parse_json, quoted

from .folders import FolderSource, images_below
from .places import split_uri

FOLDERS = {"images": "images1024x1024", "thumbnails": "thumbnails128x128", "wild": "in-the-wild-images"}
METADATA = "ffhq-dataset-v2.json"
MOST_METADATA = 2_000_000_000


class FfhqOptions(Options):
    """Which of FFHQ's images are used."""

    variant: Literal["images", "thumbnails", "wild"] = Field(
        "images", description="aligned faces of 1024 px, of 128 px, or the photos as they were on Flickr"
    )
    category: Literal["all", "training", "validation"] = Field(
        "all", description="the authors' split; other than all, it needs ffhq-dataset-v2.json"
    )
    titles: bool = Field(False, description="keep the title on Flickr as alternative text; needs ffhq-dataset-v2.json")


class Ffhq(FolderSource):
    """FFHQ's photos."""

    scheme = "ffhq"
    layout = "images1024x1024/00000/00000.png, thumbnails128x128/… or in-the-wild-images/…"

    def __init__(self, options: FfhqOptions) -> None:
        self.options = options

    def photos(self, root: Path) -> Iterator[str]:
        """Images of the chosen variant and category."""
        folder = FOLDERS[self.options.variant]
        wanted = self.options.category
        about = _metadata(root) if wanted != "all" else {}
        for name in images_below(root, folder):
            if wanted == "all" or about.get(_number(name), ("",))[0] == wanted:
                yield name

    def known(self, uri: str) -> Known:
        """The title on Flickr, if it is asked for."""
        if not self.options.titles:
            return Known()
        root, name, _ = split_uri(uri)
        return Known(alt_text=_metadata(root).get(_number(name), ("", ""))[1])


def _number(name: str) -> int:
    stem = Path(name).stem
    return int(stem) if stem.isascii() and stem.isdecimal() else -1


@lru_cache(1)
def _metadata(root: Path) -> dict[int, tuple[str, str]]:
    """Category and title by number of the photo."""
    path = root / METADATA
    try:
        if path.stat().st_size > MOST_METADATA:
            raise SourceError(f"{quoted(path)} is larger than {MOST_METADATA} bytes")
        found: Any = parse_json(path.read_bytes())
        return {
            int(number): (str(one["category"]), str(one.get("metadata", {}).get("photo_title") or ""))
            for number, one in found.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(f"{quoted(path)} cannot be read ({error}): FFHQ's authors publish it") from error


def build(options: FfhqOptions, runtime: Runtime) -> Ffhq:  # noqa: ARG001  the form of `Component.build`
    """Build the source."""
    return Ffhq(options)


@hookimpl
def t2f_sources() -> Iterable[Component[FfhqOptions, Source]]:
    """Declare the source."""
    yield Component("ffhq", build, FfhqOptions, provides=("ffhq",), summary="FFHQ in its own layout")

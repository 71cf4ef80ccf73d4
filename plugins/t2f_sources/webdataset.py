"""Web-dataset tars, as img2dataset writes them: an image, its alternative text (.txt) and its metadata (.json).

A tar is read in place: listing reads the headers once, and a photo's URI names the place of its sample's first header,
so that opening it needs neither an index nor what lies before. Members whose names are equal up to the first point of
the last part are a sample, and are next to each other (https://github.com/webdataset/webdataset).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import MAX_PHOTO_BYTES, Component, Options, Runtime, Source
from text2face_core.errors import BadPhoto, SourceError
from text2face_core.records import Known, PhotoRef
from text2face_core.utils import parse_json, photo_id_of, quoted

from .places import find_files, join_uri, split_uri, stamp_files
from .tars import Member, RefusedTar, read_members

log = logging.getLogger(__name__)

IMAGES = frozenset({"avif", "bmp", "gif", "heic", "jfif", "jp2", "jpeg", "jpg", "jxl", "png", "ppm", "tiff", "webp"})
MOST_MEMBERS = 64
"""Members of a sample; img2dataset writes three."""
MOST_TEXT = 64 * 1024


class WebDatasetOptions(Options):
    """What the text next to a photo is."""

    text: Literal["alt_text", "captions", "ignore"] = Field(
        "alt_text",
        description="what .txt members are: alternative texts of web pages, captions by people, or nothing of use",
    )


class WebDataset(Source):
    """Photos in tars."""

    scheme = "webdataset"

    def __init__(self, options: WebDatasetOptions) -> None:
        self.options = options

    def list(self, place: str) -> Iterator[PhotoRef]:
        """List the photos of one or several tars, tar by tar; a sample without an image is left out."""
        tars = find_files(place.removeprefix(f"{self.scheme}:"), (".tar",))
        for tar in tars:
            try:
                yield from self._list_tar(tar)
            except (RefusedTar, OSError) as error:
                reason = error.strerror if isinstance(error, OSError) else str(error)
                if len(tars) == 1:
                    raise SourceError(f"{quoted(tar)} is not used: {reason}") from error
                log.warning("%s is left out from here on: %s", quoted(tar), reason)

    def _list_tar(self, tar: Path) -> Iterator[PhotoRef]:
        with tar.open("rb") as file:
            if file.read(2) == b"\x1f\x8b":
                raise RefusedTar("it is compressed; photos are read in place, so decompress it first: gunzip")
            seen: set[int] = set()
            for key, members in groupby(read_members(file, tar.stat().st_size), key=_key):
                if (digest := hash(key)) in seen:
                    raise RefusedTar(f"the sample {key!r:.100} is in it twice, or its members are not side by side")
                seen.add(digest)
                if photo := self._photo(tar, key, list(islice(members, MOST_MEMBERS + 1))):
                    yield photo

    def _photo(self, tar: Path, key: str, members: Sequence[Member]) -> PhotoRef | None:
        names = [member.name for member in members]
        if len(names) > MOST_MEMBERS:
            raise RefusedTar(f"the sample {key!r:.100} has more than {MOST_MEMBERS} members")
        if len(set(names)) < len(names):
            raise RefusedTar(f"the sample {key!r:.100} has a member twice")
        image = next((member.name for member in members if _ending(member) in IMAGES), None)
        if image is None:
            return None
        uri = join_uri(self.scheme, tar, image, str(members[0].start))
        return PhotoRef(photo_id_of(f"{tar.name}/{image}"), uri)

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read an image out of its tar."""
        tar, name, place = split_uri(uri)
        found = next((member for member in _sample(tar, place) if member.name == name), None)
        if found is None:
            raise BadPhoto(f"unreadable: {tar.name} has changed since it was listed")
        if found.size > max_bytes:
            raise BadPhoto(f"too large: {found.size / 1e6:.0f} MB (the limit is {max_bytes / 1e6:g} MB)")
        return _read(tar, found)

    def known(self, uri: str) -> Known:
        """Read the text next to an image: of the .txt member, else the caption in the .json member."""
        if self.options.text == "ignore":
            return Known()
        tar, _, place = split_uri(uri)
        members = {_ending(member): member for member in _sample(tar, place) if member.size <= MOST_TEXT}
        text = ""
        if "txt" in members:
            text = _read(tar, members["txt"]).decode("utf-8", "replace").strip()
        elif "json" in members:
            text = _caption_in(_read(tar, members["json"]))
        if self.options.text == "captions":
            return Known(captions=(text,) if text else ())
        return Known(alt_text=text)

    def stamp(self, place: str) -> str:
        """Names, sizes and times of the tars."""
        return stamp_files(find_files(place.removeprefix(f"{self.scheme}:"), (".tar",)))


def _key(member: Member) -> str:
    folder, slash, name = member.name.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _ending(member: Member) -> str:
    return member.name.rpartition("/")[2].partition(".")[2].lower()


def _sample(tar: Path, place: str) -> Sequence[Member]:
    """The members of the sample whose first header is at this place."""
    try:
        with tar.open("rb") as file:
            members = islice(read_members(file, tar.stat().st_size, int(place)), MOST_MEMBERS)
            _, sample = next(groupby(members, key=_key))
            return list(sample)
    except OSError as error:
        raise BadPhoto(f"unreadable: {error.strerror}".lower()) from error
    except (RefusedTar, StopIteration, ValueError) as error:
        raise BadPhoto(f"unreadable: {tar.name} has changed since it was listed") from error


def _read(tar: Path, member: Member) -> bytes:
    try:
        with tar.open("rb") as file:
            file.seek(member.offset)
            return file.read(member.size)
    except OSError as error:
        raise BadPhoto(f"unreadable: {error.strerror}".lower()) from error


def _caption_in(content: bytes) -> str:
    try:
        found: Any = parse_json(content)
    except ValueError:
        return ""
    text = found.get("caption") if isinstance(found, dict) else None
    return text.strip() if isinstance(text, str) else ""


def build(options: WebDatasetOptions, runtime: Runtime) -> WebDataset:  # noqa: ARG001  the form of `Component.build`
    """Build the source."""
    return WebDataset(options)


@hookimpl
def t2f_sources() -> Iterable[Component[WebDatasetOptions, Source]]:
    """Declare the source."""
    yield Component(
        "webdataset",
        build,
        WebDatasetOptions,
        provides=("webdataset", ".tar"),
        summary="tars of img2dataset and webdataset, read in place, with their alternative texts",
    )

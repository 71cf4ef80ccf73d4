"""webdataset: .tar shards of jpg, txt and json, as `t2f export` and img2dataset write them."""

from __future__ import annotations

import hashlib
import json
import tarfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...contracts import CaptionedDataset
from ...errors import MissingExtra, SourceError
from ...records import Captions
from ...utils import install_command, parse_json
from ..base import captions_of
from ..images import ImageRef
from ..selection import ExportedPhoto, ExportJob, FormatWriter

USAGE = """\
Streams with `webdataset.WebDataset("00000.tar")` and `datasets.load_dataset("webdataset", data_files="*.tar")`. Each
photo has a jpg, a txt with one caption, as trainers read it (drawn at random where there are several), and a json with
all of them in `text`, `photo_id` and `findings`."""


PICTURES = frozenset({"jpg", "jpeg", "png", "webp", "avif"})
TEXTS = frozenset({"json", "txt"})
NOTHING = (0, 0)


class WebDataset(CaptionedDataset):
    """.tar files in which the files of a sample share a name. Each tar is scanned once; only offsets are kept.

    Captions come from the json (`text`, `captions` or `caption`), else from the txt, one per line.
    """

    def __init__(self, source: Path, tars: Sequence[Path]) -> None:
        self.path = source
        self._tars = [str(tar) for tar in tars]
        self._tar = array("i")
        self._places = array("q")  # six numbers a sample: offset and size of picture, json and txt
        self._keys, self._ends = bytearray(), array("q", [0])
        digest = hashlib.blake2b(digest_size=16)
        for number, tar in enumerate(tars):
            self._read(number, tar, digest)
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._tar)

    def key(self, index: int) -> str:
        """The shard's name and the sample's in it."""
        name = self._keys[self._ends[index] : self._ends[index + 1]].decode("utf-8", "surrogateescape")
        return f"{Path(self._tars[self._tar[index]]).name}/{name}"

    def captions(self, index: int) -> Captions:
        """The texts of the sample's json, else of its txt."""
        _, json_at, txt_at = self._where(index)
        path = Path(self._tars[self._tar[index]])
        with path.open("rb") as file:

            def part(place: tuple[int, int]) -> bytes:
                file.seek(place[0])
                return file.read(place[1])

            return _captions(part(json_at), part(txt_at))

    def image(self, index: int) -> ImageRef:
        """The part of the tar that holds the image."""
        (offset, size), _, _ = self._where(index)
        return ImageRef(self._tars[self._tar[index]], offset, size)

    def remedy(self) -> str:
        """What a sample needs."""
        return 'Each json or txt of a shard needs a caption: "text": "…" or ["…", "…"]'

    def _where(self, index: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        a, b, c, d, e, f = self._places[6 * index : 6 * index + 6]
        return (a, b), (c, d), (e, f)

    def _read(self, number: int, path: Path, digest: hashlib.blake2b) -> None:
        try:
            with tarfile.open(path, "r:") as tar, path.open("rb") as file:
                for key, members in _group_members(tar):
                    picture = next((members[kind] for kind in members if kind in PICTURES), None)
                    if picture is None:
                        continue
                    texts = []
                    for kind in ("json", "txt"):
                        offset, size = members.get(kind, NOTHING)
                        file.seek(offset)
                        texts.append(file.read(size))
                    if not _captions(*texts):
                        self.without_captions += 1
                        continue
                    name = key.encode("utf-8", "surrogateescape")
                    digest.update(b"\0".join([name, *texts]))
                    self._tar.append(number)
                    self._places.extend([*picture, *members.get("json", NOTHING), *members.get("txt", NOTHING)])
                    self._keys += name
                    self._ends.append(len(self._keys))
        except tarfile.TarError as error:
            raise SourceError(
                f"{path} is not a complete .tar file ({error}). Fetch it again, or move it out of the folder"
            ) from error
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror or error}. Check its permissions") from error


def _group_members(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tuple[int, int]]]]:
    """Neighbouring members whose names agree up to the first dot: the key, and extension -> (offset, size)."""
    current, members = "", dict[str, tuple[int, int]]()
    for member in tar:
        tar.members = []  # type: ignore[attr-defined]  # else tarfile remembers each of a million members
        folder, _, base = member.name.rpartition("/")
        stem, _, kind = base.partition(".")
        if not member.isfile() or not stem or not kind:
            continue
        key = f"{folder}/{stem}" if folder else stem
        if key != current:
            if members:
                yield current, members
            current, members = key, {}
        members[kind.lower()] = (member.offset_data, member.size)
    if members:
        yield current, members


def _captions(json_part: bytes, txt_part: bytes) -> Captions:
    try:
        row = parse_json(json_part) if json_part else {}
    except ValueError:
        row = {}
    if isinstance(row, dict) and (found := captions_of(row)):
        return found
    return tuple((line.strip(), "") for line in txt_part.decode("utf-8", "replace").splitlines() if line.strip())


def write(photos: Iterable[ExportedPhoto], folder: Path, job: ExportJob) -> None:
    """Write NNNNN.tar. Raises MissingExtra where webdataset is not installed."""
    try:
        import webdataset
    except ImportError as error:
        raise MissingExtra(
            f"the webdataset format needs webdataset, which is not installed: {install_command('webdataset')}"
        ) from error

    for number, shard in enumerate(_shards(photos, job)):
        with ExitStack() as stack:
            # A file of our own rather than a name: webdataset reads names as URLs.
            file = stack.enter_context((folder / f"{number:05d}.tar").open("wb"))
            tar = stack.enter_context(webdataset.TarWriter(file, encoder=False, mtime=0, user="", group=""))
            for files in shard:
                tar.write(files)


def _shards(photos: Iterable[ExportedPhoto], job: ExportJob) -> Iterator[Iterator[dict[str, Any]]]:
    """Photos in groups of at most the wanted count and size; a photo that is larger forms its own group."""
    members = map(_files, photos)
    waiting = next(members, None)

    def group() -> Iterator[dict[str, Any]]:
        nonlocal waiting
        count = size = 0
        while waiting is not None and count < job.settings.shard_count:
            size += sum(len(content) for content in waiting.values())
            if count and size > job.settings.shard_mb * 1_000_000:
                return
            yield waiting
            count += 1
            waiting = next(members, None)

    while waiting is not None:
        yield group()


def _files(photo: ExportedPhoto) -> dict[str, Any]:
    about = {"photo_id": photo.photo_id, "text": photo.text, "findings": photo.findings}
    return {
        "__key__": photo.name,
        "jpg": photo.picture.read_bytes(),
        "txt": photo.line.encode(),
        "json": json.dumps(about, ensure_ascii=False).encode(),
    }


WRITER = FormatWriter(write, USAGE, pictures=lambda _: True)

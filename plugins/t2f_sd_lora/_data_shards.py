"""web-dataset shards: .tar files in which the files of a sample share a name, as `t2f export` and img2dataset write."""

from __future__ import annotations

import hashlib
import json
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

from text2face_core.errors import SourceError

from ._data import Captions, Dataset
from ._data_folder import captions_of
from ._pictures import Picture

PICTURES = frozenset({"jpg", "jpeg", "png", "webp", "avif"})
TEXTS = frozenset({"json", "txt"})
NOTHING = (0, 0)


class Shards(Dataset):
    """Each tar is read through once, for where its members lie; of samples only their places are kept.

    Captions come from the json (`text`, `captions` or `caption`), else from the txt, one per line.
    """

    def __init__(self, source: Path, tars: Sequence[Path]) -> None:
        self.source = source
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
        """What the sample's json, else its txt, says."""
        _, json_at, txt_at = self._where(index)
        path = Path(self._tars[self._tar[index]])
        with path.open("rb") as file:

            def part(place: tuple[int, int]) -> bytes:
                file.seek(place[0])
                return file.read(place[1])

            return _captions(part(json_at), part(txt_at))

    def picture(self, index: int) -> Picture:
        """The part of the tar that holds it."""
        (offset, size), _, _ = self._where(index)
        return Picture(self._tars[self._tar[index]], offset, size)

    def _where(self, index: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        a, b, c, d, e, f = self._places[6 * index : 6 * index + 6]
        return (a, b), (c, d), (e, f)

    def _read(self, number: int, path: Path, digest: hashlib.blake2b) -> None:
        try:
            with tarfile.open(path, "r:") as tar, path.open("rb") as file:
                for key, members in _samples(tar):
                    picture = next((members[kind] for kind in members if kind in PICTURES), None)
                    if picture is None:
                        continue
                    told = []
                    for kind in ("json", "txt"):
                        offset, size = members.get(kind, NOTHING)
                        file.seek(offset)
                        told.append(file.read(size))
                    if not _captions(*told):
                        self.without_captions += 1
                        continue
                    name = key.encode("utf-8", "surrogateescape")
                    digest.update(b"\0".join([name, *told]))
                    self._tar.append(number)
                    self._places.extend([*picture, *members.get("json", NOTHING), *members.get("txt", NOTHING)])
                    self._keys += name
                    self._ends.append(len(self._keys))
        except tarfile.TarError as error:
            raise SourceError(
                f"{path} is no whole .tar file ({error}). Fetch it again, or move it out of the folder"
            ) from error
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror or error}. Check its permissions") from error


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tuple[int, int]]]]:
    """Neighbours whose names agree up to the first dot, with what follows it -> (offset, size)."""
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


def _captions(told_json: bytes, told_txt: bytes) -> Captions:
    try:
        row = json.loads(told_json) if told_json else {}
    except ValueError:
        row = {}
    if isinstance(row, dict) and (found := captions_of(row)):
        return found
    return tuple((line.strip(), "") for line in told_txt.decode("utf-8", "replace").splitlines() if line.strip())

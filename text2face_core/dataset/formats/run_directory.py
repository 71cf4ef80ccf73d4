"""run directory: accepted photos with their captions, as the run's crops or cropped here from the photos."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, OrderedDict
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ...contracts import CaptionedDataset
from ...records import Captions, Face
from ...run import PERSON, RunDirectory, Wording, read_columns
from ...sources import path_of
from ..crops import DatasetSettings, has_content
from ..duplicates import find_duplicates
from ..images import ImageRef
from ..latents import Latent, read_latent

KEPT_SHARDS = 4
FACE = 14
"""Numbers of a face: four of the box, ten of the landmarks."""
ANALYSIS = ["photo_id", "uri", "status", "face.box", "face.landmarks"]
CAPTIONS = ["photo_id", *(f"captions.list.element.{name}" for name in ("text", "style", "fuser"))]


class CaptionedRun(CaptionedDataset):
    """Captions stay in the run's shards, of which the last few used are kept; addresses and faces are in memory.

    A shard whose captions are not those of run.toml, because a `t2f fuse` was stopped, gives no captions: see
    `RunDirectory.is_captioned`.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._run = RunDirectory.open(folder)
        recipe = self._run.settings.get("recipe", {})
        self._framing = DatasetSettings.model_validate(recipe.get("dataset", {})).framing
        self._ids, self._chunks, self._rows = array("Q"), array("i"), array("i")
        self._faces = array("f")
        self._uris, self._ends = bytearray(), array("q", [0])
        self._shards: OrderedDict[int, list[Captions]] = OrderedDict()
        self._fusers: Counter[str] = Counter()
        self._accepted = self._analysed = 0
        self._corrections, self._wording = self._run.corrections(), self._run.wording
        digest = hashlib.blake2b(digest_size=16)
        if self._wording != Wording(replaced={}):
            digest.update(repr(self._wording).encode("utf-8", "surrogatepass"))
        photos = self._run.photos()
        self._gone = {photo.photo_id for photo in photos if photo.gone} | find_duplicates(self._run).keys()
        for chunk in sorted({photo.chunk for photo in photos}):
            self._read_chunk(chunk, digest)
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._ids)

    def key(self, index: int) -> str:
        """The photo's id, 16 hexadecimal digits."""
        return f"{self._ids[index]:016x}"

    def captions(self, index: int) -> Captions:
        """The photo's captions with their styles."""
        row = self._rows[index]
        found = self._captions_of(self._chunks[index])[row] if row >= 0 else ()
        return self._corrected(self.key(index), found)

    def _corrected(self, photo_id: str, captions: Captions) -> Captions:
        corrected = self._wording.apply_texts(self._corrections.apply_texts(photo_id, captions))
        return tuple((text.strip(), style) for text, style in corrected if text.strip())

    def latent(self, index: int) -> Latent | None:
        """The latent in the photo's own file, if a renderer made it; crops do not keep it."""
        uri = self._uris[self._ends[index] : self._ends[index + 1]].decode("utf-8")
        return read_latent(path_of(uri)) if uri.startswith("file:") else None

    def image(self, index: int) -> ImageRef:
        """The run's crop, or if there is none what the run would have cropped."""
        crop = self._run.dataset / "images" / f"{self._chunks[index]:05d}" / f"{self.key(index)}.jpg"
        if has_content(crop):
            return ImageRef(str(crop))
        uri = self._uris[self._ends[index] : self._ends[index + 1]].decode("utf-8")
        numbers = np.array(self._faces[FACE * index : FACE * (index + 1)], np.float32)
        face = Face(numbers[:4], numbers[4:].reshape(5, 2), 1.0)
        return ImageRef(str(path_of(uri)), face=face, framing=self._framing)

    @property
    def fusers(self) -> tuple[str, ...]:
        """The fusers that wrote the captions, the most frequent first."""
        return tuple(name for name, _ in self._fusers.most_common())

    def remedy(self) -> str:
        """What to do about a run without captioned photos."""
        if self._accepted:
            return f"Write captions with: t2f fuse {self.path}"
        if self._analysed:
            return f"None of its {self._analysed} photos was accepted; see why with: t2f report {self.path}"
        return "Finish the run first: give its t2f run command again"

    def _read_chunk(self, chunk: int, digest: hashlib.blake2b) -> None:
        analysis, captions = self._run.analysis_path(chunk), self._run.captions_path(chunk)
        if not analysis.is_file():
            return
        captioned, with_text = dict[str, int](), set[str]()
        if is_captioned := self._run.is_captioned(chunk):
            digest.update(captions.read_bytes())
            for number, row in enumerate(read_columns(captions, CAPTIONS)):
                self._fusers.update(caption["fuser"] for caption in row["captions"])
                captioned[row["photo_id"]] = number
                if self._corrected(row["photo_id"], _pairs(row)):
                    with_text.add(row["photo_id"])
        for row in read_columns(analysis, ANALYSIS):
            if row["photo_id"] in self._gone:
                continue
            self._analysed += 1
            if row["status"] != "ok" or row["face"] is None:
                continue
            self._accepted += 1
            photo_id, number = row["photo_id"], captioned.get(row["photo_id"], -1)
            corrections = self._corrections.of(photo_id) if is_captioned else {}
            if photo_id not in with_text and not (corrections and number < 0 and self._corrected(photo_id, ())):
                self.without_captions += 1
                continue
            digest.update(photo_id.encode())
            if corrections:
                digest.update(repr(sorted(corrections.items())).encode("utf-8", "surrogatepass"))
                self._fusers[PERSON] += sum(text is not None for text in corrections.values())
            self._ids.append(int(photo_id, 16))
            self._chunks.append(chunk)
            self._rows.append(number)
            self._faces.extend([*row["face"]["box"], *chain.from_iterable(row["face"]["landmarks"])])
            self._uris += row["uri"].encode("utf-8")
            self._ends.append(len(self._uris))

    def _captions_of(self, chunk: int) -> list[Captions]:
        if chunk not in self._shards:
            self._shards[chunk] = [_pairs(row) for row in read_columns(self._run.captions_path(chunk), CAPTIONS)]
            while len(self._shards) > KEPT_SHARDS:
                self._shards.popitem(last=False)
        self._shards.move_to_end(chunk)
        return self._shards[chunk]


def _pairs(row: dict[str, Any]) -> Captions:
    return tuple((caption["text"], caption["style"]) for caption in row["captions"])

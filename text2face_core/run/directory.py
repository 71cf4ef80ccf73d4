"""The run directory: its settings, a shard per chunk of photos, and how a stopped run resumes.

A shard carries the fingerprint of everything that it was computed from. A shard with the right fingerprint is done; any
other is computed. So a killed run needs no cleaning up, and any engine may take any chunk.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..errors import DamagedTable, RunError
from ..records import AnalysisRow, CaptionRow, PhotoRef
from ..utils import explain, path_inside, remove_unfinished
from . import tables
from .changes import Changes, compare_photos, stamp_of
from .corrections import Corrections, add_edits, read_corrections, write_corrections
from .crashes import forget_suspects
from .growing import Growth, OtherChange
from .listing import PhotoList, digest_of_ids
from .settings import SettingsFile
from .verified import Entry, Verified, state_of
from .wording import Wording
from .written import WrittenTexts, forget_written, unsettled

if TYPE_CHECKING:
    from filelock import BaseFileLock


log = logging.getLogger(__name__)

FORMAT = 1

Row = TypeVar("Row", AnalysisRow, CaptionRow)


class RunDirectory:
    """OUT: run.toml, photos.parquet, analysis/, captions/, dataset/, report.html, stats.json."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.listing = PhotoList(path)
        self._verified = Verified(path)
        self._contents: tuple[int, dict[str, str]] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return RunDirectory, (self.path.absolute(),)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """Open an existing run. Raises RunError if there is none."""
        run = cls(path)
        if not run.exists:
            raise RunError(f"{path} holds no run (no run.toml). To make one: t2f run PHOTOS --out {path}")
        return run

    @property
    def exists(self) -> bool:
        """Whether a run was started here."""
        return self.settings_path.is_file()

    @property
    def settings_path(self) -> Path:
        """run.toml: the resolved recipe, versions, hashes and seed."""
        return self.path / "run.toml"

    @property
    def photos_path(self) -> Path:
        """photos.parquet, the photos of the run; of a large run, photos/index.json."""
        return self.listing.place

    @property
    def dataset(self) -> Path:
        """The folder that opens as an imagefolder."""
        return self.path / "dataset"

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The current content of run.toml."""
        found = SettingsFile(self.settings_path).read()
        if found.get("format") != FORMAT:
            raise RunError(f"{self.path} was made by another version of text2face (format {found.get('format')})")
        return found

    def write_settings(self, settings: Mapping[str, Any]) -> None:
        """Replace run.toml, unless it has the same content already."""
        import tomli_w

        SettingsFile(self.settings_path).write(tomli_w.dumps({"format": FORMAT, **settings}))
        self.__dict__.pop("settings", None)

    def lock(self) -> BaseFileLock:
        """The lock to hold while writing; raises RunError if another process holds it."""
        from filelock import FileLock, Timeout

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock", timeout=0)
            lock.acquire()
        except Timeout as error:
            raise RunError(
                f"another process is working on {self.path}; wait for it, or choose another --out"
            ) from error
        except OSError as error:
            raise RunError(explain(error, self.path / "run.toml")) from error
        for folder in (self.path, self.path / "analysis", self.path / "captions", self.dataset):
            remove_unfinished(folder)
        return lock

    def photos(self) -> list[PhotoRef]:
        """All photos of the run, in order of chunks. `listing` reads a large run part by part."""
        return list(self.listing)

    def chunks(self) -> dict[int, list[PhotoRef]]:
        """The photos of each chunk."""
        return dict(self.listing.by_chunk())

    def add_photos(self, listed: Iterable[PhotoRef], chunk_size: int) -> int:
        """Append photos that are not yet in photos.parquet, in chunks of their own, and return how many there were."""
        before = self.photos()
        known = {photo.photo_id for photo in before} | {photo.uri for photo in before}
        new = [photo for photo in listed if photo.photo_id not in known and photo.uri not in known]
        if new or not before:
            first = 1 + max((photo.chunk for photo in before), default=-1)
            added = [
                PhotoRef(photo.photo_id, photo.uri, first + place // chunk_size) for place, photo in enumerate(new)
            ]
            self.listing.write(before + added)
        return len(new)

    def extend_photos(self, listed: Iterable[PhotoRef], chunk_size: int, stamp: str = "") -> Changes | None:
        """Append the new photos of a listing, part by part.

        Returns:
            What changed; None if more than that has changed, or photos are files, and nothing was done: see
            `update_photos`.
        """
        growth = Growth(self.listing, len(self.listing))
        if not growth.is_simple:
            return None
        try:
            self.listing.write(chain(self.listing, growth.new(listed, chunk_size)), stamp)
        except OtherChange:
            return None
        return Changes(added=growth.added)

    def update_photos(
        self, listed: Sequence[PhotoRef], chunk_size: int, *, thorough: bool = False, stamp: str = ""
    ) -> Changes:
        """Update the run to a new listing of its source, and return what changed.

        Replaced photos wait for analysis again, and the corrections of their captions are dropped. Photos that are gone
        are left out of `rows`; the crops of both are deleted. Renamed photos keep their id, captions and corrections.
        thorough: also read files whose size and time are unchanged. stamp: as for `list_first`.
        """
        before = self.photos()
        photos, changes = compare_photos(before, listed, chunk_size, self._content_of, thorough=thorough)
        # Outdated results are removed first: if the process is killed here, the next run finds the same changes.
        for photo in (*changes.changed, *changes.gone):
            self._crop_path(photo.chunk, photo.photo_id).unlink(missing_ok=True)
        replaced = {photo.photo_id for photo in changes.changed}
        self._drop_corrections(replaced)
        names = {photo.photo_id: photo.uri for photo in changes.moved}
        for chunk in sorted({photo.chunk for photo in changes.moved}):
            self._rewrite(chunk, lambda row: replace(row, uri=names.get(row.photo_id, row.uri)))
        for chunk in sorted({photo.chunk for photo in changes.changed}):
            for path in (self.analysis_path(chunk), _unfinished(self.analysis_path(chunk))):
                if key := tables.read_metadata(path).get("text2face.key"):
                    rows = [row for row in tables.read_analysis(path) if row.photo_id not in replaced]
                    self.keep_analysis(chunk, rows, key)
                    break
            self.analysis_path(chunk).unlink(missing_ok=True)
            forget_suspects(self.analysis_path(chunk))
        if photos != before or not before or stamp != self.listing.stamp:
            self.listing.write(photos, stamp)
        return changes

    def list_first(self, listed: Iterable[PhotoRef], chunk_size: int, stamp: str = "") -> None:
        """Write the first list of the run's photos, part by part.

        stamp: the state of the sources, see `text2face_core.sources.listing_stamp`.
        """
        self.listing.write(
            (
                PhotoRef(photo.photo_id, photo.uri, place // chunk_size, *stamp_of(photo.uri))
                for place, photo in enumerate(listed)
            ),
            stamp,
        )

    def _content_of(self, photo: PhotoRef) -> str:
        """Digest of the content of a photo's file when it was analysed; empty if unknown."""
        if self._contents is None or self._contents[0] != photo.chunk:
            path = self.analysis_path(photo.chunk)
            rows = tables.read_columns(path, ["photo_id", "content"]) if "content" in tables.columns_of(path) else []
            self._contents = (photo.chunk, {row["photo_id"]: row["content"] for row in rows})
        return self._contents[1].get(photo.photo_id, "")

    def _drop_corrections(self, photo_ids: Collection[str]) -> None:
        """Drop the corrections of the captions of these photos, which show something else now."""
        if photo_ids and (self.corrections_path.is_file() or self.metadata_path.is_file()):
            self.keep_corrections()
            corrections = read_corrections(self.corrections_path)
            if corrections.drop(photo_ids):
                write_corrections(self.corrections_path, corrections)
            forget_written(self._written_path, photo_ids)

    def forget_gone(self) -> int:
        """Delete the analyses of photos that are gone, and return how many photos there were."""
        if not any(chunk.gone for chunk in self.listing.chunks()):
            return 0
        photos = self.photos()
        gone = {photo.photo_id for photo in photos if photo.gone}
        for chunk in sorted({photo.chunk for photo in photos if photo.gone}):
            self._rewrite(chunk, lambda row: None if row.photo_id in gone else row)
            for path in (self.analysis_path(chunk), self.captions_path(chunk)):
                _unfinished(path).unlink(missing_ok=True)
        if gone:
            self.listing.write([photo for photo in photos if not photo.gone], self.listing.stamp)
        return len(gone)

    def _rewrite(self, chunk: int, change: Callable[[AnalysisRow], AnalysisRow | None]) -> None:
        """Change rows of a chunk's analysis, or drop them if `change` returns None; captions stay done."""
        path = _unfinished(self.analysis_path(chunk))
        if key := tables.read_metadata(path).get("text2face.key"):
            self.keep_analysis(chunk, [new for row in tables.read_analysis(path) if (new := change(row))], key)
        key = tables.read_metadata(self.analysis_path(chunk)).get("text2face.key")
        if key is None:
            return
        captions_key = tables.read_metadata(self.captions_path(chunk)).get("text2face.key", "").rpartition("-")[0]
        is_done = self.captions_are_done(chunk, captions_key)
        rows = [new for row in tables.read_analysis(self.analysis_path(chunk)) if (new := change(row))]
        tables.write_analysis(self.analysis_path(chunk), rows, {"key": key})
        if self.captions_path(chunk).is_file():
            kept = {row.photo_id for row in rows}
            captions = [row for row in tables.read_captions(self.captions_path(chunk)) if row.photo_id in kept]
            kept_key = self._captions_key(chunk, captions_key) if is_done else ""
            tables.write_captions(self.captions_path(chunk), captions, {"key": kept_key})

    def analysis_path(self, chunk: int) -> Path:
        """Path of the shard of a chunk's analysis."""
        return self.path / "analysis" / f"{chunk:05d}.parquet"

    def captions_path(self, chunk: int) -> Path:
        """Path of the shard of a chunk's captions."""
        return self.path / "captions" / f"{chunk:05d}.parquet"

    @property
    def has_analysis(self) -> bool:
        """Whether any chunk was analysed, with any settings."""
        return any((self.path / "analysis").glob("[0-9]*.parquet"))

    def analysis_is_done(self, chunk: int, key: str, ids: str | None = None) -> bool:
        """Whether the shard has the fingerprint `key`, and holds the chunk's photos undamaged.

        ids: digest of the chunk's photo ids, if it is at hand (see `text2face_core.run.listing.Chunk`).
        """
        known = {one.number: one.ids for one in self.listing.chunks()} if ids is None else {}
        return self._analysis_is_sound(chunk, key, ids or known.get(chunk, ""))

    def _analysis_is_sound(self, chunk: int, key: str, ids: str) -> bool:
        path = self.analysis_path(chunk)
        entry = Entry(state_of(path), key, ids)
        if self._verified.knows("analysis", chunk, entry):
            return True
        if not entry.state or tables.read_metadata(path).get("text2face.key") != key:
            return False
        try:
            found = digest_of_ids(row.photo_id for row in tables.read_analysis(path))
        except DamagedTable as error:
            log.warning("%s", error)
            return False
        if found == ids:
            self._verified.add("analysis", chunk, entry)
        return found == ids

    def captions_are_done(self, chunk: int, key: str) -> bool:
        """Like `analysis_is_done`, for captions; they must also come from the current analysis."""
        path = self.captions_path(chunk)
        entry = Entry(state_of(path, self.analysis_path(chunk)), key, "")
        if self._verified.knows("captions", chunk, entry):
            return True
        if not entry.state or tables.read_metadata(path).get("text2face.key") != self._captions_key(chunk, key):
            return False
        if not tables.is_sound(path):
            log.warning("%s is damaged: its captions are written again", path)
            return False
        self._verified.add("captions", chunk, entry)
        return True

    def commit_analysis(self, chunk: int, rows: Sequence[AnalysisRow], key: str) -> None:
        """Write the shard; the chunk's analysis is then done."""
        remove_unfinished(self.dataset / "images" / f"{chunk:05d}")
        tables.write_analysis(self.analysis_path(chunk), rows, {"key": key})
        _unfinished(self.analysis_path(chunk)).unlink(missing_ok=True)
        forget_suspects(self.analysis_path(chunk))

    def keep_analysis(self, chunk: int, rows: Sequence[AnalysisRow], key: str) -> None:
        """Store the finished part of a chunk, for `analysis_so_far`."""
        tables.write_analysis(_unfinished(self.analysis_path(chunk)), rows, {"key": key})

    def analysis_so_far(self, chunk: int, key: str) -> dict[str, AnalysisRow]:
        """The rows that `keep_analysis` stored, by photo, if they have the fingerprint `key`."""
        path = _unfinished(self.analysis_path(chunk))
        if not path.is_file() or tables.read_metadata(path).get("text2face.key") != key:
            return {}
        return {row.photo_id: row for row in _read_unfinished(path, tables.read_analysis)}

    def commit_captions(self, chunk: int, rows: Sequence[CaptionRow], key: str) -> None:
        """Write the shard; the chunk's captions are then done."""
        tables.write_captions(self.captions_path(chunk), rows, {"key": self._captions_key(chunk, key)})
        _unfinished(self.captions_path(chunk)).unlink(missing_ok=True)

    def keep_captions(self, chunk: int, rows: Sequence[CaptionRow], key: str) -> None:
        """Store the finished part of a chunk, for `captions_so_far`."""
        tables.write_captions(_unfinished(self.captions_path(chunk)), rows, {"key": self._captions_key(chunk, key)})

    def captions_so_far(self, chunk: int, key: str) -> dict[str, CaptionRow]:
        """The rows that `keep_captions` stored, by photo, if they have the fingerprint `key`."""
        path = _unfinished(self.captions_path(chunk))
        if not path.is_file() or tables.read_metadata(path).get("text2face.key") != self._captions_key(chunk, key):
            return {}
        return {row.photo_id: row for row in _read_unfinished(path, tables.read_captions)}

    def _captions_key(self, chunk: int, key: str) -> str:
        analysis = hashlib.blake2b(self.analysis_path(chunk).read_bytes(), digest_size=8).hexdigest()
        return f"{key}-{analysis}"

    def image_path(self, row: AnalysisRow) -> Path:
        """The photo's crop in the data set."""
        return self._crop_path(row.chunk, row.photo_id)

    def _crop_path(self, chunk: int, photo_id: str) -> Path:
        return path_inside(self.dataset, "images", f"{chunk:05d}", f"{photo_id}.jpg")

    @property
    def metadata_path(self) -> Path:
        """metadata.jsonl of the data set, which may be edited by hand."""
        return self.dataset / "metadata.jsonl"

    @property
    def corrections_path(self) -> Path:
        """Captions corrected by people."""
        return self.path / "review" / "captions.parquet"

    @property
    def _written_path(self) -> Path:
        return self.path / "review" / "written.parquet"

    @property
    def written_paths(self) -> tuple[Path, Path]:
        """The record of what was written to metadata.jsonl, and the record that is not settled yet."""
        return self._written_path, unsettled(self._written_path)

    def metadata_is_current(self) -> bool:
        """Whether metadata.jsonl was written or edited after all captions that the run should have."""
        if self.waiting():
            return False
        chunks = self.listing.chunks()
        newest = max((self.captions_path(chunk.number).stat().st_mtime_ns for chunk in chunks), default=0)
        return self.metadata_path.stat().st_mtime_ns >= newest

    def corrections(self) -> Corrections:
        """Captions corrected by people, including edits of metadata.jsonl that are not stored yet."""
        corrections = read_corrections(self.corrections_path)
        add_edits(corrections, self._written_path, self.metadata_path, self._photo_ids)
        return corrections

    def keep_corrections(self) -> int:
        """Store the captions edited by hand in metadata.jsonl, and return how many there are."""
        corrections = read_corrections(self.corrections_path)
        before = corrections.removed
        if new := add_edits(corrections, self._written_path, self.metadata_path, self._photo_ids):
            write_corrections(self.corrections_path, corrections)
        if removed := len(corrections.removed - before):
            text = "%d photo(s) whose lines were removed from %s stay out of data sets and exports. A line that is put "
            log.warning(text + "back brings its photo back", removed, self.metadata_path)
        return new

    def _photo_ids(self) -> list[str]:
        return [photo.photo_id for photo in self.photos()]

    def replace_corrections(self, corrections: Corrections) -> None:
        """Replace the stored corrections."""
        write_corrections(self.corrections_path, corrections)

    def written_texts(self) -> WrittenTexts:
        """The recorder of what is written to metadata.jsonl."""
        return WrittenTexts(self._written_path, self.wording)

    @property
    def wording(self) -> Wording:
        """How captions are written into data sets."""
        return Wording.of(self.settings.get("recipe", {}).get("captions", {}) if self.exists else {})

    def rows(self) -> Iterator[tuple[AnalysisRow, CaptionRow]]:
        """Every analysed photo with its captions (none if there are none yet), chunk by chunk.

        Corrections by people are applied. Captions made with other settings than run.toml's, which a stopped
        `t2f fuse` has not replaced yet, are left out, so that two kinds are never mixed. Photos that are gone, see
        `update_photos`, are left out as well.
        """
        corrections = self.corrections()
        for about in self.listing.chunks():
            chunk = about.number
            gone = {photo.photo_id for photo in self.listing.of(chunk) if photo.gone} if about.gone else ()
            if not self.analysis_path(chunk).is_file():
                continue
            captions, captioned = {}, self.is_captioned(chunk)
            if captioned:
                captions = {row.photo_id: row for row in tables.read_captions(self.captions_path(chunk))}
            for row in tables.read_analysis(self.analysis_path(chunk)):
                if row.photo_id in gone:
                    continue
                found = captions.get(row.photo_id, CaptionRow(row.photo_id))
                yield row, corrections.apply(found) if captioned and row.status == "ok" else found

    def state(self) -> str:
        """A text that changes whenever anything changes that data set, figures and report are made from."""
        digest = hashlib.blake2b(self.settings_path.read_bytes(), digest_size=16)
        corrections, metadata = self.corrections_path, self.metadata_path
        for path in (self.photos_path, corrections, metadata, *self.written_paths):
            digest.update(f"{state_of(path)}\0".encode())
        for chunk in self.listing.chunks():
            digest.update(f"{state_of(self.captions_path(chunk.number), self.analysis_path(chunk.number))}\0".encode())
        return digest.hexdigest()

    def waiting(self) -> int:
        """Number of photos that a stopped run or `t2f fuse` has not reached."""
        return sum(chunk.count for chunk in self.listing.chunks() if not self.is_captioned(chunk.number))

    def is_captioned(self, chunk: int) -> bool:
        """Whether the chunk has captions made with run.toml's settings, from the current analysis."""
        if not (self.analysis_path(chunk).is_file() and self.captions_path(chunk).is_file()):
            return False
        key = self.settings.get("keys", {}).get("captions") if self.exists else None
        return key is None or self.captions_are_done(chunk, key)


def _read_unfinished(path: Path, read: Callable[[Path], list[Row]]) -> list[Row]:
    """The finished part of a chunk; empty if the file is damaged, as it will be replaced anyway."""
    try:
        return read(path)
    except DamagedTable as error:
        log.warning("%s", error)
        return []


def _unfinished(shard: Path) -> Path:
    """Path of the finished part of an unfinished chunk."""
    return shard.with_name(f"_{shard.stem}.unfinished.parquet")  # readers of folders skip "_"

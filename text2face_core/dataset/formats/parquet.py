"""parquet: a table with captions, and with the images in it if wanted."""

from __future__ import annotations

import hashlib
import json
import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...contracts import CaptionedDataset
from ...errors import BadPhoto, SourceError
from ...images import DEFAULT_LIMITS
from ...records import Captions
from ..base import FIELDS, captions_of, check_inside
from ..images import ImageRef
from ..latents import Latent
from ..selection import ExportedPhoto, ExportJob, FormatWriter

if TYPE_CHECKING:
    import pyarrow as pa

USAGE = """\
Opens with `datasets.load_dataset("parquet", data_files="data.parquet")`, pandas, DuckDB or anything that reads parquet.
It has a row per photo; in `findings`, `value` is JSON text."""

ROWS = 100
"""Rows in a group: with images of 100 to 300 kB a reader holds some 30 MB at a time."""

KEPT_GROUPS = 4
LATENTS = "latent"
"""Column of the vectors from which a renderer made portraits."""
NAMES = ("photo_id", "file_name", "id", "__key__")
"""Columns that name a photo, the best first."""
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class ParquetImage(ImageRef):
    """An image in a column of a parquet file. `offset` is the row in the file, `row` the row in its row group."""

    group: int = 0
    row: int = 0
    column: str = "image"

    def content(self) -> bytes:
        """The encoded image. Raises BadPhoto if it is missing or larger than a photo may be."""
        with _LOCK:  # else threads that enter a row group together would each read all of it
            content = _images(self.path, self.group, self.column)[self.row]
        if not content:
            raise BadPhoto("unreadable: no image in this row")
        if len(content) > DEFAULT_LIMITS.max_bytes:
            raise BadPhoto(f"too large: {len(content) / 1e6:.0f} MB")
        return content


@lru_cache(maxsize=2)
def _images(path: str, group: int, column: str) -> list[bytes | None]:
    """The encoded images of a row group."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found: list[bytes | None] = file.read_row_group(group, columns=[f"{column}.bytes"])[column].to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BadPhoto(f"unreadable: {error}") from error
    return [one["bytes"] if isinstance(one, dict) else one for one in found]


class ParquetDataset(CaptionedDataset):
    """Rows of parquet files with captions in `text`, and images in a column or in files that `file_name` names.

    Captions are read again when asked, a row group at a time; in memory are the places of the rows.
    """

    def __init__(self, source: Path, files: Sequence[Path]) -> None:
        self.path = source
        self._files = [str(path) for path in files]
        self._columns: list[tuple[str, str, list[str]]] = []
        self._places = array("q")  # file, row group, row in the group and row in the file of each photo
        self._groups: OrderedDict[tuple[int, int], list[dict[str, Any]]] = OrderedDict()
        digest = hashlib.blake2b(digest_size=16)
        for number, path in enumerate(files):
            self._read(number, path, digest)
        self.fingerprint = digest.hexdigest()

    def __len__(self) -> int:
        return len(self._places) // 4

    def key(self, index: int) -> str:
        """The photo's id or file name, else its row."""
        number, _, _, at = self._place(index)
        row = self._row(index)
        name = next((str(row[name]) for name in NAMES if row.get(name)), f"row {at}")
        return name if len(self._files) == 1 else f"{Path(self._files[number]).name}/{name}"

    def captions(self, index: int) -> Captions:
        """The row's texts."""
        return captions_of(self._row(index))

    def image(self, index: int) -> ImageRef:
        """The row's image."""
        number, group, row, at = self._place(index)
        image, file_name, _ = self._columns[number]
        if not (image or file_name):
            raise SourceError(f"{self._files[number]} has no images, only the latents of synthetic portraits")
        if image:
            return ParquetImage(self._files[number], at, group=group, row=row, column=image)
        name = check_inside(str(self._row(index)[file_name]), f"row {at} of {self._files[number]}")
        return ImageRef(str(Path(self._files[number]).parent / name))

    def latent(self, index: int) -> Latent | None:
        """The row's latent, from the column `latent`; None without such a column."""
        number, group, row, _ = self._place(index)
        if LATENTS not in self._columns[number][2]:
            return None
        found = _latents(self._files[number], group)[row]
        return found if np.isfinite(found).all() else None

    def remedy(self) -> str:
        """What a row needs."""
        return "Each row needs a caption in the column text"

    def _place(self, index: int) -> tuple[int, int, int, int]:
        a, b, c, d = self._places[4 * index : 4 * index + 4]
        return a, b, c, d

    def _row(self, index: int) -> dict[str, Any]:
        number, group, row, _ = self._place(index)
        if (number, group) not in self._groups:
            self._groups[number, group] = _rows(self._files[number], group, self._columns[number][2])
            while len(self._groups) > KEPT_GROUPS:
                self._groups.popitem(last=False)
        return self._groups[number, group][row]

    def _read(self, number: int, path: Path, digest: hashlib.blake2b) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with pq.ParquetFile(path) as file:
                self._columns.append(_columns(path, file.schema_arrow))
                groups = file.num_row_groups
            at = 0
            for group in range(groups):
                for row, found in enumerate(_rows(str(path), group, self._columns[-1][2])):
                    if captions_of(found):
                        self._places.extend([number, group, row, at])
                        digest.update(repr(sorted(found.items())).encode("utf-8", "surrogatepass"))
                    else:
                        self.without_captions += 1
                    at += 1
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path} cannot be read as parquet ({error}). Fetch or export it again") from error


@lru_cache(maxsize=2)
def _latents(path: str, group: int) -> Latent:
    """(rows, D) float32: the latents of a row group. Raises SourceError if they differ in length."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        column = file.read_row_group(group, columns=[LATENTS])[LATENTS].combine_chunks()
    kinds = {pa.float16(): "<f2", pa.float32(): "<f4"}
    if not pa.types.is_fixed_size_list(column.type) or column.type.value_type not in kinds or column.null_count:
        raise SourceError(f"the column {LATENTS} of {path} must hold lists of one fixed length of float16 or float32")
    flat = column.flatten()
    kind = np.dtype(kinds[column.type.value_type])
    # not to_numpy(), which imports pandas
    values = np.frombuffer(flat.buffers()[1], kind, len(flat), flat.offset * kind.itemsize)
    return values.astype(np.float32).reshape(len(column), -1)


def _rows(path: str, group: int, columns: list[str]) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        wanted = [name for name in columns if name != LATENTS]
        rows: list[dict[str, Any]] = file.read_row_group(group, columns=wanted).to_pylist()
    return rows


def _columns(path: Path, schema: pa.Schema) -> tuple[str, str, list[str]]:
    """The column of images, else of file names, and those that are read for captions and keys."""
    import pyarrow as pa

    def holds_images(kind: pa.DataType) -> bool:
        return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)

    images = [field.name for field in schema if holds_images(field.type)]
    names = [name for name in ("file_name", "image") if name in schema.names and name not in images]
    texts = [name for name in FIELDS if name in schema.names]
    if not texts or not (images or names or LATENTS in schema.names):
        raise SourceError(
            f"{path} needs the columns text, and image (with bytes), file_name or latent; it has: "
            f"{', '.join(schema.names)}"
        )
    if not images and names and not (path.parent / "metadata.parquet").is_file() and "uri" in schema.names:
        raise SourceError(f"{path} is an export without images: export again without --no-images")
    others = [name for name in (*NAMES, "style") if name in schema.names]
    read = list(dict.fromkeys([*texts, *names, *others]))
    return "".join(images[:1]), "".join(names[:1]), [*read, *([LATENTS] if LATENTS in schema.names else [])]


def write(photos: Iterable[ExportedPhoto], folder: Path, job: ExportJob) -> None:
    """Write data.parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(images=job.settings.images, several=job.settings.captions == "all")
    with pq.ParquetWriter(folder / "data.parquet", schema, compression="zstd") as table:
        found = iter(photos)
        while rows := [_row(photo, images=job.settings.images) for photo in islice(found, ROWS)]:
            table.write_table(pa.Table.from_pylist(rows, schema))


def _row(photo: ExportedPhoto, *, images: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "photo_id": photo.photo_id,
        "uri": photo.row.uri,
        "file_name": photo.file_name,
        "text": photo.text,
        "findings": photo.findings,
    }
    if images:
        row["image"] = {"bytes": photo.picture.read_bytes(), "path": f"{photo.name}.jpg"}
    return row


def _schema(*, images: bool, several: bool) -> pa.Schema:
    """Columns, with a note by which the `datasets` library knows that `image` is a picture."""
    import pyarrow as pa

    text = pa.string()
    finding = pa.struct([("name", text), ("value", text), ("score", pa.float64()), ("source", text)])
    image = [("image", pa.struct([("bytes", pa.binary()), ("path", text)]))] if images else []
    columns = [
        ("photo_id", text),
        *image,
        ("text", pa.list_(text) if several else text),
        ("uri", text),
        ("file_name", text),
        ("findings", pa.list_(finding)),
    ]
    said = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = {name: said for name, _ in columns}
    features["findings"] = [
        {"name": said, "value": said, "score": {"dtype": "float64", "_type": "Value"}, "source": said}
    ]
    if several:
        features["text"] = [said]
    if images:
        features["image"] = {"_type": "Image"}
    return pa.schema(columns, metadata={"huggingface": json.dumps({"info": {"features": features}})})


WRITER = FormatWriter(write, USAGE, pictures=lambda settings: settings.images, names_sources=True)

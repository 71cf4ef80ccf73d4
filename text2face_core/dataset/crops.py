"""The data set of a run: a square crop of each portrait, and metadata.jsonl with its captions."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from ..contracts import Options
from ..errors import RunError
from ..images import dataset_square
from ..utils import explain, replacing, write_text

if TYPE_CHECKING:
    from ..records import AnalysisRow, CaptionRow, Portrait
    from ..run import RunDirectory

USAGE = 'Opens with `datasets.load_dataset("imagefolder", data_dir="…")`: `text` is what the captions say of `image`.'


class DatasetSettings(Options):
    """The pictures that a model is trained on.

    A square of twice the face's box shows the whole head with hair and hat, and the shoulders. The crops of FFHQ are
    1.3 to 1.5 boxes wide and cut off high hair; at 3 boxes most of the picture is clothing and background, which
    captions of faces say nothing about.
    """

    enabled: bool = Field(True, description="cut a square crop of each accepted photo into dataset/")
    size: int = Field(
        768, ge=16, le=65_000, description="longest side of a crop, in pixels; smaller crops are left as they are"
    )
    scale: float = Field(2.0, ge=1, description="side of the square, in longer sides of the face's box")
    quality: int = Field(95, ge=1, le=100, description="JPEG quality")


def save_crop(portrait: Portrait, path: Path, settings: DatasetSettings) -> None:
    """Write the portrait's square crop as a JPEG (RGB, no chroma subsampling).

    It is cut from the full photo, see `dataset_square`, and never enlarged. Nothing but pixels goes into the file: no
    EXIF, so neither place nor time nor camera. Equal pixels give equal bytes. The file is whole or not there, but not
    synced, which for each of many small files is slow. Raises RunError where it cannot be written.
    """
    import cv2
    import numpy as np
    from PIL import Image

    photo = portrait.photo
    x0, y0, x1, y1 = dataset_square(photo.width, photo.height, portrait.face, settings.scale)
    square = photo.pixels[y0:y1, x0:x1]
    if max(square.shape[:2]) > settings.size:
        # An area average costs a quarter of a Lanczos filter, which took as long as finding the face.
        shape = (settings.size, settings.size)
        square = np.asarray(cv2.resize(square, shape, interpolation=cv2.INTER_AREA), np.uint8)
    image = Image.fromarray(square)
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=settings.quality, subsampling="4:4:4")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(jpeg.getbuffer())
        temporary.replace(path)
    except OSError as error:
        raise RunError(explain(error, path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def pictured(run: RunDirectory) -> Iterator[tuple[AnalysisRow, CaptionRow]]:
    """The rows that make up the data set: accepted photos that have captions and a crop."""
    for row, captioned in run.rows():
        if row.status == "ok" and captioned.captions and has_content(run.image_path(row)):
            yield row, captioned


def has_content(path: Path) -> bool:
    """Whether `path` is a file with something in it; a power cut may leave an empty one."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def write_metadata(run: RunDirectory) -> int:
    """Write dataset/metadata.jsonl and the data set's card, and return how many photos are in the data set.

    A line per photo: {"file_name": "images/00000/ID.jpg", "text": [a caption, …], "photo_id": ID}, so that the
    folder opens with `datasets.load_dataset("imagefolder", data_dir=…)`. Nothing is written where no crop was ever cut.
    """
    if not run.dataset.is_dir():
        return 0
    count = 0
    with replacing(run.dataset / "metadata.jsonl") as temporary, temporary.open("wb") as file:
        for row, captioned in pictured(run):
            name = run.image_path(row).relative_to(run.dataset).as_posix()
            file.write(metadata_line(name, [caption.text for caption in captioned.captions], row.photo_id))
            count += 1
    write_text(run.dataset / "README.md", card(run, count, usage=USAGE, pictures=True))
    return count


def metadata_line(file_name: str, text: str | list[str], photo_id: str) -> bytes:
    """One line of metadata.jsonl, UTF-8, with its newline."""
    line = {"file_name": file_name, "text": text, "photo_id": photo_id}
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def card(
    run: RunDirectory,
    count: int,
    *,
    usage: str,
    pictures: bool,
    names_sources: bool = False,
    whole_run: bool = False,
    format: str = "",  # noqa: A002  the word of the command line
) -> str:
    """The data set's card in Markdown: what it is, how it was made, and what it must not be taken for.

    usage: how to open it. pictures: whether it holds crops. names_sources: whether it says where photos were read from.
    whole_run: whether photos without captions are in it too. format: of an export; empty for the run's own data set.
    """
    from ..utils import environment

    template = environment("modelcard").get_template("dataset.md.j2")
    text = template.render(
        count=count,
        settings=run.settings,
        recipe=run.settings.get("recipe", {}),
        usage=usage,
        pictures=pictures,
        names_sources=names_sources,
        whole_run=whole_run,
        format=format,
    )
    return text + "\n"

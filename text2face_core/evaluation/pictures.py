"""Images that any tool made, with the prompts they were made from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..dataset import open_dataset
from ..errors import NothingToDo, SourceError
from ..utils import parse_json

MANIFEST = "generated.jsonl"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_ENDS = ("\nNegative prompt:", "\nSteps:")


def read_captioned_images(folder: Path, limit: int | None = None) -> list[tuple[Path, str]]:
    """Every image of a folder with its prompt.

    Prompts come from generated.jsonl of `t2f generate`, else from a data set's captions (metadata.jsonl, metadata.csv,
    text files next to images, …; the first caption of each), else from the PNG texts "parameters" or "prompt", which
    text2face and the web user interfaces write.

    Raises SourceError if the folder cannot be read, NothingToDo if no image has a prompt.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder of images")
    if (folder / MANIFEST).is_file():
        found = list(_of_manifest(folder / MANIFEST))
    else:
        try:
            found = list(_of_dataset(folder))
        except SourceError as error:
            found = list(_of_pngs(folder))
            if not found:
                raise SourceError(f"no image of {folder} has a prompt: {error}") from error
    pictures = list(dict(found).items())[:limit]
    if not pictures:
        raise NothingToDo(f"no image of {folder} has a prompt")
    return pictures


def _of_manifest(path: Path) -> Iterator[tuple[Path, str]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = parse_json(line)
            name, text = entry["file_name"], entry["text"]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceError(f'line {number} of {path} has no "file_name" and "text": fix or remove it') from error
        if (path.parent / name).is_file():
            yield path.parent / name, str(text)


def _of_dataset(folder: Path) -> Iterator[tuple[Path, str]]:
    dataset = open_dataset(folder)
    for number in range(len(dataset)):
        image = dataset.image(number)
        if image.size is not None or image.offset or image.face is not None:
            raise SourceError(
                f"the images of {folder} are not files of their own: export them first, with t2f export --format "
                "imagefolder"
            )
        yield Path(image.path), dataset.captions(number)[0][0]


def _of_pngs(folder: Path) -> Iterator[tuple[Path, str]]:
    for path in sorted(one for one in folder.rglob("*") if one.suffix.lower() in SUFFIXES):
        if text := prompt_of_png(path):
            yield path, text


def prompt_of_png(path: Path) -> str:
    """The prompt that an image file records, "" if it records none."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            texts = {key: value for key, value in image.info.items() if isinstance(value, str)}
    except (OSError, ValueError, SyntaxError):  # PIL raises SyntaxError for a broken PNG
        return ""
    text = texts.get("prompt") or texts.get("parameters", "")
    for end in _ENDS:
        text = text.partition(end)[0]
    return text.strip() if not text.lstrip().startswith("{") else ""  # a JSON graph of nodes is not a prompt

"""PNG files of generated images: portable names, and how the image was made, in the file itself."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..utils import fingerprint, parse_json, replacing

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

    from ..contracts import GenerationRequest
    from ..records import Pixels
    from .generate import ImageSpec

LONGEST_SLUG = 48
END = b"\0\0\0\0IEND\xaeB`\x82"
"""The last bytes of any PNG."""
OWN = "text2face"
"""The text chunk that holds everything, as JSON."""


def image_record(request: GenerationRequest, identity: Mapping[str, str]) -> dict[str, Any]:
    """Everything that determines an image, and its "key", a digest of it."""
    record = {**identity, **asdict(request)}
    return {**record, "key": fingerprint(record)}


def slug(text: str) -> str:
    """The words of `text` in letters, digits and hyphens that any file system takes; never empty.

    >>> slug("A café-owner, 20/30 years old…")
    'a-cafe-owner-20-30-years-old'
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    words = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(words) > LONGEST_SLUG:
        words = words[: LONGEST_SLUG + 1].rpartition("-")[0] or words
    return words[:LONGEST_SLUG] or "picture"


def name_of(spec: ImageSpec, key: str) -> str:
    """The file's name: sorts by prompt, has at most 90 characters, and differs for each image.

    The leading number avoids names that Windows reserves; lower case avoids clashes where file systems ignore case.
    """
    mark = f"{slug(spec.mark)[:12]}-" if spec.mark else ""
    return f"{spec.prompt:05d}-{spec.number:02d}-{mark}{slug(spec.request.prompt)}-{key[:8]}.png"


def write_image(path: Path, pixels: Pixels, record: Mapping[str, Any]) -> None:
    """Write (H, W, 3) uint8 RGB with its metadata, atomically."""
    from PIL import Image

    with replacing(path) as temporary:
        # at 768 px this takes a third of the time of level 6, for 2 % more bytes
        Image.fromarray(pixels).save(temporary, "PNG", pnginfo=_texts(record), compress_level=4)


def read_record(path: Path) -> dict[str, Any]:
    """Read how an image was made from its file; empty if the file is not ours, or incomplete."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            found = parse_json(getattr(image, "text", {}).get(OWN, "{}"))
    except (OSError, ValueError, SyntaxError):  # PIL raises SyntaxError for a broken PNG
        return {}
    return found if isinstance(found, dict) else {}


def is_there(path: Path, key: str) -> bool:
    """Whether the image has been generated already and its file is complete."""
    if not path.is_file() or read_record(path).get("key") != key:
        return False
    with path.open("rb") as file:
        file.seek(-len(END), 2)
        return file.read() == END


def _texts(record: Mapping[str, Any]) -> PngInfo:
    """The metadata as PNG texts: each field, all of them as JSON, and the `parameters` that web interfaces read."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", _clean(parameters(record)))
    for name, fact in record.items():
        if fact != "":
            info.add_text(name, _clean(str(fact)))
    info.add_text(OWN, json.dumps(record))
    info.add_text("Software", f"text2face {__version__}")
    return info


def parameters(record: Mapping[str, Any]) -> str:
    """The metadata in the format of AUTOMATIC1111's web interface, which many tools show and read.

    https://github.com/AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py.
    """
    fields = {
        "Steps": record["steps"],
        "Sampler": record.get("sampler"),
        "CFG scale": record["guidance"],
        "Seed": record["seed"],
        "Size": f"{record['width']}x{record['height']}",
        "Model": record.get("base"),
        "Model revision": record.get("revision"),
        "Lora": record.get("lora"),
        "Lora scale": record["scale"] if record.get("lora") else None,
        "Lora hashes": f"{record['lora']}: {record.get('lora_sha256', '')[:12]}" if record.get("lora") else None,
        "Version": f"text2face {__version__}",
    }
    listed = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in fields.items() if value not in {None, ""})
    negative = [f"Negative prompt: {record['negative']}"] if record["negative"] else []
    return "\n".join([record["prompt"], *negative, listed])


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _clean(text: str) -> str:
    """Replace what a PNG text cannot hold: it ends at the first NUL, and folder names may hold invalid Unicode."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()

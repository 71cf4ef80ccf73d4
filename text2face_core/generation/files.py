"""PNG files of drawn pictures: names that every system takes, and all that made the picture in the file itself."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..utils import fingerprint, replacing

if TYPE_CHECKING:
    from PIL.PngImagePlugin import PngInfo

    from ..contracts import DrawRequest
    from ..records import Pixels
    from .generate import Picture

LONGEST_SLUG = 48
END = b"\0\0\0\0IEND\xaeB`\x82"
"""The last bytes of any PNG."""
OWN = "text2face"
"""The text chunk that holds everything, as JSON."""


def facts(request: DrawRequest, identity: Mapping[str, str]) -> dict[str, Any]:
    """Everything that a picture was made from, and its "key", which changes with any of it."""
    told = {**identity, **asdict(request)}
    return {**told, "key": fingerprint(told)}


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


def name_of(picture: Picture, key: str) -> str:
    """The file's name: in the order of prompts, of at most 90 characters, another one for any other picture.

    The number in front keeps it off the names that Windows reserves, lower case off clashes where case does not count.
    """
    mark = f"{slug(picture.mark)[:12]}-" if picture.mark else ""
    return f"{picture.prompt:05d}-{picture.number:02d}-{mark}{slug(picture.request.prompt)}-{key[:8]}.png"


def write(path: Path, pixels: Pixels, told: Mapping[str, Any]) -> None:
    """Write (H, W, 3) uint8 RGB with the facts, atomically."""
    from PIL import Image

    with replacing(path) as temporary:
        # at 768 px a third of the time of level 6, for 2 % more bytes
        Image.fromarray(pixels).save(temporary, "PNG", pnginfo=_texts(told), compress_level=4)


def read_facts(path: Path) -> dict[str, Any]:
    """What a picture says of how it was made; nothing where it is none of ours, or not whole."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            found = json.loads(getattr(image, "text", {}).get(OWN, "{}"))
    except (OSError, ValueError, SyntaxError):  # PIL raises SyntaxError for a broken PNG
        return {}
    return found if isinstance(found, dict) else {}


def is_there(path: Path, key: str) -> bool:
    """Whether the picture was drawn before, and is whole."""
    if not path.is_file() or read_facts(path).get("key") != key:
        return False
    with path.open("rb") as file:
        file.seek(-len(END), 2)
        return file.read() == END


def _texts(told: Mapping[str, Any]) -> PngInfo:
    """Each fact as a text of its own, all of them as JSON, and the `parameters` that web user interfaces read."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", _clean(parameters(told)))
    for name, fact in told.items():
        if fact != "":
            info.add_text(name, _clean(str(fact)))
    info.add_text(OWN, json.dumps(told))
    info.add_text("Software", f"text2face {__version__}")
    return info


def parameters(told: Mapping[str, Any]) -> str:
    """The facts in the form that AUTOMATIC1111's web user interface began, and many tools show and read.

    https://github.com/AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py.
    """
    fields = {
        "Steps": told["steps"],
        "Sampler": told.get("sampler"),
        "CFG scale": told["guidance"],
        "Seed": told["seed"],
        "Size": f"{told['width']}x{told['height']}",
        "Model": told.get("base"),
        "Model revision": told.get("revision"),
        "Lora": told.get("lora"),
        "Lora scale": told["scale"] if told.get("lora") else None,
        "Lora hashes": f"{told['lora']}: {told.get('lora_sha256', '')[:12]}" if told.get("lora") else None,
        "Version": f"text2face {__version__}",
    }
    said = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in fields.items() if value not in {None, ""})
    negative = [f"Negative prompt: {told['negative']}"] if told["negative"] else []
    return "\n".join([told["prompt"], *negative, said])


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:\n"]', value) else value


def _clean(text: str) -> str:
    """Texts of a PNG end at the first NUL; names of folders may hold what is no Unicode."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()

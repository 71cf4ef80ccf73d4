"""Names of image formats that cannot be decoded, from a file's first bytes."""

from __future__ import annotations

from typing import Literal

# Common formats that Pillow does not read, by the bytes from the fourth on.
_FOREIGN = {
    **dict.fromkeys((b"ftyphe", b"ftypmif1", b"ftypmsf1"), "HEIC"),
    b"JXL \r\n\x87\n": "JPEG XL",
}
# Signatures of cameras' RAW formats that are not TIFF; of CR3, from the fourth byte on.
_RAW_SIGNATURES = {
    b"FUJIFILMCCD-RAW": "RAF",
    b"IIRO": "ORF",
    b"IIRS": "ORF",
    b"MMOR": "ORF",
    b"IIU\0": "RW2",
    b"FOVb": "X3F",
    b"\0MRM": "MRW",
    b"ftypcrx ": "CR3",
}


def foreign_kind(content: bytes) -> str:
    """Name of a known format that cannot be decoded; empty for others."""
    if content.startswith(b"\xff\x0a"):  # a bare codestream, without a box around it
        return "JPEG XL"
    return next((kind for signature, kind in _FOREIGN.items() if content.startswith(signature, 4)), "")


def raw_kind(content: bytes) -> str:
    """Name of a camera's RAW format; empty for others.

    Most are TIFF files whose first image is a preview. DNG is recognised by a tag; CR2 and the others by their
    signature, or by a first image of reduced size next to others (SubIFDs).
    """
    for start, kind in _RAW_SIGNATURES.items():
        if content.startswith(start) or (kind == "CR3" and content.startswith(start, 4)):
            return kind
    if content[8:10] == b"CR" and content[:4] == b"II*\0":
        return "CR2"
    tags = _first_tags(content)
    if 0xC612 in tags:
        return "DNG"
    return "camera RAW" if tags.get(254, 0) & 1 and 330 in tags else ""


def _first_tags(content: bytes) -> dict[int, int]:
    """Tags of a TIFF file's first image with their values, as far as these fit into the table itself."""
    order: Literal["little", "big"] = "little" if content[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(content[at : at + size], order)

    if content[:2] not in {b"II", b"MM"} or number(2, 2) != 42:
        return {}
    at = number(4, 4)
    entries = range(at + 2, min(at + 2 + 12 * number(at, 2), len(content) - 11), 12)
    return {number(entry, 2): number(entry + 8, 2 if number(entry + 2, 2) == 3 else 4) for entry in entries}

"""Colours of PNG files with a cICP chunk: coding-independent code points -> sRGB.

PNG specification, 3rd edition, 11.3.2.6; code points, primaries and transfer functions: ITU-T H.273, BT.2100. PQ and
HLG are shown as on a display whose white is the reference white of BT.2408 (203 cd/m²); what is brighter becomes white.
BT.709's curve counts as sRGB's, as in most viewers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ..records import Pixels

Table = npt.NDArray[np.float32]
Signal = npt.NDArray[np.float64]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_WHITE = 203.0  # cd/m²
_D65 = (0.3127, 0.3290)
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
# x and y of red, green and blue, of those with the white of sRGB.
_PRIMARIES = {
    1: _BT709,
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


@dataclass(frozen=True, slots=True)
class CodePoints:
    """What a cICP chunk says: H.273's colour primaries and transfer characteristics, and whether black is 0, not 16."""

    primaries: int
    transfer: int
    full_range: bool = True


def read_cicp(content: bytes) -> CodePoints | None:
    """The code points of a PNG file, which overrule its ICC profile and gamma; None without any that are known."""
    at = len(_SIGNATURE)
    if not content.startswith(_SIGNATURE):
        return None
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if kind == b"IDAT":
            return None
        if kind == b"cICP":
            if length != 4 or len(content) < at + 12:
                return None
            primaries, transfer, matrix, full_range = content[at + 8 : at + 12]
            is_known = primaries in _PRIMARIES and transfer in _LIGHT and matrix == 0
            return CodePoints(primaries, transfer, bool(full_range)) if is_known else None
        at += 12 + length
    return None


def to_srgb(pixels: Pixels, points: CodePoints) -> Pixels:
    """(H, W, 3) uint8 with these code points -> (H, W, 3) uint8 sRGB; colours outside of sRGB are clipped."""
    light, turn, encode = _tables(points)
    linear = light[pixels] @ turn.T
    return encode[(linear * (len(encode) - 1) + 0.5).clip(0, len(encode) - 1).astype(np.uint16)]


def changes_nothing(points: CodePoints) -> bool:
    """Whether these code points are those of sRGB."""
    return points.primaries == 1 and points.transfer in _SRGB_CURVES and points.full_range


@lru_cache(maxsize=8)
def _tables(points: CodePoints) -> tuple[Table, Table, Pixels]:
    """Light by sample (256,), the matrix to sRGB's primaries (3, 3), and samples by light (65536,)."""
    signal = np.arange(256, dtype=np.float64) / 255
    if not points.full_range:
        signal = ((signal * 255 - 16) / 219).clip(0, 1)
    turn = np.linalg.inv(_to_xyz(_BT709)) @ _to_xyz(_PRIMARIES[points.primaries])
    even = np.arange(65536) / 65535
    encoded = np.where(even <= 0.0031308, 12.92 * even, 1.055 * even ** (1 / 2.4) - 0.055)
    values = _LIGHT[points.transfer](signal)
    return values.astype(np.float32), turn.astype(np.float32), (encoded * 255 + 0.5).astype(np.uint8)


def _srgb(signal: Signal) -> Signal:
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4)


def _pq(signal: Signal) -> Signal:
    """SMPTE ST 2084."""
    root = signal ** (32 / 2523)
    bright = (root - 3424 / 4096).clip(0) / (2413 / 128 - 2392 / 128 * root)
    return np.asarray(bright ** (16384 / 2610) * 10_000 / _WHITE)


def _hlg(signal: Signal) -> Signal:
    """BT.2100, on a display of 1000 cd/m²."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(scene**1.2 * 1_000 / _WHITE)


_SRGB_CURVES = (1, 6, 13, 14, 15)
_LIGHT: dict[int, Callable[[Signal], Signal]] = {
    **dict.fromkeys(_SRGB_CURVES, _srgb),
    4: lambda signal: signal**2.2,
    5: lambda signal: signal**2.8,
    8: lambda signal: signal,
    16: _pq,
    18: _hlg,
}
"""Light, of which 1 is white, by signal, for each transfer characteristic."""


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> npt.NDArray[np.float64]:
    """The matrix (3, 3) from linear RGB with these primaries and the white D65 to XYZ: SMPTE RP 177."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    x, y = _D65
    return np.asarray(columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y])))

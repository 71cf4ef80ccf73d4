"""Other views of an aligned face: turned, zoomed, shifted, mirrored, in other light, blurred, partly covered."""

import cv2
import numpy as np

from .prepare import MARGIN, STORED

TURN, ZOOM, SHIFT, STRETCH = 9.0, 0.13, 0.04, 0.05
"""Degrees, and shares of the side: standard deviations are half of these, which are the limits at two of them."""


def view(side: int, turn: float = 0.0, zoom: float = 1.0, stretch: float = 1.0, shift: tuple[float, float] = (0, 0)):
    """(2, 3) float64, takes stored pixels to those of a crop of `side` pixels; shift in units of the side."""
    scale = side * MARGIN / STORED * zoom
    turned = cv2.getRotationMatrix2D((0, 0), turn, scale)[:, :2] @ np.diag([stretch, 1 / stretch])
    middle = (side - 1) / 2 + np.array(shift) * side
    return np.column_stack([turned, middle - turned @ np.full(2, (STORED - 1) / 2)])


def cut(image: np.ndarray, matrix: np.ndarray, side: int) -> np.ndarray:
    """(side, side, 3) uint8; the stored image's edge is repeated outside it."""
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def augment(image: np.ndarray, side: int, random: np.random.Generator) -> np.ndarray:
    """A random view of a stored image, (side, side, 3) uint8."""
    turn, zoom, stretch, x, y = np.clip(random.normal(size=5) / 2, -1, 1)
    matrix = view(side, turn * TURN, 1 + zoom * ZOOM, 1 + stretch * STRETCH, (x * SHIFT, y * SHIFT))
    if random.random() < 0.5:
        matrix = np.array([[-1, 0, side - 1], [0, 1, 0]], np.float64) @ np.vstack([matrix, [0, 0, 1]])
    face = _light(cut(image, matrix, side), random)
    if random.random() < 0.15:
        face = _coarse(face, random)
    if random.random() < 0.05:
        face = np.clip(face + random.normal(0, random.uniform(2, 10), face.shape), 0, 255).astype(np.uint8)
    if random.random() < 0.05:
        face = _covered(face, random)
    return face


def _light(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, tint; now and then grey."""
    if random.random() < 0.05:
        face = cv2.cvtColor(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    levels = np.arange(256, dtype=np.float64)[:, None] / 255
    gamma = np.exp(random.normal(0, 0.2))
    gain = np.exp(random.normal(0, 0.12)) * np.exp(random.normal(0, 0.04, 3))
    table = (levels**gamma - 0.5) * gain + 0.5 + random.normal(0, 0.05)
    return cv2.LUT(face, np.clip(table * 255, 0, 255).astype(np.uint8)[None])


def _coarse(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """As from a smaller or a blurred photo."""
    side = face.shape[0]
    small = max(16, round(side * random.uniform(0.35, 0.9)))
    less = cv2.resize(face, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(less, (side, side), interpolation=cv2.INTER_LINEAR)


def _covered(face: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A patch of uniform colour at a random place."""
    side = face.shape[0]
    width, height = (random.uniform(0.1, 0.35, 2) * side).astype(int)
    x, y = (int(random.integers(0, side - extent)) for extent in (width, height))
    face = face.copy()
    face[y : y + height, x : x + width] = random.integers(0, 256, 3)
    return face

"""Drawn faces, the same everywhere to the last bit."""

from __future__ import annotations

import numpy as np

from text2face_core import Face, Photo, Portrait


def cartoon(number: int, side: int) -> np.ndarray:
    """A drawn face, (side, side, 3) uint8 RGB, in whole-number arithmetic: the same everywhere, to the last bit."""
    y, x = np.mgrid[:side, :side]
    skin = np.array([(224, 172, 140), (141, 85, 60), (198, 134, 92), (250, 220, 200)][number % 4])
    hair = np.array([(40, 26, 13), (180, 140, 70), (120, 120, 120)][number % 3])

    def oval(cx, cy, rx, ry):
        return (64 * x - cx * side) ** 2 * ry**2 + (64 * y - cy * side) ** 2 * rx**2 < (rx * ry * side) ** 2

    image = np.empty((side, side, 3), np.int64)
    image[:] = (90 + 17 * number) % 256
    image[oval(32, 26, 29 + number % 3, 30)] = hair
    image[oval(32, 34, 21 + number % 4, 28)] = skin
    for eye in (20, 44):
        image[oval(eye, 19, 6, 3 + number % 2)] = (250, 250, 250)
        image[oval(eye, 19, 3, 3)] = (30, 20, 10 + 20 * number)
        image[oval(eye, 12, 8, 1 + number % 3)] = hair
    image[oval(32, 32, 4, 6)] = skin * 7 // 8
    image[oval(32, 44, 9 + number % 5, 3)] = (170, 60 + 8 * number, 70)
    shade = (x * 48 // side) + (y * 16 // side) - 32 + (x * 7 + y * 13 + x * y) % (3 + number)
    return np.clip(image + shade[..., None], 0, 255).astype(np.uint8)


def boxed(number: int, side: int, scale: float) -> Portrait:
    """The drawn face as a photo of `side` px that is exactly the square of `scale` boxes around the face's middle."""
    middle, half = side / 2, side / scale / 2
    box = np.array([middle - half, middle - half, middle + half, middle + half], np.float32)
    landmarks = np.array([(0.3, 0.3), (0.7, 0.3), (0.5, 0.5), (0.35, 0.7), (0.65, 0.7)], np.float32) * side
    return Portrait(Photo("0" * 16, "cartoon.png", cartoon(number, side)), Face(box, landmarks, 0.9))

"""The example photos as portraits, without a detector: where it found their landmarks is written down."""

import tomllib

import numpy as np
from PIL import Image

from support.paths import ROOT
from text2face_core import Face, Photo, Portrait

LANDMARKS = tomllib.loads(
    (ROOT / "tests" / "plugins" / "starter" / "starter_landmarks.toml").read_text(encoding="utf-8")
)


def face_of(landmarks: np.ndarray) -> Face:
    """A face with these landmarks, (5, 2) in pixels; its box is higher than wide."""
    eyes, mouth = landmarks[:2].mean(axis=0), landmarks[3:].mean(axis=0)
    unit = float(np.hypot(*(mouth - eyes)))
    middle = eyes + 0.45 * (mouth - eyes)
    box = np.concatenate([middle - unit * np.array([1.0, 1.35]), middle + unit * np.array([1.0, 1.35])])
    return Face(box.astype(np.float32), landmarks.astype(np.float32), 0.99)


def portrait(name: str) -> Portrait:
    """One of the example photos."""
    pixels = np.asarray(Image.open(ROOT / "examples" / "photos" / f"{name}.jpg").convert("RGB"))
    size = np.array([pixels.shape[1], pixels.shape[0]])
    return Portrait(Photo(name, name, pixels), face_of(np.array(LANDMARKS[name]) * size))


def cut(whole: Portrait, left: int, top: int, right: int, bottom: int) -> Portrait:
    """What lies between these edges."""
    face = whole.face
    moved = Face(face.box - np.array([left, top] * 2, np.float32), face.landmarks - np.float32([left, top]), face.score)
    pixels = np.ascontiguousarray(whole.photo.pixels[top:bottom, left:right])
    return Portrait(Photo(f"{whole.photo.photo_id} cut", "", pixels), moved)


def portraits() -> list[Portrait]:
    """All of them, and two that are cut so that squares reach past their edges."""
    whole = [portrait(name) for name in sorted(LANDMARKS)]
    return [*whole, cut(whole[0], 150, 180, 500, 560), cut(whole[6], 0, 90, 640, 590)]

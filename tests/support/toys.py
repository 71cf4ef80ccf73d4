"""A plugin for tests: faces are magenta squares, their shade of red is their "age". Real work, no weights."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from text2face_core import (
    Component,
    Detector,
    Extractor,
    Face,
    Filter,
    Finding,
    Fuser,
    FusionRequest,
    Options,
    Portrait,
    Rejection,
    Runtime,
    hookimpl,
)
from text2face_core.errors import UsageError

FACE = (250, 0, 250)


def draw_photo(path: Path, faces: Sequence[tuple[int, int, int]] = ((60, 40, 80),), age: int = 30) -> Path:
    """A grey photo of 240 × 180 with a magenta square for each (x, y, side)."""
    image = Image.new("RGB", (240, 180), (90, 90, 90))
    for x, y, side in faces:
        image.paste((FACE[0], age, FACE[2]), (x, y, x + side, y + side))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **({"quality": 95} if path.suffix in {".jpg", ".jpeg"} else {}))
    return path


def crash(stage: str, ages: Iterable[float]) -> None:
    """End this process as T2F_TOY_CRASH says: a stage, an age, and a signal's name or an exit code."""
    where, _, rest = os.environ.get("T2F_TOY_CRASH", "").partition(" ")
    age, _, how = rest.partition(" ")
    if where == stage and any(int(age) == round(one) for one in ages):
        os.kill(os.getpid(), signal.Signals[how]) if how.startswith("SIG") else os._exit(int(how))


class SquareDetector(Detector):
    def detect(self, images):
        crash(
            "detector", (float(np.median(image[..., 1][image[..., 0] > 180])) for image in images if image.max() > 180)
        )
        return [self._faces(image) for image in images]

    @staticmethod
    def _faces(image):
        import cv2

        mask = ((image[..., 0] > 180) & (image[..., 1] < 130) & (image[..., 2] > 180)).astype(np.uint8)
        faces = []
        for x, y, width, height, area in cv2.connectedComponentsWithStats(mask)[2][1:]:
            if area < 50:
                continue
            corner, size = np.array([x, y], np.float32), np.array([width, height], np.float32)
            marks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
            faces.append(Face(np.concatenate([corner, corner + size]), corner + marks * size, 1.0))
        return faces


class ToyOptions(Options):
    factor: float = 1.0
    broken_at: int = -1
    crash_at: int = -1
    ends_at: int = -1


class ShadeExtractor(Extractor):
    def __init__(self, options: ToyOptions) -> None:
        self.options = options

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        return [self._read(portrait) for portrait in portraits]

    def _read(self, portrait: Portrait) -> list[Finding]:
        x0, y0, x1, y1 = portrait.face.box.astype(int)
        age = float(np.median(portrait.photo.pixels[y0:y1, x0:x1, 1])) * self.options.factor
        crash("extractor", [age])
        if round(age) == self.options.crash_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if round(age) == self.options.ends_at:
            raise UsageError("this age ends the toy")
        if round(age) == self.options.broken_at:
            raise ValueError("this age breaks the toy")
        return [Finding("age", round(age, 1), 0.9), Finding("gender", "female" if age % 2 else "male", 0.95)]


class LeftFilter(Filter):
    def judge(self, portraits: Sequence[Portrait]) -> list[Rejection | None]:
        return [Rejection("the face is on the right") if p.face.box[0] > 120 else None for p in portraits]


class EchoFuser(Fuser):
    def fuse(self, requests: Sequence[FusionRequest]) -> list[list[str]]:
        return [
            [f"Toy {request.style} {request.number}: " + ", ".join(item.phrase for item in request.bag.items)]
            for request in requests
        ]


def _made(role: type):
    def build(options: Options, runtime: Runtime):
        return role(options) if role is ShadeExtractor else role()

    return build


@hookimpl
def t2f_detectors() -> Iterable[Component]:
    yield Component("toy", _made(SquareDetector), summary="magenta squares")


@hookimpl
def t2f_filters() -> Iterable[Component]:
    yield Component("toy.left", _made(LeftFilter), summary="faces on the left")


@hookimpl
def t2f_extractors() -> Iterable[Component]:
    yield Component("toy.shade", _made(ShadeExtractor), ToyOptions, provides=("age", "gender"), summary="shade of red")


@hookimpl
def t2f_fusers() -> Iterable[Component]:
    yield Component("toy.echo", _made(EchoFuser), summary="the bag's phrases")

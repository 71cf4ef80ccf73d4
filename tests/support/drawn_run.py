"""A finished run over photos that are drawn here, for tests of its report and its figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from text2face_core.records import AnalysisRow, Bag, BagItem, Caption, CaptionRow, Face, Finding, PhotoRef, Status
from text2face_core.run.directory import RunDirectory
from text2face_core.sources import uri_of

GROUND, SKIN, MARK = (40, 90, 160), (225, 185, 155), (255, 0, 0)
HOSTILE = "<img src=x onerror=alert(1)> \"&'\nnext.jpg"
WORDS = {"smiling": "smiling", "eyeglasses": "eyeglasses", "female": "woman", "male": "man"}


@dataclass
class Drawn:
    """One photo of the run; `exists` says whether its file is left in place."""

    name: str
    status: Status = "ok"
    reason: str = ""
    gender: str = "female"
    age: float = 34.0
    present: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    size: tuple[int, int] = (400, 300)
    exists: bool = True
    missed: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()
    texts: tuple[str, ...] = field(default=())

    @property
    def face(self) -> Face:
        """A face of 100 by 140 pixels in a photo of 400 by 300; in others as large a part."""
        scale = np.float32(self.size) / np.float32([400, 300])
        marks = np.float32([[210, 120], [250, 120], [230, 150], [214, 178], [246, 178]]) * scale
        return Face((np.float32([[180, 80], [280, 220]]) * scale).reshape(4), marks, 0.97)


PHOTOS = (
    Drawn("ann.jpg", present=("smiling",), absent=("eyeglasses",)),
    Drawn("bob.png", gender="male", age=61.4, present=("eyeglasses",), absent=("smiling",), missed=("eyeglasses",)),
    Drawn(
        HOSTILE,
        age=8.0,
        absent=("smiling", "eyeglasses"),
        invented=("wearing_hat",),
        texts=("A photo of someone: 8 years old, woman, in a hat.", "8-year-old woman."),
    ),
    Drawn("gone.jpg", gender="male", age=63.0, absent=("smiling",), exists=False),
    Drawn("two.jpg", "rejected", "2 faces"),
    Drawn("three.jpg", "rejected", "3 faces"),
    Drawn("text.jpg", "failed", "not an image"),
)


def draw(photo: Drawn, path: Path, orientation: int = 1) -> None:
    """A face with red landmarks; stored turned, with an EXIF orientation that undoes it, where one is given."""
    image = Image.new("RGB", photo.size, GROUND)
    pencil = ImageDraw.Draw(image)
    pencil.ellipse(tuple(photo.face.box.tolist()), fill=SKIN)
    reach = photo.face.size / 20
    for x, y in photo.face.landmarks.tolist():
        pencil.ellipse((x - reach, y - reach, x + reach, y + reach), fill=MARK)
    exif = Image.Exif()
    if orientation == 6:  # "turn me 90 degrees clockwise"
        image = image.transpose(Image.Transpose.ROTATE_90)
        exif[0x0112] = 6
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, exif=exif)


def make_run(path: Path, photos: tuple[Drawn, ...] = PHOTOS, chunk_size: int = 3) -> RunDirectory:
    """The run in `path`, its photos in the folder "photos" beside it."""
    folder = path.parent / "photos"
    named = {f"{number:016x}": photo for number, photo in enumerate(photos)}
    for photo in photos:
        if photo.status == "failed":
            (folder / photo.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / photo.name).write_text("no photo")
        elif photo.exists:
            draw(photo, folder / photo.name)
    run = RunDirectory(path)
    run.write_settings({"recipe": {"detector": "toy", "note": "</pre><b>bold</b>"}})
    run.add_photos((PhotoRef(photo_id, uri_of(folder / photo.name)) for photo_id, photo in named.items()), chunk_size)
    for chunk, refs in run.chunks().items():
        rows = [_row(ref.photo_id, ref.uri, chunk, named[ref.photo_id]) for ref in refs]
        run.commit_analysis(chunk, rows, "key")
        run.commit_captions(chunk, [_captions(ref.photo_id, named[ref.photo_id]) for ref in refs], "key")
    return run


def _row(photo_id: str, uri: str, chunk: int, photo: Drawn) -> AnalysisRow:
    width, height = (0, 0) if photo.status == "failed" else photo.size
    if photo.status != "ok":
        return AnalysisRow(photo_id, uri, chunk, photo.status, photo.reason, width, height)
    sure = {"female": 0.9 if photo.gender == "female" else 0.1, "male": 0.9 if photo.gender == "male" else 0.1}
    findings = (
        Finding("age", photo.age, 0.5, "toy.age", {"spread": 4.25}),
        Finding("gender", photo.gender, 0.9, "toy.gender", sure),
        *(Finding(name, True, 0.8, "toy.looks") for name in photo.present),
        *(Finding(name, False, 0.7, "toy.looks") for name in photo.absent),
    )
    return AnalysisRow(photo_id, uri, chunk, "ok", "", width, height, photo.face, findings)


def _captions(photo_id: str, photo: Drawn) -> CaptionRow:
    if photo.status != "ok":
        return CaptionRow(photo_id)
    items = [
        BagItem("age", photo.age, f"{photo.age:.0f} years old", "F1"),
        BagItem("gender", photo.gender, WORDS.get(photo.gender, photo.gender), "F1"),
        *(BagItem(name, True, WORDS[name], "F2") for name in photo.present),
    ]
    bag = Bag(tuple(items))
    mentioned = tuple(name for name in bag.names if name not in photo.missed)
    said = ", ".join(item.phrase for item in items if item.name in mentioned)
    texts = photo.texts or (
        f"A photo of someone: {said}.",
        f"{photo.age:.0f}-year-old {WORDS.get(photo.gender, photo.gender)}.",
    )
    fusers = ("toy.echo", "toy.plain")
    return CaptionRow(
        photo_id,
        tuple(
            Caption(text, fuser, style, 1, bag, mentioned, photo.missed, photo.invented)
            for text, fuser, style in zip(texts, fusers * len(texts), ("long", "short") * len(texts), strict=False)
        ),
    )

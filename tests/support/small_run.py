"""A run directory as a run leaves it, made at once: for tests of what comes after a run."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from text2face_core.dataset import DatasetSettings, save_crop, write_metadata
from text2face_core.records import (
    AnalysisRow,
    Bag,
    BagItem,
    Caption,
    CaptionRow,
    Face,
    Finding,
    Photo,
    PhotoRef,
    Portrait,
)
from text2face_core.run.directory import RunDirectory

RECIPE: dict[str, Any] = {
    "name": "starter",
    "seed": 7,
    "detector": "yunet",
    "extractors": ["agegender", "photo"],
    "fuser": "phrasebook",
    "dataset": {"enabled": True, "size": 96, "scale": 2.0, "quality": 95},
}
BAG = Bag((BagItem("age", 34.0, "34 years old", "F1"), BagItem("emotion", "happy", "happy", "F2")))


def photo_id(number: int) -> str:
    return f"{number:016x}"


def face(x0: float, y0: float, x1: float, y1: float) -> Face:
    marks = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    corner, far = np.array([x0, y0], np.float32), np.array([x1, y1], np.float32)
    return Face(np.concatenate([corner, far]), corner + marks * (far - corner), 0.9)


def portrait(number: int, width: int = 200, height: int = 150) -> Portrait:
    """An oval on a ground of its own colour."""
    image = Image.new("RGB", (width, height), (number * 20 % 256, 80, 160))
    ImageDraw.Draw(image).ellipse((70, 40, 120, 100), fill=(220, 180, 150))
    return Portrait(Photo(photo_id(number), f"photo {number}.jpg", np.asarray(image)), face(70, 40, 120, 100))


def findings(number: int) -> tuple[Finding, ...]:
    return (
        Finding("age", 20.0 + number, 0.5, "agegender", {"spread": 4.5}),
        Finding("gender", "female", 0.75, "agegender"),
        Finding("monochrome", False, 1.0, "photo"),
    )


def captions(texts: Sequence[str]) -> tuple[Caption, ...]:
    return tuple(Caption(text, "phrasebook", "short", 1, BAG, ("age",), ("emotion",), ()) for text in texts)


def make_run(path: Path, texts: Sequence[Sequence[str]] | None = None, *, crops: bool = True) -> RunDirectory:
    """Chunks of three photos: accepted ones with the captions given (by default four photos with three each), then a
    rejected one and a failed one. Photo 1 comes from a path with about every character that a path may have.
    """
    texts = [[f"Caption {n} of photo {p}." for n in range(3)] for p in range(4)] if texts is None else texts
    run = RunDirectory(path)
    uris = {1: "/home/ada/Zoë's 50% #1/a b\nc 日本 [x].jpg"}
    refs = [PhotoRef(photo_id(n), uris.get(n, f"/photos/{n}.jpg"), 0) for n in range(len(texts) + 2)]
    run.write_settings({"text2face": "0.1.0", "seed": 7, "recipe": {**RECIPE}})
    run.add_photos(refs, 3)
    for chunk, photos in run.chunks().items():
        rows, captioned = [], []
        for ref in photos:
            number = int(ref.photo_id, 16)
            row, said = _row(ref, number, len(texts)), texts[number] if number < len(texts) else ()
            rows.append(row)
            captioned.append(CaptionRow(ref.photo_id, captions(said)))
            if crops and row.status == "ok":
                save_crop(portrait(number), run.image_path(row), DatasetSettings(size=96))
        run.commit_analysis(chunk, rows, "a key")
        run.commit_captions(chunk, captioned, "a key")
    write_metadata(run)
    return run


def _row(ref: PhotoRef, number: int, accepted: int) -> AnalysisRow:
    if number == accepted:
        return AnalysisRow(ref.photo_id, ref.uri, ref.chunk, "rejected", "2 faces", 200, 150)
    if number > accepted:
        return AnalysisRow(ref.photo_id, ref.uri, ref.chunk, "failed", "empty file")
    one = portrait(number)
    return AnalysisRow(ref.photo_id, ref.uri, ref.chunk, "ok", "", 200, 150, one.face, findings(number))


def load_dataset(cache: Path, *args: Any, **kwargs: Any) -> Any:
    """`datasets.load_dataset` of the split "train", without a network."""
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the library is first imported
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # what datasets and its own dependencies warn of is none of ours
        import datasets

        return datasets.load_dataset(*args, **kwargs, split="train", cache_dir=str(cache))

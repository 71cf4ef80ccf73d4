"""Photos that look the same, by their difference hashes."""

import doctest
import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.paths import ROOT

from text2face_core.images import Lookalikes, difference_hash, likeness

PHOTOS = sorted((ROOT / "examples" / "photos").glob("*.jpg"))


def opened(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def saved_again(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=50)
    return Image.open(file)


def differing(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
@pytest.mark.parametrize(
    "change",
    [
        saved_again,
        lambda image: image.resize((image.width // 2, image.height // 2)),
        lambda image: image.convert("L").convert("RGB"),
    ],
    ids=["recompressed", "half the size", "grey"],
)
def test_a_copy_looks_like_its_photo(photo, change):
    image = opened(photo)
    seen = Lookalikes()
    assert seen.add("first", difference_hash(np.asarray(image))) == ""
    assert seen.add("copy", difference_hash(np.asarray(change(image)))) == "first"


def test_no_two_photos_look_the_same():
    hashes = [difference_hash(np.asarray(opened(path))) for path in PHOTOS]
    assert min(differing(*two) for two in combinations(hashes, 2)) > 2 * likeness.CLOSE
    seen = Lookalikes()
    assert [seen.add(path.stem, one) for path, one in zip(PHOTOS, hashes, strict=True)] == [""] * len(PHOTOS)


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(likeness).failed == 0

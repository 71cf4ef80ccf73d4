"""Data sets of Hugging Face's library, saved on disk."""

import warnings

import pytest

from text2face_core import BadPhoto, Plugins, SourceError
from text2face_core.sources import Sources, use_sources

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the library's own dependencies
    datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


def sources(**options):
    return Sources(Plugins.load(builtin_only=True), options={"datasets": options})


@pytest.fixture
def saved(tmp_path, toy_photos):
    photos = sorted(toy_photos.glob("*.png"))
    found = datasets.Dataset.from_dict(
        {
            "image": [{"bytes": path.read_bytes(), "path": None} for path in photos],
            "caption": [f"about {path.stem}" for path in photos],
        },
        features=datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")}),
    )
    found.save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict({"train": found, "test": found.select([0])}).save_to_disk(str(tmp_path / "splits"))
    return tmp_path


def test_photos_are_the_bytes_that_were_saved(saved, toy_photos):
    photos = sources().list_photos(f"datasets:{saved}/saved", [], print)
    found = sources()
    for photo, path in zip(photos, sorted(toy_photos.glob("*.png")), strict=True):
        assert found.open(photo.uri) == path.read_bytes()
        assert found.known(photo.uri).alt_text == f"about {path.stem}"
    assert found.stamp([f"datasets:{saved}/saved"])
    with pytest.raises(BadPhoto, match="too large"):
        found.open(photos[0].uri, max_bytes=10)
    with pytest.raises(BadPhoto, match="unreadable"):
        found.open(photos[0].uri.replace("#0", "#99"))


def test_a_split_is_chosen(saved):
    assert len(sources(split="test").list_photos(f"datasets:{saved}/splits", [], print)) == 1
    assert len(sources().list_photos(f"datasets:{saved}/splits", [], print)) == 10
    with pytest.raises(SourceError, match="test, train"):
        sources(split="val").list_photos(f"datasets:{saved}/splits", [], print)


def test_what_is_not_a_data_set_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="cannot be opened"):
        sources().list_photos(f"datasets:{tmp_path}", [], print)

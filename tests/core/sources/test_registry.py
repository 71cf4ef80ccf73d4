"""Photos that are no files of this machine: whatever a plugin opens by the scheme of its addresses."""

import sys

import pytest
from support import toy_source, toys

from text2face_core import (
    BadPhoto,
    Component,
    PhotoRef,
    Plugins,
    Source,
    SourceError,
    caption_photos,
    hookimpl,
    sources,
)
from text2face_core.errors import NothingToDo
from text2face_core.run.directory import RunDirectory
from text2face_core.sources import Sources, scheme_of, use_sources


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


@pytest.fixture
def plugins(toy_plugins) -> Plugins:
    toy_plugins.register("tar", sys.modules[toy_source.__name__])
    return toy_plugins


def test_photos_in_a_tar_are_captioned_like_photos_in_files(tmp_path, plugins, toy_recipe, toy_photos):
    place = toy_source.pack(toy_photos, tmp_path / "photos.tar")
    in_tar = caption_photos(place, toy_recipe, available=plugins, out=tmp_path / "tar")
    in_files = caption_photos(toy_photos, toy_recipe, available=plugins, out=tmp_path / "files")
    assert [(row.status, row.reason, row.findings, captions) for row, captions in in_tar] == [
        (row.status, row.reason, row.findings, captions) for row, captions in in_files
    ]
    assert all(row.uri.startswith("tar:") for row, _ in in_tar)
    assert (tmp_path / "tar" / "report.html").read_text(encoding="utf-8").count("data:image/jpeg") == 10
    assert len(list((tmp_path / "tar" / "dataset").rglob("*.jpg"))) == 7
    # The photos are opened again for a second run, and the address stays the run's source.
    assert RunDirectory.open(tmp_path / "tar").settings["source"] == [place]
    assert caption_photos(place, toy_recipe, available=plugins, out=tmp_path / "tar").counts == in_tar.counts


def test_places_of_all_kinds_are_listed_together_each_photo_with_its_own_id(tmp_path, plugins, toy_photos):
    place = toy_source.pack(toy_photos, tmp_path / "photos.tar")
    told = []
    photos = Sources(plugins).list_photos([toy_photos, place], [], told.append)
    assert len(photos) == len({photo.photo_id for photo in photos}) == 22
    assert [scheme_of(photo.uri) for photo in photos] == ["file"] * 11 + ["tar"] * 11
    assert photos == Sources(plugins).list_photos([toy_photos, place], [], told.append)
    assert told == []


def test_a_place_without_photos_is_said(tmp_path, plugins, toy_photos):
    (tmp_path / "empty").mkdir()
    empty = toy_source.pack(tmp_path / "empty", tmp_path / "empty.tar")
    told = []
    assert len(Sources(plugins).list_photos([empty, toy_photos], [], told.append)) == 11
    assert [line for line in told if "empty.tar" in line]
    with pytest.raises(NothingToDo, match=r"empty\.tar"):
        Sources(plugins).list_photos(empty, [], told.append)


def test_a_photo_that_cannot_be_opened_is_a_row_with_its_reason(tmp_path, plugins, toy_recipe, toy_photos):
    place = toy_source.pack(toy_photos, tmp_path / "photos.tar")
    first = caption_photos(place, toy_recipe, available=plugins, out=tmp_path / "out")
    assert first.counts["failed"] == 1
    (tmp_path / "photos.tar").unlink()
    with pytest.raises(BadPhoto, match="unreadable"):
        sources.open(first.rows[0][0].uri)


def test_an_address_that_no_plugin_opens_names_its_scheme(plugins):
    with pytest.raises(SourceError, match='no plugin opens "ftp:" addresses'):
        Sources(plugins).list_photos("ftp://example.org/a.jpg", [], print)
    with pytest.raises(SourceError, match='"ftp:"'):
        Sources(plugins).open("ftp://example.org/a.jpg")


def test_two_plugins_for_one_scheme_are_named(plugins):
    class Other:
        @staticmethod
        @hookimpl
        def t2f_sources():
            yield Component("other", toy_source.build, provides=("tar",))

    plugins.register("other", Other())
    with pytest.raises(SourceError, match=r"other and tar|tar and other"):
        Sources(plugins).open("tar:x!y")


def test_a_file_whose_name_looks_like_an_address_is_a_file(tmp_path, plugins, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toys.draw_photo(tmp_path / "tar:ann.png")
    (photo,) = Sources(plugins).list_photos("tar:ann.png", [], print)
    assert photo.uri == str(tmp_path / "tar:ann.png")
    assert Sources(plugins).open(photo.uri).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("gone.jpg", "unreadable: no such file or directory"), (".", "unreadable: it is a folder")],
)
def test_files_are_opened_as_bytes_or_say_why_not(tmp_path, name, reason):
    (tmp_path / "ann.jpg").write_bytes(b"a" * 10)
    assert sources.open(str(tmp_path / "ann.jpg")) == b"a" * 10
    assert sources.open((tmp_path / "ann.jpg").as_uri()) == b"a" * 10
    with pytest.raises(BadPhoto, match="too large"):
        sources.open(str(tmp_path / "ann.jpg"), max_bytes=9)
    with pytest.raises(BadPhoto, match=reason):
        sources.open(str(tmp_path / name))


def test_a_source_must_list_and_open():
    class Half(Source):
        def list(self, place):
            yield PhotoRef("0" * 16, place)

    with pytest.raises(TypeError, match="open"):
        Half()

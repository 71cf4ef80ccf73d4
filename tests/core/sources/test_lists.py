"""Text lists as people and programs of all systems write them."""

import pytest

from text2face_core.sources import list_photos, path_of
from text2face_core.sources.files import list_files
from text2face_core.utils import photo_id_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A list's folder and a working folder, each with photos."""
    for name in ("lists/a.jpg", "lists/more/b c.jpg", "lists/café.jpg", "work/d.jpg", "work/a.jpg", "work/'e'.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


def listed(here, content: bytes):
    (here / "lists" / "list.txt").write_bytes(content)
    told = []
    photos = list_photos(here / "lists" / "list.txt", warn=told.append)
    return [path_of(photo.uri).relative_to(here).as_posix() for photo in photos], told


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a.jpg\n", "lists/a.jpg"),
        (b'"a.jpg"\r\n', "lists/a.jpg"),
        (b"'a.jpg'", "lists/a.jpg"),
        (b'"more/b c.jpg"', "lists/more/b c.jpg"),
        (b"more\\b c.jpg", "lists/more/b c.jpg"),
        (b'  ".\\more\\b c.jpg"  ', "lists/more/b c.jpg"),
        ("caf\u00e9.jpg".encode("latin-1"), "lists/café.jpg"),
        ("caf\u00e9.jpg".encode("utf-16"), "lists/café.jpg"),
        ("\ufeff# photos\ncaf\u00e9.jpg".encode(), "lists/café.jpg"),
        (b"d.jpg", "work/d.jpg"),  # as ls writes it in the working folder
        (b"'e'.jpg", "work/'e'.jpg"),  # a quote that belongs to the name
    ],
)
def test_a_line_is_found_however_it_is_written(here, content, expected):
    assert listed(here, content) == ([expected], [])


def test_the_list_s_folder_comes_before_the_working_folder(here):
    assert listed(here, b"a.jpg\n") == (["lists/a.jpg"], [])


def test_a_photo_has_the_same_id_however_its_line_is_written(here):
    for line in (b"more/b c.jpg", b'"more/b c.jpg"', b"more\\b c.jpg", b"./more/b c.jpg"):
        (here / "lists" / "list.txt").write_bytes(line)
        (photo,) = list_files([here / "lists" / "list.txt"])
        assert photo.photo_id == photo_id_of("more/b c.jpg")


def test_a_file_that_is_not_there_is_a_row_and_every_path_that_was_tried_is_named(here):
    found, told = listed(here, b'a.jpg\n\n"gone.jpg"\n')
    assert found == ["lists/a.jpg", "lists/gone.jpg"]
    (line,) = told
    for words in ("line 3", "list.txt", str(here / "lists" / "gone.jpg"), str(here / "work" / "gone.jpg")):
        assert words in line


def test_of_many_missing_files_a_few_are_named_and_the_others_counted(here):
    found, told = listed(here, b"\n".join(b"gone-%d.jpg" % number for number in range(40)))
    assert len(found) == 40
    assert len(told) == 6
    assert "35 more lines" in told[-1]


# --- what stands next to photos ---


def test_captions_next_to_photos_are_recognised_by_their_stem_and_left_out(here, monkeypatch):
    folder = here / "lists"
    (folder / "a.txt").write_text("a woman, smiling")
    (folder / "other.txt").write_text("a.jpg\n")
    told = []
    photos = list_photos([folder / "a.jpg", folder / "a.txt", folder / "other.txt"], warn=told.append)
    assert [path_of(photo.uri).name for photo in photos] == ["a.jpg"]
    (line,) = told
    assert "a.txt" in line
    assert "a.jpg" in line
    (folder / "more" / "B C.caption").write_text("a man")
    (folder / "more" / "b c.txt").write_text("a man")
    assert [path_of(photo.uri).name for photo in list_photos(f"{folder}/*.*")] == ["a.jpg", "café.jpg", "other.txt"]
    assert [path_of(photo.uri).name for photo in list_photos(f"{folder}/more/*.txt")] == ["b c.txt"]


@pytest.mark.parametrize(
    ("mark", "content"),
    [("run.toml", 'format = 1\ntext2face = "0.1.0"\n'), ("README.md", "<!-- t2f export kohya -->\n# Photos\n")],
)
def test_runs_and_exports_are_not_searched_for_photos_and_that_is_said(here, mark, content):
    folder = here / "lists"
    (folder / "more" / mark).write_text(content)
    told = []
    photos = list_photos(folder, warn=told.append)
    assert [path_of(photo.uri).name for photo in photos] == ["a.jpg", "café.jpg"]
    (line,) = told
    assert str(folder / "more") in line
    assert list_photos(folder / "more" / "b c.jpg"), "a photo that is named is taken all the same"


@pytest.mark.parametrize(("mark", "content"), [("run.toml", "my own settings"), ("README.md", "# Holidays\n")])
def test_files_of_others_with_such_names_hide_nothing(here, mark, content):
    (here / "lists" / "more" / mark).write_text(content)
    assert len(list_photos(here / "lists")) == 3

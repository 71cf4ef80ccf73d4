import os
import sys
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st
from support.permissions import unprivileged

from text2face_core.errors import NothingToDo, SourceError
from text2face_core.sources import list_photos, path_of, uri_of

any_bytes = pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes for a name")


def plant(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def names(photos, root: Path) -> list[str]:
    return [os.path.relpath(path_of(photo.uri), root) for photo in photos]


def id_of(key: str) -> str:
    return blake2b(os.fsencode(key), digest_size=8).hexdigest()


def test_a_folder_gives_its_images_at_any_depth_in_order(tmp_path):
    plant(tmp_path, "b.JPG", "a/c.webp", "a/b/d.tiff", "a.png", "phone.heic", "notes.txt", "a/b/noname", "a/model.onnx")
    photos = list_photos(tmp_path)
    assert names(photos, tmp_path) == ["a.png", "a/b/d.tiff", "a/c.webp", "b.JPG", "phone.heic"]
    assert [photo.photo_id for photo in photos] == [id_of(name) for name in names(photos, tmp_path)]


def test_hidden_names_and_junk_are_left_out(tmp_path):
    plant(tmp_path, "a.jpg", "._a.jpg", ".cache/b.jpg", "@eaDir/a.jpg/SYNO_THUMB.jpg", "__MACOSX/a.jpg")
    plant(tmp_path, ".DS_Store", "Thumbs.db")
    assert names(list_photos(tmp_path), tmp_path) == ["a.jpg"]


def test_a_folder_inside_a_hidden_or_junk_folder_can_be_named(tmp_path):
    plant(tmp_path, ".cache/@eaDir/photos/a.jpg")
    assert len(list_photos(tmp_path / ".cache" / "@eaDir" / "photos")) == 1


def test_links_that_lead_in_circles_end(tmp_path):
    plant(tmp_path, "photos/z/a.jpg", "elsewhere/b.jpg")
    (tmp_path / "photos" / "a loop").symlink_to(tmp_path / "photos")
    (tmp_path / "photos" / "z" / "up").symlink_to(tmp_path)
    (tmp_path / "photos" / "broken.jpg").symlink_to("gone.jpg")
    (tmp_path / "photos" / "itself.jpg").symlink_to("itself.jpg")
    for source in ("photos", "photos/**", "photos/**/*.jpg"):
        listed = names(list_photos(tmp_path / source), tmp_path)
        assert "photos/z/a.jpg" in listed  # under its own name
        assert sum(name.endswith("/b.jpg") for name in listed) <= 1
        assert [name for name in listed if name.endswith(("broken.jpg", "itself.jpg"))] == [
            "photos/broken.jpg",
            "photos/itself.jpg",
        ]


def test_a_link_to_a_folder_is_followed_and_one_to_a_listed_file_is_not_a_second_photo(tmp_path):
    plant(tmp_path, "real/b.jpg", "photos/z.jpg")
    (tmp_path / "photos" / "a.jpg").symlink_to("z.jpg")
    (tmp_path / "photos" / "more").symlink_to(tmp_path / "real")
    (tmp_path / "alias").symlink_to(tmp_path / "photos")
    assert names(list_photos(tmp_path / "photos"), tmp_path) == ["photos/more/b.jpg", "photos/z.jpg"]
    assert names(list_photos(tmp_path / "alias"), tmp_path) == ["alias/more/b.jpg", "alias/z.jpg"]


def test_of_several_ways_to_a_folder_its_own_name_counts_else_the_first(tmp_path):
    plant(tmp_path, "outside/b.jpg", *(f"photos/real {letter}/a.jpg" for letter in "stuvwxyz"))
    for number, letter in enumerate("stuvwxyz"):
        (tmp_path / "photos" / f"link {number}").symlink_to(f"real {letter}")
        (tmp_path / "photos" / f"out {number}").symlink_to(tmp_path / "outside")
    listed = names(list_photos(tmp_path / "photos"), tmp_path / "photos")
    assert listed == ["out 0/b.jpg", *(f"real {letter}/a.jpg" for letter in "stuvwxyz")]


def test_a_folder_up_is_the_one_the_system_means(tmp_path):
    plant(tmp_path, "deep/inner/b.jpg", "deep/a.jpg", "a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "inner")
    assert names(list_photos(f"{tmp_path}/link/../a.jpg"), tmp_path) == ["deep/a.jpg"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.jpg", ["a.jpg"]),
        ("*", ["a.jpg"]),  # no extension is given: known kinds only
        ("*.*", ["a.jpg"]),  # a.txt is its caption
        ("*.txt", ["a.txt"]),
        ("?.txt", ["a.txt"]),
        ("**", ["a.jpg", "x/b.jpg", "x/y/c.png"]),
        ("**/*", ["a.jpg", "x/b.jpg", "x/y/c.png"]),
        ("**/*.jpg", ["a.jpg", "x/b.jpg"]),
        ("x/**/*.[jp]*g", ["x/b.jpg", "x/y/c.png"]),
        ("**/y/*", ["x/y/c.png"]),
        ("**/**/c.png", ["x/y/c.png"]),
        ("*/*/*.raw", ["x/y/d.raw"]),
        ("*/*.jpg", ["x/b.jpg"]),
        (".hidden/*", [".hidden/e.jpg"]),
        (".h*/*", [".hidden/e.jpg"]),
    ],
)
def test_a_glob_gives_what_it_matches(tmp_path, pattern, expected):
    plant(
        tmp_path, "a.jpg", "a.txt", "x/b.jpg", "x/y/c.png", "x/y/d.raw", ".hidden/e.jpg", "x/.b.jpg", "__MACOSX/b.jpg"
    )
    assert names(list_photos(tmp_path / pattern), tmp_path) == expected


def test_a_globs_ids_come_from_what_is_below_its_fixed_part(tmp_path, monkeypatch):
    plant(tmp_path, "photos/x/b.jpg")
    monkeypatch.chdir(tmp_path)
    for pattern in ("photos/**/*.jpg", "./photos/*/*", f"{tmp_path}/photos/**"):
        assert [photo.photo_id for photo in list_photos(pattern)] == [id_of("x/b.jpg")]


def test_a_name_that_looks_like_a_pattern_is_the_file_if_there_is_one(tmp_path):
    plant(tmp_path, "me[1].jpg", "me1.jpg", "trip [2020]/a.jpg", "trip 2/b.jpg")
    assert names(list_photos(tmp_path / "me[1].jpg"), tmp_path) == ["me[1].jpg"]
    assert names(list_photos(tmp_path / "trip [2020]/*"), tmp_path) == ["trip [2020]/a.jpg"]
    (tmp_path / "me[1].jpg").unlink()
    assert names(list_photos(tmp_path / "me[1].jpg"), tmp_path) == ["me1.jpg"]


@pytest.mark.parametrize("suffix", ["txt", "LST", "list"])
def test_a_list_gives_its_lines_from_where_it_lies(tmp_path, monkeypatch, suffix):
    plant(tmp_path, "sets/a.jpg", "b", "sets/#c.jpg", "sets/new\nline.jpg")
    monkeypatch.chdir("/")
    uri = f"file:{tmp_path}/sets/new%0Aline.jpg"
    lines = ["\ufeffa.jpg", "", "  # a comment", "./a.jpg", "../b  ", "missing.jpg\r", "./#c.jpg", f"{tmp_path}/b", uri]
    chosen = tmp_path / "sets" / f"chosen.{suffix}"
    chosen.write_bytes("\n".join(lines).encode())
    photos = list_photos(chosen)
    assert names(photos, tmp_path) == ["b", "sets/#c.jpg", "sets/a.jpg", "sets/missing.jpg", "sets/new\nline.jpg"]
    assert [photo.photo_id for photo in photos[1:4]] == [id_of(key) for key in ("#c.jpg", "a.jpg", "missing.jpg")]


def test_a_file_named_directly_is_taken_whatever_it_is(tmp_path):
    plant(tmp_path, "noname", "model.onnx", ".hidden.jpg")
    (tmp_path / "broken link").symlink_to("gone")
    named = [".hidden.jpg", "broken link", "model.onnx", "noname"]
    photos = list_photos([tmp_path / name for name in reversed(named)])
    assert [photo.photo_id for photo in photos] == [id_of(name) for name in named]


def test_sources_in_any_order_and_several_times_give_one_list(tmp_path):
    plant(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg", "c.jpg")
    (tmp_path / "again").symlink_to(tmp_path / "b")
    sources = [tmp_path / "a", tmp_path / "b", tmp_path / "a" / "1.jpg", tmp_path / "again", str(tmp_path / "*.jpg")]
    photos = list_photos(sources)
    assert names(photos, tmp_path) == ["a/1.jpg", "a/2.jpg", "b/1.jpg", "c.jpg"]
    assert list_photos(sources[::-1]) == photos


def test_one_key_for_two_files_gives_two_ids(tmp_path):
    plant(tmp_path, "a/1.jpg", "b/1.jpg", "c/1.jpg")
    photos = list_photos([tmp_path / "b" / "1.jpg", tmp_path / "c", tmp_path / "a"])
    ids = [id_of("1.jpg"), id_of(f"{tmp_path}/b/1.jpg"), id_of(f"{tmp_path}/c/1.jpg")]
    assert [photo.photo_id for photo in photos] == ids


def test_ids_do_not_depend_on_where_the_folder_lies_or_how_it_is_named(tmp_path, monkeypatch):
    for place in ("here", "there"):
        plant(tmp_path / place, "photos/x/a.jpg")
    monkeypatch.chdir(tmp_path / "here")
    first = list_photos("photos")
    assert first == list_photos(Path("./photos/")) == list_photos("photos/../photos") == list_photos("../here/photos")
    monkeypatch.chdir(tmp_path)
    assert [photo.photo_id for photo in list_photos("there/photos")] == [photo.photo_id for photo in first]


@any_bytes
def test_names_of_any_bytes_are_listed_and_found_again(tmp_path):
    odd = [
        b"with space.jpg",
        "größer 写真.jpg".encode(),
        b"new\nline.jpg",
        b"caf\xe9.jpg",
        b"100%.jpg",
        b"n" * 251 + b".jpg",
    ]
    for name in odd:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
    photos = list_photos(tmp_path)
    assert sorted(path_of(photo.uri).read_bytes() for photo in photos) == sorted(odd)
    for photo in photos:
        photo.uri.encode()  # what goes into a table must be Unicode
    assert [photo.uri.startswith("file:") for photo in photos].count(True) == 1


@any_bytes
@given(st.binary(min_size=1, max_size=40).filter(lambda name: b"\0" not in name))
@example(b"file:/x")
@example(b"caf\xe9%41")
def test_a_uri_leads_back_to_its_path(name):
    path = Path(os.fsdecode(b"/" + name))
    assert path_of(uri_of(path)) == path
    uri_of(path).encode()


@pytest.mark.parametrize(
    "uri", ["file:/tmp/a%20b.jpg", "file:///tmp/a%20b.jpg", "file://localhost/tmp/a%20b.jpg", "/tmp/a b.jpg"]
)
def test_a_file_uri_may_be_written_in_three_ways(uri):
    assert path_of(uri) == Path("/tmp/a b.jpg")


def test_excluded_folders_are_not_searched(tmp_path):
    plant(tmp_path, "photos/x/a.jpg", "photos/run/b.jpg", "photos/run/dataset/images/c.jpg")
    for source in ("photos", "photos/**/*.jpg", "photos/*/*"):
        photos = list_photos(tmp_path / source, exclude=[tmp_path / "photos" / "run", tmp_path / "not yet there"])
        assert names(photos, tmp_path) == ["photos/x/a.jpg"]
    with pytest.raises(SourceError, match="is the folder to write to"):
        list_photos(tmp_path / "photos", exclude=[tmp_path / "photos"])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([], "no photos were named"),
        ("", "no photos were named"),
        ("fotos", 'no file or folder is called "fotos". Did you mean "photos"?'),
        ("gone/a.jpg", 'no file or folder is called "gone/a.jpg", nor is there a folder "'),
        ("gone/*.jpg", '"gone/*.jpg" matches nothing: there is no folder "'),
        ("odd\nname", 'no file or folder is called "odd\\nname"'),
        ("zero\0byte", 'no file or folder is called "zero\\x00byte"'),
        ("n" * 300, "no file or folder is called"),
        ("binary.txt", "is not a text list: it holds zero bytes"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_cannot_be_listed_is_an_error_that_says_so(tmp_path, monkeypatch, source, message):
    plant(tmp_path, "photos/a.jpg")
    (tmp_path / "binary.txt").write_bytes(b"photos/a.jpg\n\0\1\2")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError) as error:
        list_photos(source)
    assert message in str(error.value)


@pytest.mark.parametrize("source", ["empty", "empty/*.jpg", "photos/*.gif", "list.txt"])
def test_no_photo_at_all_is_nothing_to_do(tmp_path, monkeypatch, source):
    plant(tmp_path, "photos/a.jpg", "empty/notes.md")
    (tmp_path / "list.txt").write_text("# nothing yet\n\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NothingToDo, match=f'no photos in "{source}"'.replace("*", r"\*")):
        list_photos(source)
    told = []
    assert len(list_photos([source, "photos"], warn=told.append)) == 1
    assert told == [f'no photos in "{source}"']


def test_a_folder_too_deep_for_the_system_is_told_and_the_rest_is_listed(tmp_path, monkeypatch):
    plant(tmp_path, "a.jpg")
    monkeypatch.chdir(tmp_path)
    for _ in range(25):
        Path("n" * 200).mkdir()
        monkeypatch.chdir("n" * 200)
    told = []
    assert names(list_photos(tmp_path, warn=told.append), tmp_path) == ["a.jpg"]
    assert len(told) == 1
    assert told[0].endswith("is left out: File name too long. The other photos are used")


def test_an_unreadable_folder_below_is_told_and_the_rest_is_listed(tmp_path):
    plant(tmp_path, "photos/a.jpg", "photos/secret/b.jpg")
    secret = tmp_path / "photos" / "secret"
    secret.chmod(0)
    if os.access(secret, os.R_OK):
        pytest.skip("this user may read everything")
    told = []
    try:
        assert names(list_photos(tmp_path / "photos", warn=told.append), tmp_path) == ["photos/a.jpg"]
        with pytest.raises(SourceError, match=r'the folder ".*secret" cannot be read: Permission denied'):
            list_photos(secret)
        with pytest.raises(SourceError, match="permission denied"):
            list_photos(secret / "b.jpg")
    finally:
        secret.chmod(0o700)
    assert told == [f'the folder "{secret}" is left out: Permission denied. The other photos are used']


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_a_link_that_may_not_be_read_is_listed_and_does_not_hide_the_others():
    with unprivileged() as folder:
        photos = plant(folder / "photos", "a.jpg", "c.jpg")
        (photos / "b.jpg").symlink_to(folder / "secret" / "photo.jpg")
        (photos / "d.jpg").symlink_to(photos / "d.jpg")
        assert names(list_photos(photos), photos) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]
        with pytest.raises(SourceError, match="permission denied"):
            list_photos(photos / "b.jpg")

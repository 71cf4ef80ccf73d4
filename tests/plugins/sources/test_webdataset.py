"""Web-dataset tars: read in place, and refused with a reason if they are not what they should be."""

import io
import struct
import tarfile

import pytest
from support import tars

from text2face_core import BadPhoto, Plugins, SourceError, caption_photos
from text2face_core.run.directory import RunDirectory
from text2face_core.run.tables import read_analysis
from text2face_core.sources import Sources, use_sources

PNG = b"\x89PNG a photo"


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


@pytest.fixture
def sources():
    return Sources(Plugins.load(builtin_only=True))


def listed(sources, *places):
    return sources.list_photos([str(place) for place in places], [], print)


def outcomes(result):
    return sorted(repr((row.status, row.reason, row.findings)) for row, _ in result)


def test_photos_in_shards_have_the_findings_of_the_same_photos_in_a_folder(
    tmp_path, toy_plugins, toy_recipe, toy_photos
):
    photos = sorted(toy_photos.iterdir())
    tars.write_shard(tmp_path / "shards" / "00000.tar", photos[:4])
    tars.write_shard(tmp_path / "shards" / "00001.tar", [one for one in photos[4:] if one.suffix == ".png"])
    place = f"webdataset:{tmp_path}/shards/{{00000..00001}}.tar"
    in_tars = caption_photos(place, toy_recipe, available=toy_plugins, out=tmp_path / "tars", chunk_size=4)
    in_files = caption_photos(
        [str(one) for one in photos if one.suffix == ".png"], toy_recipe, available=toy_plugins, out=tmp_path / "files"
    )
    assert outcomes(in_tars) == outcomes(in_files)
    assert len(list((tmp_path / "tars" / "dataset").rglob("*.jpg"))) == 7
    rows = read_analysis(RunDirectory.open(tmp_path / "tars").analysis_path(0))
    assert rows[0].alt_text == f"a picture of {photos[0].stem}"
    assert "a picture of" not in "".join(caption.text for _, captions in in_tars for caption in captions)
    assert not [path for path in (tmp_path / "shards").iterdir() if path.suffix != ".tar"]  # nothing is unpacked
    again = caption_photos(place, toy_recipe, available=toy_plugins, out=tmp_path / "tars", chunk_size=4)
    assert outcomes(again) == outcomes(in_tars)


@pytest.mark.parametrize("address", ["{0}/00000.tar", "webdataset:{0}/00000.tar", "webdataset:{0}", "{0}/*.tar"])
def test_a_shard_has_several_addresses(tmp_path, toy_photos, sources, address):
    tars.write_shard(tmp_path / "shards" / "00000.tar", sorted(toy_photos.glob("*.png")))
    photos = listed(sources, address.format(tmp_path / "shards"))
    assert len(photos) == 10
    for photo, path in zip(photos, sorted(toy_photos.glob("*.png")), strict=True):
        assert sources.open(photo.uri) == path.read_bytes()
        assert sources.known(photo.uri).alt_text == f"a picture of {path.stem}"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read_whatever_the_names(tmp_path, sources, form):
    folder = "d" * 90 + "/" if form == tarfile.USTAR_FORMAT else "d" * 300 + "/"
    names = [f"{folder}a#b!c%{place}.png" for place in range(3)]
    tar = tars.write_tar(tmp_path / "ä #1.tar", [(name, PNG + name[-5:].encode()) for name in names], form)
    photos = listed(sources, tar)
    assert [sources.open(photo.uri) for photo in photos] == [PNG + name[-5:].encode() for name in names]
    assert len({photo.photo_id for photo in photos}) == 3


def test_the_text_is_a_persons_caption_if_the_recipe_says_so(tmp_path, toy_photos):
    tar = tars.write_shard(tmp_path / "a.tar", sorted(toy_photos.glob("*.png"))[:1])
    for text, alt_text, captions in (
        ("alt_text", "a picture of empty", ()),
        ("captions", "", ("a picture of empty",)),
        ("ignore", "", ()),
    ):
        found = Sources(Plugins.load(builtin_only=True), options={"webdataset": {"text": text}})
        (photo,) = listed(found, tar)
        known = found.known(photo.uri)
        assert (known.alt_text, known.captions) == (alt_text, captions)
    with pytest.raises(SourceError, match=r"webdataset: text: .*alt_text"):
        listed(Sources(Plugins.load(builtin_only=True), options={"webdataset": {"text": "no"}}), tar)


def test_alternative_text_comes_from_json_if_there_is_no_txt_and_is_never_too_long(tmp_path, sources):
    tar = tars.write_tar(
        tmp_path / "a.tar",
        [("1.png", PNG), ("1.json", b'{"caption": " a cat "}'), ("2.png", PNG), ("2.txt", b"x" * 100_000)],
    )
    assert [sources.known(photo.uri).alt_text for photo in listed(sources, tar)] == ["a cat", ""]


def test_samples_without_an_image_are_left_out(tmp_path, sources):
    tar = tars.write_tar(tmp_path / "a.tar", [("1.json", b"{}"), ("2.jpg", PNG), ("2.txt", b"two"), ("3.json", b"{}")])
    assert len(listed(sources, tar)) == 1


def with_link(path):
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("1.jpg")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)


def with_huge_header(path):
    """A pax header that claims eight gigabytes."""
    member = tarfile.TarInfo("1.jpg")
    member.type, member.size = tarfile.XHDTYPE, 8 * 2**30
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with path.open("r+b") as file:
        file.truncate(9 * 2**30)  # a sparse file: no block is written


def with_bomb(path):
    """A member of a terabyte in a file of a kilobyte."""
    member = tarfile.TarInfo("1.jpg")
    member.size = 2**40
    path.write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def with_negative_pax(path):
    content = b"12 size=-5\n\n"
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, len(content)
    member = tarfile.TarInfo("1.jpg")
    path.write_bytes(header.tobuf() + content.ljust(512, b"\0") + member.tobuf() + bytes(1024))


def truncated(path):
    tars.write_tar(path, [("1.jpg", PNG * 200), ("2.jpg", PNG * 200)])
    path.write_bytes(path.read_bytes()[:4000])


def flipped(path):
    tars.write_tar(path, [("1.jpg", PNG), ("2.jpg", PNG)])
    content = bytearray(path.read_bytes())
    content[1024 + 3] ^= 1
    path.write_bytes(content)


def compressed(path):
    with tarfile.open(path, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("1.jpg"), io.BytesIO())


def members(*names):
    return lambda path: tars.write_tar(path, [(name, PNG) for name in names])


HOSTILE = {
    "parent": (members("../../1.jpg"), "leads out"),
    "absolute": (members("/etc/1.jpg"), "leads out"),
    "backslash": (members("..\\1.jpg"), "leads out"),
    "link": (with_link, "not a file or folder"),
    "huge header": (with_huge_header, "limit is 65536"),
    "bomb": (with_bomb, "truncated"),
    "negative size": (with_negative_pax, "in place of a size"),
    "truncated": (truncated, "truncated"),
    "damaged": (flipped, "checksum"),
    "compressed": (compressed, "gunzip"),
    "twice": (members("1.jpg", "1.jpg"), "twice"),
    "twice apart": (members("1.jpg", "2.jpg", "1.jpg"), "twice"),
    "endless sample": (members(*(f"1.{place}.txt" for place in range(70))), "more than 64"),
    "no tar": (lambda path: path.write_bytes(b"<html>" + struct.pack("600x")), "in place of a number|checksum"),
    "a folder's worth of zeros": (lambda path: path.write_bytes(b"\1"), "truncated"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_tar_is_refused_with_a_reason(tmp_path, sources, kind, caplog):
    make, reason = HOSTILE[kind]
    make(tmp_path / "bad.tar")
    with pytest.raises(SourceError, match=reason) as refused:
        listed(sources, tmp_path / "bad.tar")
    assert "bad.tar" in str(refused.value)
    tars.write_tar(tmp_path / "good.tar", [("9.jpg", PNG)])  # among others, it costs nothing but itself
    photos = listed(sources, f"webdataset:{tmp_path}")
    assert [photo for photo in photos if "good.tar" in photo.uri]
    assert [record for record in caplog.records if "bad.tar" in record.getMessage()]


def test_a_shard_that_changed_since_it_was_listed_is_noticed(tmp_path, sources):
    tar = tars.write_tar(tmp_path / "a.tar", [("1.jpg", PNG * 100), ("2.jpg", PNG)])
    first, second = listed(sources, tar)
    before = sources.stamp([str(tar)])
    assert before == sources.stamp([str(tar)])
    tars.write_tar(tar, [("3.jpg", PNG), ("2.jpg", PNG)])
    assert sources.stamp([str(tar)]) not in {before, ""}
    for photo in (first, second):
        with pytest.raises(BadPhoto, match="has changed"):
            sources.open(photo.uri)
    tar.unlink()
    with pytest.raises(BadPhoto, match="no such file"):
        sources.open(first.uri)
    tars.write_tar(tar, [("1.jpg", PNG * 100)])
    with pytest.raises(BadPhoto, match="too large"):
        sources.open(first.uri, max_bytes=100)


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("webdataset:gone.tar", "gone.tar"),
        ("webdataset:{0}", "no files that end in .tar"),
        ("webdataset:{0}/*.tar", "matches no files"),
        ("webdataset:{0}/{{0..99999999}}.tar", "too many"),
    ],
)
def test_an_address_without_tars_is_an_error(tmp_path, sources, place, reason):
    with pytest.raises(SourceError, match=reason):
        listed(sources, place.format(tmp_path))

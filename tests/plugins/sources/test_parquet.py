"""Tables of photos: bytes, {bytes, path}, paths; and hostile tables."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from text2face_core import BadPhoto, Finding, Plugins, SourceError, caption_photos
from text2face_core.run.directory import RunDirectory
from text2face_core.run.tables import read_analysis
from text2face_core.sources import Sources, use_sources


@pytest.fixture(autouse=True)
def _own_sources():
    yield
    use_sources(Sources())


@pytest.fixture
def sources():
    return Sources(Plugins.load(builtin_only=True))


def listed(sources, place):
    return sources.list_photos([str(place)], [], print)


def table_of(photos, form):
    """A table of photos in one of the forms."""
    contents = [path.read_bytes() for path in photos]
    images = {
        "bytes": contents,
        "bytes and path": [
            {"bytes": content, "path": path.name} for content, path in zip(contents, photos, strict=True)
        ],
        "absolute path": [str(path) for path in photos],
        "relative path": [f"{path.parent.name}/{path.name}" for path in photos],
        "path alone": [{"bytes": None, "path": str(path)} for path in photos],
    }[form]
    return pa.table({"image": images, "TEXT": [f"text of {path.stem}" for path in photos]})


def outcomes(result):
    return sorted(repr((row.status, row.reason, row.findings)) for row, _ in result)


@pytest.mark.parametrize("form", ["bytes", "bytes and path", "absolute path", "relative path", "path alone"])
def test_photos_in_a_table_are_those_of_the_folder(tmp_path, toy_photos, sources, form):
    photos = sorted(toy_photos.iterdir()) * 3
    pq.write_table(table_of(photos, form), tmp_path / "a.parquet", row_group_size=20)
    found = listed(sources, tmp_path / "a.parquet")
    assert len({photo.photo_id for photo in found}) == len(photos) == 33
    order = [*range(33), 5, 32, 0, 19, 20]  # forwards, and back again
    for place in order:
        assert sources.open(found[place].uri) == photos[place].read_bytes()
        assert sources.known(found[place].uri).alt_text == f"text of {photos[place].stem}"
    with pytest.raises(BadPhoto, match="too large"):
        sources.open(found[0].uri, max_bytes=10)


def test_photos_in_tables_have_the_findings_of_the_same_photos_in_a_folder(
    tmp_path, toy_plugins, toy_recipe, toy_photos
):
    photos = sorted(toy_photos.iterdir())
    (tmp_path / "tables").mkdir()
    for place in range(2):
        pq.write_table(table_of(photos[place::2], "bytes and path"), tmp_path / "tables" / f"{place}.parquet")
    in_tables = caption_photos(
        f"parquet:{tmp_path}/tables", toy_recipe, available=toy_plugins, out=tmp_path / "tables-out"
    )
    in_files = caption_photos(toy_photos, toy_recipe, available=toy_plugins, out=tmp_path / "files-out")
    assert outcomes(in_tables) == outcomes(in_files)
    rows = read_analysis(RunDirectory.open(tmp_path / "tables-out").analysis_path(0))
    assert all(row.alt_text.startswith("text of ") for row in rows)


def test_labels_are_findings_of_people_and_captions_are_theirs(tmp_path, toy_photos):
    path = min(toy_photos.iterdir())
    columns = {"img": [path.read_bytes()], "said": [["one", "two"]], "smiles": [True], "years": [31], "none": [None]}
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    options = {"captions": ["said"], "labels": {"smiles": "smiling", "years": "age", "none": "gender"}}
    sources = Sources(Plugins.load(builtin_only=True), options={"parquet": options})
    (photo,) = listed(sources, tmp_path / "a.parquet")
    known = sources.known(photo.uri)
    assert known.captions == ("one", "two")
    assert known.findings == (Finding("smiling", True, 1.0, "truth:parquet"), Finding("age", 31, 1.0, "truth:parquet"))


@pytest.mark.parametrize(
    ("options", "columns", "reason"),
    [
        ({}, {"a": [1], "b": [2]}, "no column that looks like an image.*'a', 'b'"),
        ({"image": "picture"}, {"image": [b"1"]}, 'no column "picture"'),
        ({"labels": {"sex": "gender"}}, {"image": [b"1"]}, 'no column "sex"'),
        ({"image": 3}, {"image": [b"1"]}, "options of parquet"),
    ],
)
def test_columns_that_do_not_fit_are_named(tmp_path, options, columns, reason):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=reason):
        listed(Sources(Plugins.load(builtin_only=True), options={"parquet": options}), tmp_path / "a.parquet")


def test_a_row_without_a_photo_says_so(tmp_path, sources):
    values = [None, {"bytes": None, "path": None}, {"bytes": None, "path": "../gone.png"}]
    pq.write_table(pa.table({"image": values}), tmp_path / "a.parquet")
    photos = listed(sources, tmp_path / "a.parquet")
    for photo, reason in zip(photos, ["no photo", "no photo", "no such file"], strict=True):
        with pytest.raises(BadPhoto, match=reason):
            sources.open(photo.uri)


def written(path, **given):
    pq.write_table(pa.table({"image": [b"\x89PNG" + bytes([place]) * 2000 for place in range(50)]}), path, **given)
    return bytearray(path.read_bytes())


def cut_off(path):
    path.write_bytes(written(path)[:3000])


def with_huge_footer(path):
    content = written(path)
    content[-8:-4] = (2**31 - 9).to_bytes(4, "little")
    path.write_bytes(content)


def with_broken_footer(path):
    content = written(path)
    content[-60:-20] = b"\xff" * 40
    path.write_bytes(content)


def with_column_twice(path):
    pq.write_table(pa.table([[b"1"], [b"2"]], names=["image", "image"]), path)


def with_many_columns(path):
    pq.write_table(pa.table({"image": [b"1"]} | {f"c{place}": [1] for place in range(10_001)}), path)


def no_table(path):
    path.write_bytes(b"PAR1" + b"<html>" * 100)


REFUSED = {
    "truncated": (cut_off, "damaged"),
    "huge footer": (with_huge_footer, "damaged"),
    "broken footer": (with_broken_footer, "damaged"),
    "column twice": (with_column_twice, "twice"),
    "many columns": (with_many_columns, "10002 columns|10001 columns|damaged"),
    "no table": (no_table, "damaged"),
    "empty": (lambda path: path.write_bytes(b""), "damaged"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_hostile_table_is_refused_with_a_reason(tmp_path, sources, kind, caplog):
    make, reason = REFUSED[kind]
    make(tmp_path / "bad.parquet")
    with pytest.raises(SourceError, match=reason) as refused:
        listed(sources, tmp_path / "bad.parquet")
    assert "bad.parquet" in str(refused.value)
    written(tmp_path / "good.parquet")
    assert len(listed(sources, f"parquet:{tmp_path}")) == 50
    assert [record for record in caplog.records if "bad.parquet" in record.getMessage()]


def test_a_bomb_is_refused_by_what_its_footer_claims(tmp_path, sources, monkeypatch):
    import t2f_sources.parquet as module

    monkeypatch.setattr(module, "MOST_CHUNK", 100_000)
    pq.write_table(pa.table({"image": [bytes(10_000_000)]}), tmp_path / "a.parquet", compression="zstd")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(SourceError, match="claims 10000"):
        listed(sources, tmp_path / "a.parquet")


def test_damage_inside_costs_the_rows_that_it_hits(tmp_path, sources):
    content = written(tmp_path / "a.parquet", row_group_size=10, compression="none", write_page_checksum=False)
    photos = listed(sources, tmp_path / "a.parquet")
    content[4:40] = b"\xff" * 36  # the header of the first page
    (tmp_path / "b.parquet").write_bytes(content)
    outcomes = []
    for photo in photos:
        try:
            outcomes.append(len(sources.open(photo.uri.replace("a.parquet", "b.parquet"))))
        except BadPhoto as error:
            outcomes.append(str(error))
    assert [one for one in outcomes[:10] if one != 2004]
    assert outcomes[10:] == [2004] * 40


def test_a_table_that_changed_is_noticed(tmp_path, sources):
    written(tmp_path / "a.parquet")
    photos = listed(sources, tmp_path / "a.parquet")
    assert len(sources.open(photos[49].uri)) == 2004
    pq.write_table(pa.table({"image": [b"new"]}), tmp_path / "a.parquet")
    assert sources.open(photos[0].uri) == b"new"
    with pytest.raises(BadPhoto, match="no row 49"):
        sources.open(photos[49].uri)
    (tmp_path / "a.parquet").unlink()
    with pytest.raises(BadPhoto, match="unreadable"):
        sources.open(photos[0].uri)

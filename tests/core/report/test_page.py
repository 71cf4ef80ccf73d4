"""The report as a file: what it holds, what it must not hold, and its pictures. How it behaves: tests/browser."""

import base64
import hashlib
import html
import io
import json
import os
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageCms
from support import drawn_run, small_run
from support.drawn_run import Drawn

from text2face_core.cli import main
from text2face_core.language.vocabulary import Vocabulary
from text2face_core.records import AnalysisRow, Bag, BagItem, Caption, CaptionRow, Face
from text2face_core.report.cards import Piece, card, pieces, visible
from text2face_core.report.page import RowSelection, write_report
from text2face_core.report.thumbnails import SIDE, thumbnail, window_of
from text2face_core.run import read_analysis
from text2face_core.run.directory import RunDirectory
from text2face_core.sources import uri_of

MARKED = re.compile(r"<mark[^>]*>(.*?)</mark>")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return drawn_run.make_run(tmp_path_factory.mktemp("report") / "my run")


@pytest.fixture(scope="module")
def page(run):
    return write_report(run).read_text(encoding="utf-8")


def picture(thumb):
    data = base64.b64decode(thumb.uri.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), np.int16)


def articles(page):
    return re.findall(r"<article.*?</article>", page, re.DOTALL)


def test_the_page_is_written_beside_the_figures(run, page):
    assert json.loads((run.path / "stats.json").read_text())["photos"]["all"] == 7
    assert "my run" in re.search(r"<h1>.*</h1>", page)[0]


def test_the_page_shows_every_photo_with_its_status_and_reason(page):
    shown = articles(page)
    assert [re.search(r'data-status="(\w+)"', one)[1] for one in shown] == ["ok"] * 4 + ["rejected"] * 2 + ["failed"]
    assert "2 faces" in shown[4]
    assert "3 faces" in shown[5]
    assert "not an image" in shown[6]


def test_captions_stand_word_for_word_with_what_they_say_marked(page):
    first, second = articles(page)[:2]
    text = html.unescape(re.sub(r"<[^>]+>", "", re.search(r'<div class="caption">\s*<p>(.*?)</p>', first)[1]))
    assert text == "A photo of someone: 34 years old, woman, smiling."
    assert MARKED.findall(first)[:3] == ["34 years old", "woman", "smiling"]
    assert "says 3 of 3" in first
    assert "says 2 of 3" in second
    assert "misses eyeglasses" in second
    assert "invents wearing hat" in articles(page)[2]
    assert '<u title="invented: wearing hat">hat</u>' in articles(page)[2]
    assert MARKED.findall(articles(page)[2])[:2] == ["8 years old", "woman"]


def test_a_caption_stands_with_its_tries_what_was_refused_and_its_length(tmp_path):
    run = drawn_run.make_run(tmp_path / "run", (Drawn("a.jpg"),))
    refused = {"tries": 3, "refusals": ("missed age", "over 77 tokens (83)"), "tokens": 31, "invented": ("other",)}
    caption = replace(said("A carefree woman", missed=("age", "emotion", "emotion")), **refused)
    run.commit_captions(0, [CaptionRow("0" * 16, (caption,))], "key")
    (shown,) = articles(write_report(run).read_text(encoding="utf-8"))
    assert "long · llm · 31 tokens · 3 tries" in shown
    assert 'title="refused before: missed age / over 77 tokens (83)"' in shown
    assert shown.count("misses emotion") == 1
    assert "invents something else" in shown
    assert '<u title="invented: something else">carefree</u>' in shown


def test_findings_stand_with_value_score_and_the_component_that_saw_them(page):
    first = articles(page)[0]
    assert re.search(r'title="seen by toy.age; spread 4.25".*?age <b>34</b>.*?50 %', first, re.DOTALL)
    assert re.search(
        r'title="seen by toy.gender; female 0.9; male 0.1".*?gender <b>female</b>.*?90 %', first, re.DOTALL
    )
    assert "1 looked for and not seen" in first


def test_the_page_says_that_findings_are_estimates(page):
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    assert "Findings are estimates made by models, and some are wrong." in text
    assert "Age, gender and ethnicity above all are guesses" in text


def test_names_and_texts_of_others_never_become_markup(page):
    assert "<img src=x" not in page
    assert "<b>bold</b>" not in page
    assert html.escape("<img src=x onerror=alert(1)>") in page
    assert "&lt;/pre&gt;&lt;b&gt;bold" in page
    assert "\nnext.jpg" not in page
    assert "␊next.jpg" in page


def test_facets_survive_quotes_in_names_and_values(run):
    finding = replace(next(run.rows())[0].findings[1], name="x\"'>", value='<b>"&')
    row = replace(next(run.rows())[0], findings=(finding,))
    assert card(row, CaptionRow(row.photo_id), None, VOCABULARY).facets == (("x\"'>", '<b>"&'),)


def test_nothing_on_the_page_comes_from_elsewhere(page):
    assert set(re.findall(r"""\b(?:src|srcset|href|action|data|poster)=["']?(\w+:)""", page)) == {"data:"}
    assert not re.search(
        r"url\(|@import|https?:|//[a-z]+\.|<link(?! rel=\"icon\" href=\"data:,\")|<iframe|<object", page
    )
    assert not re.search(
        r"\bstyle=|\bon\w+=\"", page
    )  # neither inline styles nor handlers, which the policy would refuse


def test_the_policy_allows_the_one_script_and_the_one_style_by_their_hash_and_nothing_else(page):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (text,) = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy


def test_equal_runs_give_equal_pages(run, page):
    assert write_report(run).read_text(encoding="utf-8") == page


@pytest.mark.parametrize(("kind", "orientation"), [("jpg", 1), ("jpg", 6), ("png", 1), ("webp", 1), ("tiff", 1)])
@pytest.mark.parametrize("size", [(400, 300), (3000, 4000), (210, 160)])
def test_box_and_landmarks_lie_on_the_face_in_the_thumbnail(tmp_path, size, kind, orientation):
    photo = Drawn(f"a.{kind}", size=size)
    drawn_run.draw(photo, tmp_path / photo.name, orientation)
    row = AnalysisRow("0" * 16, uri_of(tmp_path / photo.name), 0, "ok", "", *size, photo.face)
    thumb = thumbnail(RunDirectory(tmp_path), row)
    pixels = picture(thumb)
    assert pixels.shape[0] == pixels.shape[1] <= SIDE
    marks = card(row, CaptionRow(row.photo_id), thumb, VOCABULARY).marks
    for x, y in marks.points:
        found = pixels[int(y / 100 * len(pixels)), int(x / 100 * len(pixels))]
        assert np.abs(found - drawn_run.MARK).max() < 90, (x, y)
    x, y, width, height = (value / 100 * len(pixels) for value in marks.boxes[0])
    middle, skin = int(y + height / 2), np.abs(pixels - drawn_run.SKIN).max(-1) < 40
    assert skin[middle, int(x + 4)]
    assert skin[middle, int(x + width - 5)]
    assert not skin[middle, max(0, int(x - 3))]
    assert not skin[max(0, int(y - 3)), int(x + width / 2)]


def test_a_large_photo_looks_as_if_it_had_been_decoded_in_full(tmp_path):
    """JPEGs are decoded at a part of their size; colours and orientation must not suffer from it."""
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (8, 6, 3), np.uint8)).resize((1500, 2000), Image.Resampling.BICUBIC)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "a.jpg", quality=95, icc_profile=profile)
    image.save(tmp_path / "a.png", icc_profile=profile)
    image.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    seen = {
        name: picture(
            thumbnail(RunDirectory(tmp_path), AnalysisRow("0", uri_of(tmp_path / name), 0, "ok", "", 1500, 2000))
        )
        for name in ("a.jpg", "a.png", "cmyk.jpg")
    }
    assert seen["a.png"].shape == (SIDE, SIDE * 3 // 4, 3)
    assert np.abs(seen["a.jpg"] - seen["a.png"]).mean() < 2
    assert np.abs(seen["cmyk.jpg"] - seen["a.png"]).mean() < 4


def test_a_photo_that_is_gone_has_a_placeholder(page):
    gone = articles(page)[3]
    assert "the photo is no longer there" in gone
    assert "<img" not in gone
    assert "the photo could not be read" in articles(page)[6]


@pytest.mark.parametrize("instead", [None, b"", b"no photo", "another photo"])
def test_a_photo_that_is_gone_or_another_by_now_is_shown_by_its_crop(tmp_path, instead):
    path = tmp_path / "a.jpg"
    row = AnalysisRow("0" * 16, uri_of(path), 0, "ok", "", 400, 300, Drawn("a.jpg").face)
    if instead == "another photo":
        Image.new("RGB", (300, 900)).save(path)
    elif instead is not None:
        path.write_bytes(instead)
    run = RunDirectory(tmp_path)
    assert thumbnail(run, row) is None
    run.image_path(row).parent.mkdir(parents=True)
    Image.new("RGB", (50, 50), drawn_run.SKIN).save(run.image_path(row))
    thumb = thumbnail(run, row)
    assert thumb.window is None
    assert np.abs(picture(thumb) - drawn_run.SKIN).max() < 10
    assert (
        card(row, CaptionRow(row.photo_id), thumb, VOCABULARY).marks is None
    )  # the box belongs to the photo, not to the crop


@pytest.mark.parametrize(
    ("size", "box", "window"),
    [
        ((1000, 800), (450, 350, 550, 450), (350, 250, 650, 550)),  # three faces wide, around the face
        ((1000, 800), (100, 200, 700, 800), (0, 0, 800, 800)),  # a large face: as much as there is
        ((1000, 800), (0, 0, 100, 100), (0, 0, 300, 300)),  # in the corner: inside the photo
        ((1000, 800), (900, 700, 1000, 800), (700, 500, 1000, 800)),
        ((1000, 800), (500, 400, 510, 410), (393, 293, 617, 517)),  # tiny: never enlarged
        ((100, 80), (40, 30, 60, 50), (10, 0, 90, 80)),  # a tiny photo
    ],
)
def test_a_thumbnail_is_a_square_around_the_face_inside_the_photo(size, box, window):
    face = Face(np.float32(box), np.zeros((5, 2), np.float32), 1.0)
    assert window_of(AnalysisRow("", "", 0, "ok", "", *size, face)) == window


def test_a_photo_without_a_face_is_shown_whole():
    assert window_of(AnalysisRow("", "", 0, "rejected", "no face", 1000, 800)) == (0, 0, 1000, 800)


BAG = Bag(
    (
        BagItem("age", 41.2, "41 years old", "F1"),
        BagItem("gender", "female", "woman", "F1"),
        BagItem("big_nose", True, "a big nose", "F2"),
        BagItem("monochrome", True, "black and white", "photo"),
    )
)


VOCABULARY = Vocabulary.load()
EMOTIONS = {"fear": "afraid", "surprise": "surprised"}


def said(text, **given):
    return Caption(text, "llm", "long", 1, BAG, **{"mentioned": (), "missed": (), "invented": (), **given})


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("A woman, 41 years old.", ["woman", "41 years old"]),
        ("A 41-year-old WOMAN", ["41-year-old", "WOMAN"]),
        ("Black-and-white photo of a lady", ["Black-and-white", "lady"]),
        ("with a big nose", ["big nose"]),
        ("Her nose is big.", ["Her", "nose is big"]),
        ("nothing of it", []),
        ("", []),
    ],
)
def test_findings_are_marked_where_the_caption_says_them(text, marked):
    found = pieces(said(text, mentioned=BAG.names), VOCABULARY)
    assert "".join(piece.text for piece in found) == text
    assert [piece.text for piece in found if piece.kind] == marked


def test_inventions_are_marked_apart_and_only_where_the_record_has_them():
    text = "A woman in a hat, with brown hair"
    found = pieces(said(text, mentioned=("gender",), invented=("wearing_hat",)), VOCABULARY)
    assert [(piece.text, piece.kind, piece.what) for piece in found if piece.kind] == [
        ("woman", "mentioned", "gender: female"),
        ("hat", "invented", "wearing hat"),
    ]


def test_each_of_two_emotions_is_marked_as_itself():
    bag = Bag(tuple(BagItem("emotion", value, f"partly {how}", "F2") for value, how in EMOTIONS.items()))
    text = "looking partly surprised and partly afraid"
    found = pieces(replace(said(text, mentioned=("emotion", "emotion")), bag=bag), VOCABULARY)
    assert [piece.what for piece in found if piece.kind] == ["emotion: surprise", "emotion: fear"]


def test_a_finding_of_a_plugin_is_marked_by_its_phrase():
    bag = Bag((BagItem("eye_colour", "brown", "brown eyes", "F2"),))
    found = pieces(replace(said("a man with brown eyes", mentioned=("eye_colour",)), bag=bag), VOCABULARY)
    assert found == (Piece("a man with "), Piece("brown eyes", "mentioned", "eye colour: brown"))


def test_what_is_not_mentioned_is_not_marked():
    assert pieces(said("A woman, 41 years old", mentioned=("age",)), VOCABULARY) == (
        Piece("A woman, "),
        Piece("41 years old", "mentioned", "age: 41.2"),
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name.jpg", "plain name.jpg"),
        ("Zoë 日本 👩‍🦰.jpg", "Zoë 日本 👩‍🦰.jpg"),
        ("a\nb\tc\x7f", "a␊b␉c\\u007f"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("a\udcffb", "a\\udcffb"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_letters_that_cannot_be_seen_are_shown(text, shown):
    assert visible(text) == shown


def test_a_name_that_is_not_unicode_is_shown(tmp_path):
    folder = tmp_path / "run"
    run = drawn_run.make_run(folder, (Drawn("a.jpg"),))
    (row, captions), *_ = run.rows()
    run.commit_analysis(0, [replace(row, uri="file:///photos/caf%E9.jpg")], "key")
    run.commit_captions(0, [captions], "key")
    assert "caf\\udce9.jpg" in write_report(run).read_text(encoding="utf-8")


def rows(statuses):
    return [
        (
            AnalysisRow(f"{n:016x}", str(n), 0, {"+": "ok", "-": "rejected", "!": "failed"}[sign]),
            CaptionRow(f"{n:016x}"),
        )
        for n, sign in enumerate(statuses)
    ]


@pytest.mark.parametrize(
    ("statuses", "limit", "shown"),
    [
        ("++-+!", 10, [0, 1, 2, 3, 4]),
        ("++++++", 4, [0, 1, 2, 3]),
        ("------", 4, [0, 1, 2, 3]),
        ("++++++--", 4, [0, 1, 6, 7]),  # what went wrong is shown, even from the end
        ("+++++-!--!", 4, [0, 1, 5, 6]),  # and takes half of the page at most
        ("+------", 4, [0, 1, 2, 3]),  # unless there is nothing else
        ("-+", 1, [1]),
    ],
)
def test_a_large_run_is_shown_by_a_sample(statuses, limit, shown):
    sample = RowSelection(limit)
    assert len(list(sample.watching(rows(statuses)))) == len(statuses)
    assert [int(row.uri) for row, _ in sample.rows] == shown


def test_a_sampled_page_says_so_and_counts_everything(tmp_path, page):
    run = drawn_run.make_run(tmp_path / "run")
    sampled = write_report(run, limit=4).read_text(encoding="utf-8")
    assert len(articles(sampled)) == 4
    assert "This page shows 4 of 7 photos" in sampled
    assert "This page shows" not in page
    charts = re.compile(r'<section aria-label="In figures">.*?<h2 id="photos">', re.DOTALL)
    assert charts.search(sampled)[0] == charts.search(page)[0]


def test_a_run_that_has_not_begun_has_a_page(tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.write_settings({})
    assert "No photo of this run has been analysed yet" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "photos",
    [
        (Drawn("a.jpg", "failed", "empty file"),),
        (Drawn("a.jpg", "rejected", ""),),
        (Drawn("a.jpg", texts=("",)),),
        (Drawn("a.jpg", age=200.0, gender="x" * 300),),
        tuple(Drawn("a.jpg", gender=f"gender {n}", age=5.0 * n) for n in range(25)),
    ],
    ids=["only failures", "no reason", "an empty caption", "odd values", "many values"],
)
def test_odd_runs_have_a_page(tmp_path, photos):
    page = write_report(drawn_run.make_run(tmp_path / "run", photos)).read_text(encoding="utf-8")
    assert len(articles(page)) == len(photos)


def test_a_run_without_captions_as_yet_has_a_page(tmp_path):
    run = drawn_run.make_run(tmp_path / "run")
    run.captions_path(0).unlink()
    assert len(articles(write_report(run).read_text(encoding="utf-8"))) == 7


def test_the_command_writes_the_page_again_and_prints_its_path(tmp_path, capsys):
    run = drawn_run.make_run(tmp_path / "run")
    write_report(run)
    for name in ("report.html", "stats.json"):
        (run.path / name).unlink()
    assert main(["report", str(run.path), "--limit", "2"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{run.path / 'report.html'}\n"
    assert len(articles((run.path / "report.html").read_text(encoding="utf-8"))) == 2
    assert (run.path / "stats.json").is_file()


def test_the_command_says_where_there_is_no_run(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("t2f: ")
    assert main(["report", str(tmp_path), "--limit", "0"]) == 2


def test_the_command_says_when_no_browser_can_be_started(tmp_path, capsys, monkeypatch):
    run = drawn_run.make_run(tmp_path / "run", (Drawn("a.jpg"),))
    monkeypatch.setenv("PATH", "")
    assert main(["report", str(run.path), "--open"]) == 0
    shown = capsys.readouterr()
    assert shown.out == f"{run.path / 'report.html'}\n"
    assert "no browser could be started" in shown.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_place_of_a_photo_or_crop_is_not_waited_for(tmp_path):
    run = small_run.make_run(tmp_path / "run", [["One."], ["Two."]])
    os.mkfifo(tmp_path / "photo.jpg")
    path = run.analysis_path(0)
    rows = [replace(row, uri=uri_of(tmp_path / "photo.jpg")) for row in read_analysis(path)]
    run.commit_analysis(0, rows, "a key")
    run.image_path(rows[0]).unlink()
    os.mkfifo(run.image_path(rows[0]))
    assert main(["report", str(run.path)]) == 0
    assert (run.path / "report.html").is_file()

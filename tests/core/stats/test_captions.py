"""The figures of a run's captions, counted by hand, and as `t2f stats` prints them."""

import json

import pytest
from support import drawn_run, small_run, toys

from text2face_core import caption_photos
from text2face_core.cli import main
from text2face_core.plugins.registry import Plugins
from text2face_core.records import Bag, BagItem, Caption, CaptionRow
from text2face_core.run.timing import Speed, read_speed, write_speed
from text2face_core.stats.captions import VARIETY_CAPTIONS, Groups

BAG = Bag((BagItem("age", 34.0, "34 years old", "F1"),))


def caption(text, fuser="llm", style="short", **given):
    given = {"tries": 1, "mentioned": (), "missed": (), "invented": (), **given}
    return Caption(text, fuser, style, **{"bag": BAG, **given})


def figures(*captions):
    groups = Groups()
    groups.add(captions)
    return groups.figures()


def test_lengths_are_means_and_tokens_count_where_they_were_counted():
    found = figures(caption("one two", tokens=4), caption("one two three four", tokens=7), caption("a"))
    assert found["words_mean"] == pytest.approx(7 / 3, abs=1e-4)
    assert found["tokens_mean"] == 5.5
    assert figures(caption("a"))["tokens_mean"] is None


def test_variety_is_different_words_and_pairs_of_words_per_word_and_pair():
    found = figures(caption("A man, a hat."), caption("a man; A 5-year-old's hat"))
    assert found["distinct_1"] == pytest.approx(4 / 9, abs=1e-4)  # a man hat 5-year-old's
    assert found["distinct_2"] == pytest.approx(5 / 7, abs=1e-4)  # a man, man a (twice), a hat, a 5-, 5- hat
    assert figures(caption("word"))["distinct_2"] is None


def test_variety_is_of_the_first_captions_so_that_large_runs_compare():
    first = [caption(f"word{number}") for number in range(VARIETY_CAPTIONS)]
    assert figures(*first, *[caption("again and again")] * 50)["distinct_1"] == 1


def test_inventions_are_counted_by_caption_and_tries_too():
    found = figures(
        caption(
            "x", invented=("bald", "age"), tries=3, refusals=("missed age", "over 77 tokens (83); missed age, hat")
        ),
        caption("y", mentioned=("age", "gender", "bald"), missed=("hat",)),
        caption("z", tries=2, refusals=("invented bald; missed age",)),
        caption("w"),
    )
    assert (found["inventing"], found["invented"], found["recall"]) == (0.25, 2, 0.75)
    assert (found["tries_mean"], found["retried"]) == (1.75, 0.5)
    assert found["refusals"] == {"missed": 3, "invented": 1, "over N tokens (N)": 1}


def test_a_caption_over_an_empty_bag_cannot_invent():
    found = figures(caption("x", invented=("bald",), bag=Bag(())), caption("y", invented=("bald",)), caption("z"))
    assert found["inventing"] == 0.5


def test_each_fuser_style_and_both_are_summed_up_and_add_up():
    found = figures(
        caption("a b", "llm", "short", mentioned=("age",)),
        caption("a c d", "llm", "long", missed=("age",)),
        caption("a e", "phrasebook", "short", mentioned=("age",)),
    )
    assert found["by_fuser"]["llm"]["recall"] == 0.5
    assert found["by_fuser"]["llm"]["distinct_1"] == 0.8
    assert found["by_style"]["short"]["number"] == 2
    assert found["by_fuser_and_style"] == {
        "llm": {"short": figures(caption("a b", mentioned=("age",)))["by_fuser"]["llm"],
                "long": figures(caption("a c d", missed=("age",)))["by_fuser"]["llm"]},
        "phrasebook": {"short": found["by_fuser"]["phrasebook"]},
    }  # fmt: skip


def test_reasons_for_refusal_do_not_fill_the_memory():
    found = figures(*(caption("x", refusals=(f"server error {chr(0x4E00 + number)}",)) for number in range(500)))
    assert sum(found["refusals"].values()) == 500
    assert len(found["refusals"]) <= 51


def test_no_captions_have_figures_too():
    assert figures()["by_fuser"] == {}
    assert figures()["inventing"] is None


# ---- how long it took


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "run", crops=False)


def row(number, **kept):
    captions = tuple(caption("x", fuser) for fuser, count in kept.items() for _ in range(count))
    return CaptionRow(f"{number:016x}", captions)


def test_seconds_are_kept_by_fuser_over_all_chunks(run):
    write_speed(run, 0, [row(0, llm=3, phrasebook=1), row(1, llm=4)], {"llm": 3.0, "phrasebook": 0.5})
    write_speed(run, 1, [row(2, llm=4)], {"llm": 1.0})
    assert read_speed(run) == {"llm": Speed(11, 4.0), "phrasebook": Speed(1, 0.5)}
    assert read_speed(run)["llm"].per_second == 2.75


def test_the_time_of_a_fuser_that_wrote_nothing_worth_keeping_counts(run):
    write_speed(run, 0, [row(0, phrasebook=4)], {"llm": 2.0, "phrasebook": 0.0})
    assert read_speed(run)["llm"].per_second == 0
    assert read_speed(run)["phrasebook"].per_second is None


def test_the_time_of_captions_that_were_written_again_since_does_not_count(run):
    write_speed(run, 0, [row(0, llm=4)], {"llm": 1.0})
    run.commit_captions(0, [row(0, other=4)], "another key")
    assert read_speed(run) == {}


def test_the_time_of_captions_of_other_settings_does_not_count(run):
    write_speed(run, 0, [row(0, llm=4)], {"llm": 1.0})
    settings = {name: value for name, value in run.settings.items() if name != "format"}
    run.write_settings({**settings, "keys": {"captions": "a key"}})
    assert read_speed(run).keys() == {"llm"}
    run.write_settings({**settings, "keys": {"captions": "another"}})  # a `t2f fuse` that was stopped at once
    assert read_speed(run) == {}


def test_a_note_that_cannot_be_read_is_none(run):
    write_speed(run, 0, [row(0, llm=4)], {"llm": 1.0})
    next(run.path.rglob("*.seconds.json")).write_text("{")
    assert read_speed(run) == {}


@pytest.fixture
def toy_run(toy_photos, tmp_path):
    plugins = Plugins.load()
    plugins.register("toy", toys)
    caption_photos(toy_photos, plugins="toy", out=tmp_path / "toys", available=plugins)
    return tmp_path / "toys"


def test_a_run_notes_how_long_its_fuser_took(toy_run, capsys):
    assert main(["stats", str(toy_run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fuser"] == "toy.echo"
    assert sum(speed["captions"] for speed in found["speed"].values()) == found["number"]
    assert found["speed"]["toy.echo"]["seconds"] > 0  # whether or not any of its captions was good enough


# ---- as it is printed


def test_the_table_has_a_column_for_each_fuser_and_style_and_one_for_all(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    run.commit_captions(
        0,
        [
            CaptionRow(
                f"{0:016x}",
                (
                    caption("one two three", "phrasebook", "short", mentioned=("age", "hat"), tokens=5, tries=1),
                    caption("one two", "phrasebook", "long", mentioned=("age",), missed=("hat",), tokens=4, tries=2),
                    caption("five", "llm", "short", invented=("bald",), refusals=("missed age",), tries=2),
                    caption("six", "llm", "short"),
                ),
            )
        ],
        "key",
    )
    run.commit_captions(1, [], "key")
    write_speed(run, 0, [row(0, phrasebook=2, llm=2)], {"phrasebook": 0.5, "llm": 8.0})
    assert main(["stats", str(run.path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    cells = {
        words[0]: words[1:] for words in ([word.strip() for word in line.split("│")[1:-1]] for line in lines) if words
    }
    assert lines[0].strip() == "4 captions of 1 photo"
    heads = next(line for line in lines if "phrasebook" in line)
    assert [word.strip() for word in heads.split("┃")[2:-1]] == ["llm", "phrasebook", "long", "short", "all"]
    assert cells["captions"] == ["2", "2", "1", "1", "4"]
    assert cells["recall"] == ["–", "75.0 %", "50.0 %", "100.0 %", "75.0 %"]
    assert cells["inventing"] == ["50.0 %", "0.0 %", "0.0 %", "0.0 %", "25.0 %"]
    assert cells["tokens"] == ["–", "4.5", "4", "5", "4.5"]
    assert cells["retried"] == ["50.0 %", "50.0 %", "100.0 %", "0.0 %", "50.0 %"]
    assert cells["per second"] == ["0.25", "4", "–", "–", "–"]
    assert "50.0 % of the captions are not by phrasebook, but by the fallback" in lines
    assert "missed: hat 1" in lines
    assert "invented: bald 1" in lines
    assert "tries refused: missed 1" in lines


def test_two_fusers_and_their_styles_fit_a_terminal_of_eighty_columns(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    texts = [
        caption(f"{fuser} {style} {number}", fuser, style, mentioned=("age",), tokens=30)
        for fuser in ("openai", "phrasebook")
        for style in ("long", "short")
        for number in range(50)
    ]
    run.commit_captions(0, [CaptionRow(f"{0:016x}", tuple(texts))], "key")
    run.commit_captions(1, [], "key")
    assert main(["stats", str(run.path)]) == 0
    shown = capsys.readouterr().out
    assert "\u2026" not in shown
    rows = [line.split() for line in shown.splitlines()]
    heads = [[word for word in row if word != "\u2503"] for row in rows if "\u2503" in row]
    assert heads == [["openai", "phrasebook", "all"], ["openai", "long", "short"], ["phrasebook", "long", "short"]]
    assert [row[3:-1:2] for row in rows if row[:2] == ["\u2502", "captions"]] == [
        ["100", "100", "200"],
        ["100", "50", "50"],
        ["100", "50", "50"],
    ]


def test_a_run_by_its_own_fuser_alone_says_nothing_of_a_fallback(run, capsys):
    assert main(["stats", str(run.path)]) == 0
    shown = capsys.readouterr().out
    assert "fallback" not in shown
    assert " all " not in shown


def test_the_json_holds_all_figures_the_speed_and_the_fallback(tmp_path, capsys):
    run = drawn_run.make_run(tmp_path / "run")
    assert main(["stats", str(run.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["recall"] == 0.9
    assert found["by_fuser_and_style"]["toy.echo"].keys() == {"long"}
    assert found["speed"] == {}


def test_a_run_without_captions_says_so(tmp_path, capsys):
    run = small_run.make_run(tmp_path / "run", texts=[])
    assert main(["stats", str(run.path)]) == 0
    assert "has no captions yet" in capsys.readouterr().out


def test_photos_that_were_accepted_and_have_no_caption_are_counted(run, capsys):
    run.commit_captions(0, [CaptionRow(f"{0:016x}", (caption("one two"),))], "key")
    run.commit_captions(1, [], "key")
    assert main(["stats", str(run.path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "3 of the accepted photos have no caption" in shown


def test_where_there_is_no_run(tmp_path, capsys):
    assert main(["stats", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err

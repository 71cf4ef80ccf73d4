"""The figures of a run: counted by hand on a small one, and by their own sums on others."""

import json
import tracemalloc

import pytest
from support import drawn_run

from text2face_core.records import AnalysisRow, Bag, Caption, CaptionRow, Finding
from text2face_core.stats.figures import (
    MOST_LABELS,
    MOST_VALUES,
    OTHERS,
    age_band,
    collect_stats,
    kind_of_reason,
    to_json,
    write_stats,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return drawn_run.make_run(tmp_path_factory.mktemp("stats") / "run")


@pytest.fixture(scope="module")
def stats(run):
    return collect_stats(run.rows())


def row(*findings, status="ok", reason="", uri="/photos/a.jpg"):
    return AnalysisRow("0" * 16, uri, 0, status, reason, findings=findings), CaptionRow("0" * 16)


def said(text, fuser="f"):
    caption = Caption(text, fuser, "short", 1, Bag(()), (), (), ())
    return row()[0], CaptionRow("0" * 16, (caption,))


def test_photos_are_counted_by_status_and_reasons_without_their_numbers(stats):
    assert stats["photos"] == {"all": 7, "ok": 4, "rejected": 2, "failed": 1}
    assert stats["reasons"] == {"rejected": {"N faces": 2}, "failed": {"not an image": 1}}


def test_findings_are_counted_by_value(stats):
    assert stats["findings"]["gender"] == {"photos": 4, "values": {"female": 2, "male": 2}}
    assert stats["findings"]["smiling"] == {"photos": 4, "values": {"absent": 3, "present": 1}}
    assert stats["findings"]["age"] == {
        "photos": 4,
        "values": {"0-9": 1, "30-39": 1, "60-69": 2},
        "mean": pytest.approx((34 + 61.4 + 8 + 63) / 4),
        "least": 8.0,
        "greatest": 63.0,
    }


def test_genders_are_counted_by_decade_of_age(stats):
    assert stats["gender_by_age"] == {"female": {"0-9": 1, "30-39": 1}, "male": {"60-69": 2}}


def test_captions_are_summed_up_in_all_and_for_each_fuser_and_style(stats):
    captions = stats["captions"]
    assert (captions["photos"], captions["number"], captions["distinct"]) == (4, 8, 8)
    assert (captions["mentioned"], captions["missed"], captions["invented"]) == (18, 2, 2)
    assert captions["recall"] == 0.9
    assert captions["missed_names"] == {"eyeglasses": 2}
    assert captions["invented_names"] == {"wearing_hat": 2}
    assert captions["by_style"]["short"]["words_mean"] == 2
    assert captions["by_fuser"]["toy.plain"] == captions["by_style"]["short"]
    for split in ("by_fuser", "by_style"):
        for figure in ("number", "mentioned", "missed", "invented"):
            assert sum(part[figure] for part in captions[split].values()) == captions[figure]


def test_a_text_counts_once_however_many_fusers_wrote_it():
    rows = [said("the same", fuser=fuser) for fuser in "aab"] + [said("another", fuser="b")]
    captions = collect_stats(rows)["captions"]
    assert captions["distinct"] == 2
    assert {fuser: made["distinct"] for fuser, made in captions["by_fuser"].items()} == {"a": 1, "b": 2}


def test_a_run_of_nothing_has_figures_too():
    stats = collect_stats([])
    assert stats["photos"] == {"all": 0, "ok": 0, "rejected": 0, "failed": 0}
    assert stats["captions"]["recall"] is None
    assert stats["captions"]["words_mean"] is None
    assert json.loads(to_json(stats)) == stats


def test_what_goes_together_is_symmetric_and_counts_each_alone_on_the_diagonal(stats):
    table = stats["co_occurrence"]
    at = {label: place for place, label in enumerate(table["labels"])}
    count = table["photos"]
    assert set(at) == {"age=0-9", "age=30-39", "age=60-69", "gender=female", "gender=male", "smiling", "eyeglasses"}
    assert count == [list(column) for column in zip(*count, strict=True)]
    assert count[at["gender=male"]][at["gender=male"]] == 2
    assert count[at["gender=male"]][at["age=60-69"]] == 2
    assert count[at["gender=male"]][at["eyeglasses"]] == 1
    assert count[at["gender=female"]][at["gender=male"]] == 0


def test_only_the_most_frequent_labels_are_tabled():
    names = [f"finding_{number:02d}" for number in range(MOST_LABELS + 5)]
    rows = [row(*(Finding(name, True, 1.0) for name in names[: place + 1])) for place in range(len(names))]
    assert collect_stats(rows)["co_occurrence"]["labels"] == names[:MOST_LABELS]


def test_two_extractors_that_agree_count_once_and_two_that_differ_count_both():
    both = collect_stats([row(Finding("gender", "female", 0.9, "a"), Finding("gender", "female", 0.8, "b"))])
    assert both["findings"]["gender"] == {"photos": 1, "values": {"female": 1}}
    differ = collect_stats(
        [row(Finding("gender", "female", 0.9, "a"), Finding("gender", "male", 0.6, "b"), Finding("age", 5, 1))]
    )
    assert differ["findings"]["gender"] == {"photos": 1, "values": {"female": 1, "male": 1}}
    assert differ["gender_by_age"] == {"female": {"0-9": 1}}  # the first that was seen


@pytest.mark.parametrize(
    ("years", "band"),
    [(0, "0-9"), (9.99, "0-9"), (10, "10-19"), (89.9, "80-89"), (90, "90+"), (130, "90+"), (-1, "0-9")],
)
def test_ages_fall_into_decades(years, band):
    assert age_band(years) == band


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_leaves_the_figures_valid_json(value):
    stats = collect_stats([row(Finding("age", value, 0.5), Finding("tilt", value, 0.5))])
    assert stats["findings"]["age"] == {"photos": 1, "values": {}}
    json.loads(to_json(stats), parse_constant=pytest.fail)


def test_other_numbers_have_a_mean_and_no_bands():
    assert collect_stats([row(Finding("tilt", 2.0, 1)), row(Finding("tilt", 5.0, 1))])["findings"]["tilt"] == {
        "photos": 2,
        "values": {},
        "mean": 3.5,
        "least": 2.0,
        "greatest": 5.0,
    }


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("2 faces", "N faces"),
        ("no face", "no face"),
        ("face too small: 31 pixels (the least is 48)", "face too small: N pixels (the least is N)"),
        (
            "too large: 30,000 \u00d7 30,000 pixels (the limit is 120.5 megapixels)",
            "too large: N \u00d7 N pixels (the limit is N megapixels)",
        ),
        ("640x480 is too small", "NxN is too small"),
        ("unreadable: cannot convert uint8", "unreadable: cannot convert uint8"),
        ("unreadable: <object at 0x7f3a>", "unreadable: <object at N>"),
        ("toy: OSError: '/photos/b 12.jpg' is gone", "toy: OSError: … is gone"),
        ("toy: /photos/a.jpg is odd", "toy: … is odd"),
        ("", "no reason given"),
    ],
)
def test_reasons_are_grouped_without_what_differs_from_photo_to_photo(reason, kind):
    assert kind_of_reason(row(status="failed", reason=reason)[0]) == kind


def test_free_text_does_not_fill_the_memory():
    rows = [row(Finding("motto", f"motto {number}", 1)) for number in range(MOST_VALUES + 50)]
    rows += [row(status="failed", reason=f"{chr(0x4E00 + number)} is odd") for number in range(MOST_VALUES + 50)]
    stats = collect_stats(rows)
    assert stats["findings"]["motto"]["values"][OTHERS] == 50
    assert len(stats["findings"]["motto"]["values"]) == MOST_VALUES + 1
    assert stats["reasons"]["failed"][OTHERS] == 50


def test_rows_are_not_kept():
    def stream():
        for number in range(400):
            yield said(f"{number} " + "x" * 50_000)

    tracemalloc.start()
    try:
        collect_stats(stream())
        assert tracemalloc.get_traced_memory()[1] < 2_000_000  # all texts together are 20 MB
    finally:
        tracemalloc.stop()


def test_stats_json_is_sorted_and_the_same_each_time(run, stats):
    assert write_stats(run) == stats
    first = (run.path / "stats.json").read_bytes()
    write_stats(run)
    assert (run.path / "stats.json").read_bytes() == first
    assert json.loads(first) == stats
    assert list(json.loads(first)) == sorted(stats)

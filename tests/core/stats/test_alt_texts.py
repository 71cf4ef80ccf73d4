"""Alternative texts beside our captions: Figure 1 of the paper, in figures and in the report."""

import json
from dataclasses import replace

import pytest
from support import small_run

from text2face_core.cli import main
from text2face_core.report import write_report
from text2face_core.run.directory import RunDirectory
from text2face_core.run.tables import read_analysis, write_analysis
from text2face_core.stats import collect_stats

ALT = "John Doe, 34, <b>smiling</b> at the premiere"


@pytest.fixture
def run(tmp_path) -> RunDirectory:
    """Two photos with a caption, of which the first has an alternative text."""
    run = small_run.make_run(tmp_path / "run", [["A 34-year-old woman."], ["A 34-year-old woman."]])
    rows = read_analysis(run.analysis_path(0))
    rows[0] = replace(rows[0], alt_text=ALT)
    write_analysis(run.analysis_path(0), rows, {"key": "a key"})
    run.commit_captions(0, [captions for row, captions in run.rows() if row.chunk == 0], "a key")
    return run


def test_stats_compare_length_findings_and_share_of_the_bag(run):
    found = collect_stats(run.rows())["alt_texts"]
    assert found["photos"] == found["compared"] == 1
    assert found["alt_text"]["words_mean"] == len(ALT.split())
    assert found["caption"]["words_mean"] == 3
    assert found["caption"]["recall"] == 0.5  # "age" of age and emotion, as recorded
    assert 0 <= found["alt_text"]["recall"] <= 1
    assert "alt_texts" not in collect_stats([])


def test_the_command_prints_both(run, capsys):
    assert main(["stats", str(run.path)]) == 0
    shown = capsys.readouterr().out
    assert "alternative text" in shown
    assert "our caption" in shown
    assert main(["stats", str(run.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["alt_texts"]["photos"] == 1


def test_the_report_shows_it_next_to_our_caption_and_never_as_markup(run):
    page = write_report(run).read_text(encoding="utf-8")
    assert page.count("alternative text of the web page") == 1
    assert "John Doe" in page
    assert "<b>smiling" not in page
    assert "&lt;b&gt;" in page

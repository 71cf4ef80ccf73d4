"""`t2f check RUN`: the captions of a run, checked or printed as lines."""

import json

import pytest
from support import small_run

from text2face_core.cli import main

TEXTS = [["A happy person, 34 years old.", "A happy person in a boat."], ["A person of 34 years, happy."]]


@pytest.fixture
def run(tmp_path):
    return small_run.make_run(tmp_path / "out", TEXTS, crops=False)


def test_the_captions_of_a_run_are_checked_against_their_bags(run, capsys):
    assert main(["check", str(run.path)]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["id"] for answer in answers] == [f"{small_run.photo_id(p)}-{n}" for p, n in ((0, 0), (0, 1), (1, 0))]
    assert [answer["missed"] for answer in answers] == [[], ["age"], []]
    assert [answer["invented"] for answer in answers] == [[], ["other"], []]


def test_lines_of_a_run_are_what_the_check_reads(run, capsys, tmp_path):
    assert main(["check", str(run.path)]) == 0
    direct = capsys.readouterr().out
    assert main(["check", str(run.path), "--lines"]) == 0
    path = tmp_path / "lines.jsonl"
    path.write_text(capsys.readouterr().out, "utf-8")
    assert json.loads(path.read_text("utf-8").splitlines()[1])["caption"] == TEXTS[0][1]
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == direct

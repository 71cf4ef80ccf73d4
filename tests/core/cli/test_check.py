"""`t2f check`: captions of any program, line by line."""

import io
import json
import subprocess
import sys

import pytest
from support.distributions import add_distribution

from text2face_core.cli import main

WOMAN = {"name": "gender", "value": "female", "phrase": "woman", "level": "F1"}
AGE = {"name": "age", "value": 34, "phrase": "34 years old", "level": "F1"}
HAT = {"name": "wearing_hat", "value": True, "phrase": "a hat", "level": "F2"}
GOOD = {"id": "a", "bag": [WOMAN, HAT], "caption": "A woman with a hat."}


def check(tmp_path, capsys, lines, *arguments):
    """(exit code, lines on stdout, text on stderr)."""
    path = tmp_path / "captions.jsonl"
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    )
    code = main([*arguments, "check", str(path)])
    shown = capsys.readouterr()
    return code, [json.loads(line) for line in shown.out.splitlines()], shown.err


def test_each_line_is_answered_in_its_order(tmp_path, capsys):
    lines = [GOOD, {"id": 7, "bag": [WOMAN, AGE], "caption": "A man of thirty-five with a café crème."}]
    code, answers, said = check(tmp_path, capsys, lines)
    assert code == 0
    assert answers == [
        {"id": "a", "mentioned": ["gender", "wearing_hat"], "missed": [], "invented": []},
        {"id": 7, "mentioned": ["age"], "missed": ["gender"], "invented": ["gender"]},
    ]
    assert (
        said
        == "t2f: 2 captions read; 75.0% of 4 findings mentioned; 50.0% of captions invent something; 50.0% are clean\n"
    )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "it is not valid JSON"),
        (b"\xff", "it is not valid JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[]", "should be an object"),
        ({"id": 1}, 'it has no "caption"'),
        ({**GOOD, "caption": None}, '"caption" should be a text, not null'),
        ({**GOOD, "bag": {}}, '"bag" should be a list'),
        ({**GOOD, "bag": ["a hat"]}, '"bag"[0] should be an object'),
        (
            {**GOOD, "bag": [WOMAN, {**HAT, "level": "F3"}]},
            '"bag"[1]: "level" should be one of F1, F2, photo, not "F3"',
        ),
        ({**GOOD, "bag": [{"name": "gender"}]}, '"bag"[0] has no "value"'),
        ({**GOOD, "bag": [{**HAT, "phrase": " "}]}, '"name" and "phrase" should be texts'),
        ({**GOOD, "bag": [{**HAT, "value": None}]}, '"value" should be true, false'),
        ({**GOOD, "bag": [{**AGE, "value": float("nan")}]}, '"value" is not a finite number'),
        ({**GOOD, "bag": [{**AGE, "value": 10**400}]}, '"value" is not a finite number'),
    ],
)
def test_a_bad_line_is_named_and_the_others_go_on(tmp_path, capsys, line, message):
    code, answers, said = check(tmp_path, capsys, [GOOD, line, b"", GOOD])
    assert code == 1
    assert len(answers) == 2
    assert "t2f: line 2: " in said
    assert message in said
    assert "1 line not readable" in said


def test_names_and_words_that_the_vocabulary_lacks_are_found_by_their_phrase(tmp_path, capsys):
    freckles = {"name": "freckles", "value": True, "phrase": "a dusting of freckles", "level": "F2"}
    scarf = {"name": "scarf", "value": "red", "phrase": "a scarlet scarf", "level": "F2"}
    lines = [
        {"id": 1, "bag": [freckles, scarf], "caption": "A face with a dusting of freckles."},
        {"id": 2, "bag": [{**HAT, "phrase": "a straw boater"}], "caption": "a straw boater"},
        {"id": 3, "bag": [], "caption": ""},
    ]
    code, answers, _ = check(tmp_path, capsys, lines)
    assert code == 0
    assert answers[0] == {"id": 1, "mentioned": ["freckles"], "missed": ["scarf"], "invented": []}
    assert answers[1] == {"id": 2, "mentioned": ["wearing_hat"], "missed": [], "invented": []}
    assert answers[2] == {"id": 3, "mentioned": [], "missed": [], "invented": []}


@pytest.mark.parametrize(
    ("name", "value", "phrase", "right", "wrong"),
    [
        ("gender", "Woman", "woman", "A lady.", "A man."),
        ("male", 1, "man", "A gentleman.", "A lady."),
        ("ethnicity", "latino hispanic", "Latino", "A Hispanic person.", "A Black person."),
        ("eyeglasses", 1, "glasses", "A person with spectacles.", "A person without glasses."),
        ("eye_openness", "half", "partly open eyes", "With half-closed eyes.", "With closed eyes."),
    ],
)
def test_a_value_in_other_words_than_ours_is_what_its_phrase_says(tmp_path, capsys, name, value, phrase, right, wrong):
    bag = [{"name": name, "value": value, "phrase": phrase, "level": "F2"}]
    lines = [{"id": 1, "bag": bag, "caption": right}, {"id": 2, "bag": bag, "caption": wrong}]
    _, answers, _ = check(tmp_path, capsys, lines)
    assert answers[0] == {"id": 1, "mentioned": [name], "missed": [], "invented": []}
    assert (answers[1]["missed"], len(answers[1]["invented"])) == ([name], 1)


def test_a_plugin_that_is_not_there_is_named_with_the_choices(tmp_path, capsys):
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(GOOD))
    assert main(["check", str(path), "--plugins", "nosuch"]) == 2
    said = capsys.readouterr().err
    assert said.startswith('t2f: no plugin is called "nosuch".')
    assert "phrasebook" in said


def test_a_file_without_lines_is_nothing_to_do(tmp_path, capsys):
    code, answers, message = check(tmp_path, capsys, [])
    assert (code, answers) == (3, [])
    assert "no line to check" in message


def test_a_file_that_is_not_there_is_wrong_usage(capsys):
    assert main(["check", "nowhere.jsonl"]) == 2
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_quiet_leaves_the_summary_out(tmp_path, capsys):
    assert check(tmp_path, capsys, [GOOD], "-q")[2] == ""


def test_a_windows_file_with_a_mark_at_its_beginning_is_read(tmp_path, capsys):
    code, answers, _ = check(tmp_path, capsys, [b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r"])
    assert (code, len(answers)) == (0, 1)


def test_a_plugin_brings_its_words(tmp_path, monkeypatch, capsys):
    add_distribution(tmp_path / "site", "t2f-iris", "iris = t2f_iris")
    (tmp_path / "site" / "t2f_iris.py").write_text(
        "from text2face_core import Component, hookimpl\n"
        "@hookimpl\n"
        "def t2f_extractors(): yield Component('iris', print)\n"
        "@hookimpl\n"
        "def t2f_vocabulary():\n"
        "    values = {'brown': {'phrases': ['brown eyes']}}\n"
        "    return {'findings': {'eye_colour': {'level': 'F2', 'role': 'has', 'values': values}}}\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps({"id": 1, "bag": [], "caption": "Eyes that are brown."}))
    for plugins, invented in (("", ["other"]), ("iris", ["eye_colour"])):
        assert main(["check", str(path), "--plugins", plugins]) == 0
        assert json.loads(capsys.readouterr().out)["invented"] == invented


def test_stdin_is_read_and_nothing_heavy_is_imported():
    code = (
        "import sys\nfrom text2face_core.cli import main\nassert main(['check', '-']) == 0\n"
        "print({'cv2', 'onnxruntime', 'pyarrow', 'torch', 'rich', 'jinja2', 'PIL'} & set(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(GOOD), capture_output=True, text=True, check=True
    )
    assert json.load(io.StringIO(done.stdout))["mentioned"] == ["gender", "wearing_hat"]
    assert done.stderr.splitlines()[-1] == "set()"


def test_a_malformed_caption_has_a_flaw_and_is_not_clean(tmp_path, capsys):
    lines = [
        {**GOOD, "caption": text}
        for text in (
            "A woman with a hat.<|im_end|>",
            "I'm sorry. A woman with a hat.",
            "A woman with a hat. Ella lleva barba.",
            "A woman with a hat and",
            "woman, hat, and",
        )
    ]
    code, answers, summary = check(
        tmp_path, capsys, [*lines, GOOD, {**GOOD, "caption": "woman, a hat, headshot, face"}]
    )
    assert code == 0
    assert all(answer["flaw"] for answer in answers[:5])
    assert "flaw" not in answers[5]
    assert "flaw" not in answers[6]  # tags are well-formed too
    assert "71.4% are malformed" in summary


def test_plain_captions_are_checked_for_form_and_contradictions(tmp_path, capsys):
    lines = [
        {"caption": "A bald woman with long hair."},
        {"id": "b", "caption": "A woman."},
        {"caption": "Sure! A man."},
    ]
    code, answers, summary = check(tmp_path, capsys, lines)
    assert code == 0
    assert answers[0] == {"id": 1, "contradicts": ["hair_length"]}
    assert answers[1] == {"id": "b", "contradicts": []}
    assert answers[2] == {"id": 3, "contradicts": [], "flaw": "talk about the task"}
    assert "33.3% are clean" in summary
    assert "invent" not in summary  # nothing can be invented without a bag


def test_a_caption_over_an_empty_bag_is_not_counted_as_inventing(tmp_path, capsys):
    lines = [{"id": 1, "bag": [], "caption": "A red bicycle on a bridge."}, GOOD]
    code, answers, summary = check(tmp_path, capsys, lines)
    assert (code, answers[0]["invented"]) == (0, ["other"])
    assert "0.0% of captions invent something" in summary


def test_an_allowed_word_is_not_an_invention(tmp_path, capsys):
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps({**GOOD, "caption": "An ohwx woman with a hat."}))
    for arguments, invented in (([], ["other"]), (["--allow", "ohwx"], [])):
        assert main(["check", str(path), *arguments]) == 0
        assert json.loads(capsys.readouterr().out)["invented"] == invented

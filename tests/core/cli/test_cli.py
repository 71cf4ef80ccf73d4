"""The command line as a user meets it, on a plugin that finds magenta squares (see tests/support/toys.py)."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import toys
from support.distributions import add_distribution

from text2face_core.cli import VERBS, main

SELECT = ["--plugins", "toy", "--no-report", "--set", "captions.max_tokens=0", "--set", "captions.check=false"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The toy plugin as if it were installed: a distribution's metadata on the path."""
    add_distribution(tmp_path / "site", "t2f-toy", "toy = support.toys")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "site"


def test_a_run_prints_where_it_is_and_exits_1_because_a_photo_failed(installed, toy_photos, capsys):
    assert main(["run", str(toy_photos), "--out", "out", *SELECT]) == 1
    shown = capsys.readouterr()
    assert shown.out == "out\n"
    for word in ("analysing 11 photo(s)", "captioned", "no face", "N faces", "not an image", "photos/s", "Toy "):
        assert word in shown.err


def test_the_default_run_directory_is_named_after_the_source(installed, toy_photos):
    (toy_photos / "text.jpg").unlink()
    assert main(["run", str(toy_photos), *SELECT]) == 0
    assert (installed.parent / "runs" / "photos" / "run.toml").is_file()


def test_quiet_says_nothing_and_a_log_file_gets_everything(installed, toy_photos, capsys):
    assert main(["-q", "--log-file", "log.txt", "run", str(toy_photos), "--out", "out", *SELECT]) == 1
    assert capsys.readouterr().err == ""
    assert "analysing 11 photo(s)" in (installed.parent / "log.txt").read_text()


def test_what_a_plugin_logs_is_shown_and_kept_like_the_core_s_own(installed, capsys):
    add_distribution(installed, "t2f-chatty", "chatty = chatty.plugin:hooks")
    (installed / "chatty").mkdir()
    (installed / "chatty" / "plugin.py").write_text(
        "import logging\nlog = logging.getLogger(__name__)\nhooks = object()\n"
        "log.warning('squares only')\nlog.debug('of any colour')\n"
    )
    assert main(["--log-file", "log.txt", "plugins", "show", "chatty"]) == 0
    shown = capsys.readouterr().err
    assert "t2f: squares only\n" in shown
    assert "of any colour" not in shown
    kept = (installed.parent / "log.txt").read_text()
    assert "WARNING chatty.plugin: squares only" in kept
    assert "DEBUG chatty.plugin: of any colour" in kept


def test_fuse_writes_captions_again_and_leaves_the_analysis(installed, toy_photos):
    main(["run", str(toy_photos), "--out", "out", *SELECT])
    analysis = (installed.parent / "out" / "analysis" / "00000.parquet").read_bytes()
    captions = (installed.parent / "out" / "captions" / "00000.parquet").read_bytes()
    assert main(["fuse", "out", "--plugins", "phrasebook", "--set", "captions.per_photo=2", "--no-report"]) == 1
    lines = (installed.parent / "out" / "dataset" / "metadata.jsonl").read_text().splitlines()
    assert {len(json.loads(line)["text"]) for line in lines} == {2}
    assert (installed.parent / "out" / "analysis" / "00000.parquet").read_bytes() == analysis
    assert (installed.parent / "out" / "captions" / "00000.parquet").read_bytes() != captions


def test_fuse_refuses_to_change_the_analysis(installed, toy_photos, capsys):
    main(["run", str(toy_photos), "--out", "out", *SELECT])
    assert main(["fuse", "out", "--set", "toy.shade.factor=2.0"]) == 2
    assert "t2f run SOURCE --redo" in capsys.readouterr().err


def test_leaving_out_is_one_switch(installed, toy_photos):
    main(["run", str(toy_photos), "--out", "out", *SELECT, "--leave-out", "gender"])
    lines = (installed.parent / "out" / "dataset" / "metadata.jsonl").read_text()
    assert "year" in lines or "adult" in lines
    assert "man" not in lines


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "photos", "--plugins", "vicunna"], 2, 'no plugin is called "vicunna"'),
        (["run", "photos", "--recipe", "none"], 2, 'there is no recipe "none"'),
        (["run", "photos", "--set", "toy.x=1"], 2, '"toy", which is not part of this run'),
        (["run", "nowhere"], 2, "nowhere"),
        (["run", "hollow"], 3, "no photos"),
        (["run"], 2, "Missing argument"),
        (["fuse", "hollow"], 2, "holds no run"),
        (["export", "hollow", "--format", "jsonl"], 2, "holds no run"),
        (["report", "hollow"], 2, "holds no run"),
        (["no-such-verb"], 2, "No such command"),
    ],
)
def test_wrong_usage_says_what_to_do_and_exits_with_its_code(installed, toy_photos, capsys, arguments, code, message):
    (installed.parent / "hollow").mkdir()
    assert main(arguments) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_that_teaches(verb, capsys):
    assert main([verb, "--help"]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 8


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_out_is_a_clear_error(installed, toy_photos, capsys):
    (installed.parent / "locked").mkdir(mode=0o500)
    assert main(["run", str(toy_photos), "--out", "locked/out", *SELECT]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_an_out_that_is_a_file_is_a_clear_error(installed, toy_photos, capsys):
    (installed.parent / "file").touch()
    assert main(["run", str(toy_photos), "--out", "file", *SELECT]) == 2
    assert "t2f: " in capsys.readouterr().err


def test_an_interrupt_exits_130_and_says_how_to_go_on(installed, toy_photos):
    for number in range(300):
        toys.draw_photo(toy_photos / f"more {number}.png", age=number % 100)
    arguments = ["run", str(toy_photos), "--out", "out", "--chunk-size", "8", "--batch-size", "1", *SELECT]
    process = subprocess.Popen(
        [sys.executable, "-m", "text2face_core", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), *sys.path])},
        stderr=subprocess.PIPE,
        text=True,
    )
    first = installed.parent / "out" / "analysis" / "00000.parquet"
    while not first.exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == 130
    assert "the same command resumes from here" in said
    assert "Traceback" not in said

"""`t2f` as a process: exit codes, signals, streams that are closed or full, terminals and encodings of all kinds."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import toys
from support.distributions import add_distribution

from text2face_core import errors
from text2face_core.cli import main, stats
from text2face_core.cli.progress import Bar, Lines
from text2face_core.utils import on_one_line, printable, quoted

T2F = [sys.executable, "-m", "text2face_core"]


def t2f(*arguments, cwd=None, **environment):
    return subprocess.run(
        [*T2F, *map(str, arguments)],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **environment},
        timeout=120,
    )


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Path:
    """The toy plugin as if it were installed, and a folder to work in."""
    add_distribution(tmp_path / "site", "t2f-toy", "toy = support.toys")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path


TOYS = ["--plugins", "toy", "--set", "captions.max_tokens=0", "--set", "captions.check=false"]


# --- exit codes ---


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (RuntimeError("a bug\nt2f: all is well"), 70),
        (AssertionError(), 70),
        (KeyError("gone"), 70),
        (OSError(13, "Permission denied", "x"), 70),
        (OSError(28, "No space left on device", "x"), 2),
        (errors.UsageError("wrong"), 2),
        (errors.BadPhoto("broken"), 2),
        (errors.NothingToDo("none"), 3),
        (KeyboardInterrupt(), 130),
        (SystemExit(5), 5),
        (BrokenPipeError(), 0),
    ],
    ids=repr,
)
def test_every_error_has_its_exit_code_and_at_most_one_line(monkeypatch, capsys, tmp_path, raised, code):
    def fail(*_, **__):
        raise raised

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(stats.stats, "callback", fail)
    assert main(["stats", "runs/x"]) == code
    said = capsys.readouterr().err
    assert len([line for line in said.splitlines() if line.startswith("t2f: ")]) == (code in {2, 3, 70})
    assert "Traceback" not in said
    if code == 70:
        (log,) = tmp_path.glob("t2f-*.log")
        assert str(log) in said
        assert "Traceback" in log.read_text()


def test_signals_do_after_the_command_what_they_did_before(capsys):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert main(["--version"]) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


# --- signals ---


def test_an_interruption_before_anything_has_begun_ends_cleanly(installed, toy_photos, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("text2face_core.library.session.iter_photos", interrupted)
    assert main(["run", str(toy_photos), "--out", "out", *TOYS]) == 130
    assert "the same command resumes" in capsys.readouterr().err


@pytest.mark.parametrize("make", [Lines, Bar])
def test_progress_can_be_finished_before_it_began_and_twice(make, capsys):
    progress = make()
    progress.finish()
    progress.start("counting", 2)
    progress.advance(2)
    progress.finish()
    progress.finish()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_a_slow_decoder_ends_the_command_in_seconds(installed, tmp_path, number):
    (tmp_path / "site" / "slow_source.py").write_text(
        "import time\n"
        "from text2face_core import Component, PhotoRef, Source, hookimpl\n"
        "class Slow(Source):\n"
        "    def list(self, place):\n        yield PhotoRef('0' * 16, 'slow:a')\n"
        "    def open(self, uri, max_bytes=0):\n"
        "        print('opening', flush=True)\n        time.sleep(100)\n"
        "@hookimpl\ndef t2f_sources():\n"
        "    yield Component('slow', lambda options, runtime: Slow(), provides=('slow',))\n"
    )
    add_distribution(tmp_path / "site", "slow", "slow = slow_source")
    listening = (  # a shell's background jobs are born deaf to SIGINT
        "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('text2face_core', run_name='__main__', alter_sys=True)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", listening, "run", "slow:place", "--out", "out", *TOYS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "opening\n"
    began = time.monotonic()
    assert t2f("settings", "photos").returncode == 0
    slowness = max(1.0, (time.monotonic() - began) / 0.5)  # of this machine: the command takes less on an idle one
    process.send_signal(number)
    sent = time.monotonic()
    said = process.communicate(timeout=90)[1]
    assert process.returncode == 130
    assert "the same command resumes" in said
    assert "Traceback" not in said
    assert time.monotonic() - sent < 5 * slowness


# --- streams ---


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
@pytest.mark.parametrize(
    "closed",
    [
        ">&- 2>&- <&-",
        pytest.param("2>&-", marks=pytest.mark.nightly),
        pytest.param(">&-", marks=pytest.mark.nightly),
    ],
)
def test_a_run_is_done_without_streams(installed, toy_photos, closed):
    command = " ".join([*T2F, "run", str(toy_photos), "--out", "out", *TOYS, closed])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(["bash", "-c", command], env=environment, check=False)
    assert done.returncode == 1, "one photo of the toys fails"
    assert (installed / "out" / "report.html").is_file()
    assert b"analysing" not in (installed / "out" / "run.toml").read_bytes()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_behind_stdout_is_said():
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*T2F, "settings"], stdout=full, stderr=subprocess.PIPE, check=False, text=True)
    assert done.returncode == 2
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
@pytest.mark.parametrize("verb", ["settings", "plugins list", "--help"])
def test_a_reader_that_closes_the_pipe_ends_the_command_with_0(verb):
    command = f"{' '.join(T2F)} {verb} | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, text=True)
    assert done.stdout.strip() == "0"
    assert done.stderr == ""


# --- terminals and encodings ---


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp932", "latin-1"])
def test_what_an_encoding_lacks_is_escaped(encoding):
    done = t2f("settings", "captions", PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    assert b"captions.per_photo" in done.stdout


@pytest.mark.parametrize("columns", ["1", "12", "0", "many"])
@pytest.mark.parametrize("verb", ["--help", "plugins list", "models list", "doctor"])
def test_narrow_terminals_are_no_reason_to_fail(verb, columns):
    done = t2f(*verb.split(), COLUMNS=columns)
    assert done.returncode in {0, 1}, done.stderr
    assert b"internal error" not in done.stderr


@pytest.mark.parametrize("verb", [["--help"], ["run", "--help"], ["settings"], ["plugins", "show", "photo"]])
def test_python_without_docstrings_and_asserts_will_do(verb):
    done = t2f(*verb, PYTHONOPTIMIZE="2")
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_a_run_on_a_narrow_terminal_without_docstrings(installed, toy_photos):
    done = t2f("run", toy_photos, "--out", "out", *TOYS, PYTHONOPTIMIZE="2", COLUMNS="12")
    assert done.returncode == 1, done.stderr
    assert t2f("stats", "out", COLUMNS="12").returncode == 0


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be deleted there")
def test_a_working_folder_that_was_deleted_is_said(tmp_path):
    (tmp_path / "gone").mkdir()
    command = f"cd {tmp_path}/gone; rmdir {tmp_path}/gone; {' '.join(T2F)} run photos"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False, text=True, env=environment)
    assert done.returncode == 2
    assert "working folder" in done.stderr
    assert "Traceback" not in done.stderr


# --- names that others gave ---

NASTY = "a\x1b]0;owned\x07\x1b[2J\nt2f: all done\u202e.jpg"


@pytest.mark.parametrize("show", [quoted, on_one_line])
def test_a_name_is_one_line_of_printable_signs(show):
    assert show(NASTY).isprintable()
    assert show("Żółć 中文 é.jpg").strip('"') == "Żółć 中文 é.jpg"
    assert show(os.fsdecode(b"caf\xe9")).strip('"') == "caf\\udce9"


def test_a_message_keeps_its_lines_and_none_can_be_forged():
    assert printable("two:\n- one") == "two:\n  - one"
    shown = printable(NASTY)
    assert re.search(r"^t2f:", shown, re.MULTILINE) is None
    assert all(sign.isprintable() or sign == "\n" for sign in shown)


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be given there")
@pytest.mark.parametrize("arguments", [["run", "photos", "--out", "out", *TOYS], ["run", "lists/list.txt", *TOYS]])
def test_no_name_of_a_file_reaches_the_terminal_as_it_is(installed, arguments, capsys):
    toys.draw_photo(installed / "photos" / "ok.png")
    shutil.copy(installed / "photos" / "ok.png", installed / "photos" / NASTY)
    (installed / "photos" / f"broken{NASTY}").write_text("not an image")
    (installed / "lists").mkdir()
    (installed / "lists" / "list.txt").write_text("gone\x1b[31m.jpg\n../photos/ok.png\n")
    with contextlib.suppress(FileNotFoundError):
        assert main(arguments) in {0, 1}
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err
    assert "\u202e" not in shown.out + shown.err
    assert not re.search(r"^t2f: all done", shown.err, re.MULTILINE)
    assert main(["prompt", "out" if "out" in arguments else "runs/list", "--photo", NASTY + "x"]) == 2
    assert "\x1b" not in capsys.readouterr().err

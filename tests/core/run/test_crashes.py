"""A crash of native code in a detector or extractor costs the photo that provoked it, and nothing else."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.distributions import add_distribution

from text2face_core import RunDirectory
from text2face_core.cli import main
from text2face_core.run import Suspect, Watch, find_suspects, forget_suspects, note_death

TOYS = ["--plugins", "toy", "--set", "captions.max_tokens=0", "--set", "captions.check=false", "--no-report"]
IDS = [f"{number:016x}" for number in range(3)]


def environment(**more):
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}


@pytest.fixture
def command(tmp_path, monkeypatch, toy_photos):
    """`t2f run` of the toy photos, with the toy plugin as if it were installed; chunks of four, batches of three."""
    add_distribution(tmp_path / "site", "t2f-toy", "toy = support.toys")
    monkeypatch.syspath_prepend(tmp_path / "site")

    def arguments(out):
        return ["run", str(toy_photos), "--out", str(out), "--chunk-size", "4", "--batch-size", "3", *TOYS]

    return arguments


def run(arguments, before="pass", **more):
    program = f"import sys; from text2face_core.cli import main, supervision; {before}; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        check=False,
        text=True,
        env=environment(**more),
        timeout=300,
    )


def rows(out):
    return {Path(row.uri).name: (row, captions.captions) for row, captions in RunDirectory.open(out).rows()}


def is_clean(out):
    return {path.suffix for path in (out / "analysis").iterdir()} == {".parquet"}


@pytest.mark.skipif(sys.platform != "linux", reason="only there a command supervises its analysis")
@pytest.mark.parametrize(
    ("crash", "reason"),
    [
        ("extractor 24 SIGSEGV", "crashed the analysis (SIGSEGV)"),
        ("detector 24 SIGKILL", "crashed the analysis (SIGKILL, as for lack of memory)"),
    ],
)
def test_a_crash_of_a_model_costs_its_photo_alone(tmp_path, command, crash, reason):
    assert main(command(tmp_path / "calm")) == 1, "one photo of the toys is not an image"
    done = run(command(tmp_path / "out"), T2F_TOY_CRASH=crash)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    calm, found = rows(tmp_path / "calm"), rows(tmp_path / "out")
    row, captions = found.pop("good 4.png")
    assert (row.status, row.reason, captions) == ("failed", reason, ())
    assert calm.pop("good 4.png")[0].status == "ok"
    assert found == calm
    assert is_clean(tmp_path / "out")
    assert main([*command(tmp_path / "out"), "--retry-failed"]) == 1
    assert rows(tmp_path / "out") == rows(tmp_path / "calm"), "it is not left out for ever"


def test_a_restart_goes_on_although_nothing_supervises(tmp_path, command):
    before = (
        "import text2face_core.cli.run, text2face_core.run.crashes; text2face_core.run.crashes.DEATHS_UNSEEN = 1; "
        "supervision.sys = type('Elsewhere', (), {'platform': 'elsewhere'})"
    )
    codes = []
    while len(codes) < 5 and 1 not in codes:
        codes.append(run(command(tmp_path / "out"), before, T2F_TOY_CRASH="extractor 24 SIGSEGV").returncode)
    assert codes == [-signal.SIGSEGV, -signal.SIGSEGV, 1], "in a batch, and alone"
    row, _ = rows(tmp_path / "out")["good 4.png"]
    assert (row.status, row.reason) == ("failed", "crashed the analysis 1 times")
    assert is_clean(tmp_path / "out")


@pytest.mark.skipif(sys.platform != "linux", reason="only there a command supervises its analysis")
def test_a_model_that_always_crashes_ends_the_command(tmp_path, command):
    few = run(command(tmp_path / "few"), "supervision.MOST_CRASHES = 1", T2F_TOY_CRASH="detector 20 SIGSEGV")
    assert few.returncode == 2
    assert re.search("crashed 1 times.*SIGSEGV", few.stderr)
    assert main(command(tmp_path / "few")) == 1
    assert rows(tmp_path / "few")["good 0.png"][0].status == "ok"


@pytest.mark.skipif(sys.platform != "linux", reason="only there a command supervises its analysis")
def test_a_killed_command_leaves_no_process_that_works_on(tmp_path, command):
    (tmp_path / "site" / "sitecustomize.py").write_text(
        "import os, time\n"
        "from support import toys\n"
        "def crash(stage, ages):\n"
        f"    open({str(tmp_path / 'worker')!r}, 'w').write(str(os.getpid()))\n"
        "    time.sleep(100)\n"
        "toys.crash = crash\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "text2face_core", *command(tmp_path / "out")],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while not (tmp_path / "worker").exists() or not (tmp_path / "worker").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    worker = int((tmp_path / "worker").read_text())
    assert worker != process.pid
    process.kill()
    process.wait()
    while Path(f"/proc/{worker}").exists():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_is_in_work_is_known_until_a_process_ends_in_order(tmp_path):
    shard = tmp_path / "analysis" / "00000.parquet"
    with Watch(shard, "1f") as watch, watch.over(IDS[:2]):
        assert note_death(tmp_path, os.getpid() + 1, "SIGSEGV") == 0
        assert note_death(tmp_path, os.getpid(), "SIGSEGV") == 2
        assert find_suspects(shard, "1f") == dict.fromkeys(IDS[:2], Suspect())
    with Watch(shard, "1f") as watch, watch.over(IDS):
        pass
    assert find_suspects(shard, "1f") == dict.fromkeys(IDS[:2], Suspect())
    assert find_suspects(shard, "2e") == {}
    forget_suspects(shard)
    assert find_suspects(shard, "1f") == {}
    assert list(shard.parent.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\0", b"1", b"1 key", b"1 key ../../x 0123", b"\n" * 9, b"[]", b"{}"])
def test_files_with_anything_else_in_them_name_no_photo(tmp_path, content):
    shard = tmp_path / "analysis" / "00000.parquet"
    shard.parent.mkdir()
    (shard.parent / "_00000.in-work").write_bytes(content)
    assert note_death(tmp_path, 1, "SIGSEGV") == 0
    assert find_suspects(shard, "key") == {}
    for kept in (content, json.dumps({"key": "key", "photos": {"../x": [9, "SIGSEGV"], IDS[0]: 5}}).encode()):
        (shard.parent / "_00000.suspects").write_bytes(kept)
        assert find_suspects(shard, "key") == {}


@pytest.mark.parametrize(
    ("suspect", "is_tried"),
    [
        (Suspect(0, ""), True),
        (Suspect(1, "SIGSEGV"), False),
        (Suspect(1, "exit code 7"), False),
        (Suspect(1, "SIGKILL"), True),
        (Suspect(2, "SIGKILL"), False),
        (Suspect(2, ""), True),
        (Suspect(3, ""), False),
    ],
)
def test_a_photo_is_tried_until_it_is_certain_that_it_crashes_the_analysis(suspect, is_tried):
    assert (suspect.reason == "") == is_tried

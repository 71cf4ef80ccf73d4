"""An evaluation that is killed and started again ends like one that was left alone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from support import toys
from support.paths import ROOT

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(os.name == "nt", reason="kills a process group"),
    pytest.mark.timeout(600),
]

PROGRAM = """
import sys
from support import toy_embedders, toys
from text2face_core import Plugins, Recipe, evaluate
plugins = Plugins.load(builtin_only=True)
plugins.register("toy", toys)
plugins.register("measuring", toy_embedders)
recipe = Recipe(detector="toy", extractors=("toy.shade",), fuser="toy.echo")
evaluate(out=sys.argv[2], images=sys.argv[1], recipe=recipe, available=plugins, metrics=["measuring.shades"])
"""


def start(folder, out):
    places = [ROOT, ROOT / "plugins", ROOT / "tests"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}
    command = [sys.executable, "-c", PROGRAM, str(folder), str(out)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def content(out):
    """Everything that was measured, without the paths of this folder."""
    measured = json.loads((out / "measures.json").read_text())
    return {name: measured[name] for name in ("headline", "graders", "measures", "confusions", "images")}


@pytest.fixture
def folder(tmp_path):
    lines = []
    for number in range(60):
        toys.draw_photo(tmp_path / "images" / f"{number}.png", ((60, 40, 80),), 20 + number)
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"A {20 + number} year old woman."}))
    (tmp_path / "images" / "metadata.jsonl").write_text("\n".join(lines))
    return tmp_path / "images"


def test_a_killed_evaluation_ends_like_an_undisturbed_one(folder, tmp_path):
    undisturbed, disturbed = tmp_path / "alone", tmp_path / "killed"
    begun = time.monotonic()
    assert start(folder, undisturbed).wait() == 0
    whole = time.monotonic() - begun
    for share in (0.4, 0.7, 0.9):
        process = start(folder, disturbed)
        time.sleep(share * whole)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert start(folder, disturbed).wait() == 0
    assert content(disturbed) == content(undisturbed)
    assert not list(disturbed.rglob("*.t2f-tmp"))

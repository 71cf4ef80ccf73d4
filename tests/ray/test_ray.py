"""The engine on Ray: the same shards as the local engine, whatever dies meanwhile."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import pytest
from support import toys
from support.comparing import digests
from support.paths import ROOT

from text2face_core.engines import LocalEngine, Pool, RayEngine, Work
from text2face_core.errors import UsageError
from text2face_core.library import Session, Silent, finish_run
from text2face_core.models import ModelStore
from text2face_core.run import RunDirectory, read_analysis

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the library's own dependencies
    ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.ray,
    pytest.mark.filterwarnings("ignore:.*:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    """Ray on this machine, with two CPUs."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), before])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray leaves its processes to the garbage collector
        ray.shutdown()
        gc.collect()
    os.environ["PYTHONPATH"] = before


@pytest.fixture
def photos(tmp_path) -> Path:
    """Thirty photos, of which some are rejected or fail."""
    folder = tmp_path / "photos"
    for number in range(26):
        toys.draw_photo(folder / f"{number:02d}.png", age=20 + number)
    toys.draw_photo(folder / "empty.png", faces=[])
    toys.draw_photo(folder / "right.png", faces=[(150, 40, 60)])
    toys.draw_photo(folder / "two.png", faces=[(10, 10, 50), (150, 10, 50)])
    (folder / "text.jpg").write_text("this is not an image")
    return folder


class Watching(Silent):
    """Counts what is reported, and does something after each report."""

    def __init__(self, after=lambda done: None):
        self.done, self.after, self.said = 0, after, []

    def advance(self, count, **counts):
        self.done += count
        self.after(self.done)

    def say(self, message):
        self.said.append(message)


def session_of(out, plugins, engine, progress=None, **given):
    work = Work(batch=2, decode_threads=1)
    run = RunDirectory(out)
    shown = progress or Silent()
    return Session(
        run=run, plugins=plugins, models=ModelStore(), engine=engine, progress=shown, work=work, chunk_size=4, **given
    )


def do_all(session, recipe, photos):
    with session.run.lock():
        session.caption(session.analyse([photos], recipe))
        finish_run(session.run, report=False)
    return digests(session.run.path)


@pytest.fixture
def expected(tmp_path, toy_plugins, toy_recipe, photos):
    """What the local engine leaves."""
    return do_all(session_of(tmp_path / "local", toy_plugins, LocalEngine()), toy_recipe, photos)


def processes(name):
    """Process ids of processes of this user whose title has a name: actors, by what Ray calls them."""
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                title = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            except OSError:
                continue
            if name in title:
                found.append(int(path.name))
    return found


def test_shards_are_those_of_the_local_engine(tmp_path, cluster, toy_plugins, toy_recipe, photos, expected):
    watching = Watching()
    session = session_of(tmp_path / "ray", toy_plugins, RayEngine(analysis=Pool(actors=2)), watching)
    assert do_all(session, toy_recipe, photos) == expected
    assert watching.done == 60
    assert session.clock.seconds["toy"] > 0


def test_a_run_changes_engines_between_starts(tmp_path, cluster, toy_plugins, toy_recipe, photos, expected):
    def stop(done):
        if done >= 8:
            raise KeyboardInterrupt

    out = tmp_path / "run"
    engines = [RayEngine(analysis=Pool(actors=1)), LocalEngine()]
    for engine in engines:
        with pytest.raises(KeyboardInterrupt):
            do_all(session_of(out, toy_plugins, engine, Watching(stop)), toy_recipe, photos)
    assert do_all(session_of(out, toy_plugins, engines[0]), toy_recipe, photos) == expected


@pytest.mark.nightly
def test_an_interruption_is_quick_and_loses_nothing(tmp_path, cluster, toy_plugins, toy_recipe, photos, expected):
    began = []

    def stop(done):
        began.append(time.monotonic())
        raise KeyboardInterrupt

    engine = RayEngine(analysis=Pool(actors=2))
    with pytest.raises(KeyboardInterrupt):
        do_all(session_of(tmp_path / "run", toy_plugins, engine, Watching(stop)), toy_recipe, photos)
    assert time.monotonic() - began[0] < 10
    assert do_all(session_of(tmp_path / "run", toy_plugins, engine), toy_recipe, photos) == expected


@pytest.mark.nightly
def test_actors_that_are_killed_lose_nothing(tmp_path, cluster, toy_plugins, toy_recipe, photos, expected):
    killed = []

    def kill(done):
        for pid in processes("ray::ChunkWorker")[:1]:
            if len(killed) < 6:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    session = session_of(tmp_path / "run", toy_plugins, RayEngine(analysis=Pool(actors=2)), Watching(kill))
    assert do_all(session, toy_recipe, photos) == expected
    assert len(killed) == 6


@pytest.mark.nightly
def test_a_photo_that_kills_its_process_costs_only_itself(tmp_path, cluster, toy_plugins, toy_recipe, photos, expected):
    session = session_of(tmp_path / "run", toy_plugins, RayEngine(analysis=Pool(actors=2)))
    recipe = toy_recipe.with_settings(["toy.shade.crash_at=30"])
    do_all(session, recipe, photos)
    rows = [row for chunk in session.run.chunks() for row in read_analysis(session.run.analysis_path(chunk))]
    (poison,) = [row for row in rows if row.uri.endswith("10.png")]
    assert poison.status == "failed"
    assert "crashed the analysis 3 times" in poison.reason
    assert sum(row.status == "failed" for row in rows) == 2
    assert sum(row.status == "ok" for row in rows) == 25


def test_an_error_of_a_plugin_ends_the_run_as_it_does_locally(tmp_path, cluster, toy_plugins, toy_recipe, photos):
    session = session_of(tmp_path / "run", toy_plugins, RayEngine(analysis=Pool(actors=1)))
    with pytest.raises(UsageError, match="this age ends the toy"):
        do_all(session, toy_recipe.with_settings(["toy.shade.ends_at=30"]), photos)
    assert do_all(session_of(tmp_path / "again", toy_plugins, LocalEngine()), toy_recipe, photos)


def test_actors_that_no_machine_can_have_are_refused(tmp_path, cluster, toy_plugins, toy_recipe, photos):
    session = session_of(tmp_path / "run", toy_plugins, RayEngine(analysis=Pool(gpus=4)))
    with pytest.raises(UsageError, match="an actor needs 4 GPU, and the cluster has 0"):
        do_all(session, toy_recipe, photos)


def test_ray_that_is_missing_is_named_with_its_extra(tmp_path, toy_plugins, toy_recipe, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    session = session_of(tmp_path / "run", toy_plugins, RayEngine())
    with pytest.raises(UsageError, match="ray"):
        do_all(session, toy_recipe, photos)

"""What is lost with a driver or a node: nothing."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from support import ray_driver, toys
from support.comparing import digests
from support.paths import ROOT

from text2face_core.engines import LocalEngine, Pool, RayEngine, Work
from text2face_core.library import Session, Silent, finish_run
from text2face_core.models import ModelStore
from text2face_core.run import RunDirectory

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the library's own dependencies
    ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.ray,
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore:.*:ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]
KILLS = int(os.environ.get("T2F_TEST_KILLS", "3"))
NODES = int(os.environ.get("T2F_TEST_NODES", "2"))


@pytest.fixture
def photos(tmp_path) -> Path:
    for number in range(48):
        toys.draw_photo(tmp_path / "photos" / f"{number:02d}.png", age=20 + number)
    return tmp_path / "photos"


def run_all(out, plugins, recipe, photos, engine, progress=None):
    session = Session(
        run=RunDirectory(out),
        plugins=plugins,
        models=ModelStore(),
        engine=engine,
        progress=progress or Silent(),
        work=Work(batch=2, decode_threads=1),
        chunk_size=4,
    )
    with session.run.lock():
        session.caption(session.analyse([photos], recipe))
        finish_run(session.run, report=False)
    return digests(out)


@pytest.fixture
def python_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def expected(tmp_path, toy_plugins, toy_recipe, photos, python_path):
    return run_all(tmp_path / "local", toy_plugins, toy_recipe, photos, LocalEngine())


def test_drivers_that_are_killed_lose_nothing(tmp_path, photos, expected):
    luck, killed = random.Random(7), 0
    command = [sys.executable, ray_driver.__file__, str(photos), str(tmp_path / "run")]
    for start in range(10 * KILLS + 10):
        driver = subprocess.Popen(command)
        shards = tmp_path / "run" / "analysis"
        before, end = _count(shards), time.monotonic() + 300
        wait = luck.random() if start % 2 else 0.0
        while driver.poll() is None and time.monotonic() < end and killed < KILLS:
            if _count(shards) > before:  # work has begun
                time.sleep(wait)
                driver.send_signal(signal.SIGKILL)
                killed += driver.wait() == -signal.SIGKILL
            time.sleep(0.02)
        if driver.wait(300) == 0:
            break
    assert killed == min(KILLS, 12 - 1)  # there are only so many chunks
    assert digests(tmp_path / "run") == expected


def _count(folder: Path) -> int:
    return len(list(folder.glob("[0-9]*.parquet"))) if folder.is_dir() else 0


def test_nodes_that_are_lost_lose_nothing(tmp_path, toy_plugins, toy_recipe, photos, expected):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes, lost = [cluster.add_node(num_cpus=1)], []

    class Losing(Silent):
        done = 0

        def advance(self, count, **counts):
            self.done += count
            if len(lost) < NODES and self.done >= 12 * (len(lost) + 1):
                lost.append(nodes.pop())
                cluster.remove_node(lost[-1], allow_graceful=False)
                nodes.append(cluster.add_node(num_cpus=1))

    try:
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        engine = RayEngine(analysis=Pool(actors=2))
        found = run_all(tmp_path / "run", toy_plugins, toy_recipe, photos, engine, Losing())
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray leaves its processes to the garbage collector
            ray.shutdown()
            cluster.shutdown()
            gc.collect()
    assert len(lost) == NODES
    assert found == expected

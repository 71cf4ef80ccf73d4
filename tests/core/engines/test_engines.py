"""Engines: any may do the chunks, in any order, and what was done of a chunk survives an interruption."""

import threading

import pytest

from text2face_core import RunDirectory
from text2face_core.engines import Engine, LocalEngine, Work, analysing
from text2face_core.library import Session, Silent
from text2face_core.models.store import ModelStore


def session_of(out, plugins, **given):
    return Session(run=RunDirectory(out), plugins=plugins, models=ModelStore(), **given)


def shards(out):
    return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


class Backwards(Engine):
    """Two workers of which each takes one chunk after another, the last chunk first."""

    def __init__(self):
        self.jobs, self.threads = [], set()

    def run(self, job, tasks, progress):
        self.jobs.append(type(job).__name__)

        def work(own):
            for task in own:
                self.threads.add(threading.get_ident())
                job(iter([task]), progress)

        workers = [threading.Thread(target=work, args=(list(tasks)[::-1][start::2],)) for start in (0, 1)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


def test_results_do_not_depend_on_the_engine(tmp_path, toy_plugins, toy_recipe, toy_photos):
    engine = Backwards()
    for out, given in (("local", {}), ("backwards", {"engine": engine})):
        session = session_of(tmp_path / out, toy_plugins, chunk_size=3, **given)
        session.caption(session.analyse([toy_photos], toy_recipe))
    assert engine.jobs == ["AnalysisJob", "CaptioningJob"]
    assert len(engine.threads) > 1
    assert shards(tmp_path / "backwards") == shards(tmp_path / "local")


def test_the_local_engine_is_an_engine_and_an_engine_must_run():
    assert issubclass(LocalEngine, Engine)
    with pytest.raises(TypeError, match="run"):
        Engine()


def test_a_session_takes_its_settings_by_name(tmp_path, toy_plugins):
    with pytest.raises(TypeError, match="positional"):
        Session(RunDirectory(tmp_path), toy_plugins, ModelStore())
    with pytest.raises(TypeError, match="positional"):
        Work(8, 2)


class Interrupting(Silent):
    """Ctrl-C after so many photos."""

    def __init__(self, after):
        self.after, self.done = after, 0

    def advance(self, count, **counts):
        self.done += count
        if self.done >= self.after:
            raise KeyboardInterrupt


def test_an_interruption_before_the_first_chunk_is_done_loses_nothing(tmp_path, toy_plugins, toy_recipe, toy_photos):
    calm = session_of(tmp_path / "calm", toy_plugins)
    calm.caption(calm.analyse([toy_photos], toy_recipe))
    stopped = session_of(
        tmp_path / "stopped", toy_plugins, progress=Interrupting(6), work=Work(batch=2, decode_threads=1)
    )
    with pytest.raises(KeyboardInterrupt):
        stopped.analyse([toy_photos], toy_recipe)
    assert not list((tmp_path / "stopped" / "analysis").glob("0*.parquet"))

    class Counting(Silent):
        total = 0

        def start(self, what, total, done=0):
            if what == "analysing":
                self.total = total - done

    counting = Counting()
    again = session_of(tmp_path / "stopped", toy_plugins, progress=counting)
    again.caption(again.analyse([toy_photos], toy_recipe))
    assert counting.total == 11 - 6
    assert shards(tmp_path / "stopped") == shards(tmp_path / "calm")
    crops = {path.name: path.read_bytes() for path in (tmp_path / "calm").rglob("*.jpg")}
    assert crops == {path.name: path.read_bytes() for path in (tmp_path / "stopped").rglob("*.jpg")}
    assert len(crops) == 7


def test_a_chunk_is_kept_every_few_seconds_for_a_kill_that_gives_no_time(
    tmp_path, toy_plugins, toy_recipe, toy_photos, monkeypatch
):
    monkeypatch.setattr(analysing, "KEEP_SECONDS", 0.0)
    seen = []
    session = session_of(tmp_path / "out", toy_plugins, work=Work(batch=2, decode_threads=1))
    keep = RunDirectory.keep_analysis
    monkeypatch.setattr(RunDirectory, "keep_analysis", lambda *given: (seen.append(len(given[2])), keep(*given)))
    session.analyse([toy_photos], toy_recipe)
    assert seen == [2, 4, 6, 8, 10]
    assert [path.name for path in (tmp_path / "out" / "analysis").iterdir()] == ["00000.parquet"]


def test_what_was_kept_with_other_settings_is_not_used(tmp_path, toy_plugins, toy_recipe, toy_photos):
    with pytest.raises(KeyboardInterrupt):
        session_of(tmp_path, toy_plugins, progress=Interrupting(8)).analyse([toy_photos], toy_recipe)
    other = toy_recipe.with_settings(["toy.shade.factor=2"])
    session = session_of(tmp_path, toy_plugins)
    session.analyse([toy_photos], other, redo=True)
    ages = [finding.value for row, _ in session.run.rows() for finding in row.findings if finding.name == "age"]
    assert min(ages) >= 40


def test_photos_that_failed_before_a_stop_are_tried_again_if_asked(tmp_path, toy_plugins, toy_recipe, toy_photos):
    recipe = toy_recipe.with_settings(["toy.shade.broken_at=20"])
    with pytest.raises(KeyboardInterrupt):
        session_of(tmp_path, toy_plugins, progress=Interrupting(8)).analyse([toy_photos], recipe)
    run = RunDirectory(tmp_path)
    key = recipe.resolve(toy_plugins).analysis_key()
    (kept,) = analysing.analysis_tasks(run, key, retry_failed=False)
    (retried,) = analysing.analysis_tasks(run, key, retry_failed=True)
    failed = {photo_id for photo_id, row in kept.kept.items() if row.status == "failed"}
    assert failed
    assert kept.kept.keys() - retried.kept.keys() == failed

"""Captions of a whole run: stopped and gone on with, written again by another fuser, never of two kinds at once."""

import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import toys
from support.distributions import add_distribution

from text2face_core import Component, Fuser, RunDirectory, hookimpl
from text2face_core.dataset import write_metadata
from text2face_core.engines.batching import Parts
from text2face_core.errors import FuserError, RunError
from text2face_core.library import Session, Silent
from text2face_core.models.store import ModelStore
from text2face_core.run.tables import read_captions


class Fragile(Fuser):
    """The toy's captions, until it breaks at a call of its own choosing."""

    def __init__(self, breaks_at, error):
        self.calls, self.photos, self.breaks_at, self.error = 0, 0, breaks_at, error

    def fuse(self, requests):
        self.calls += 1
        self.photos += len({request.photo_id for request in requests})
        if self.calls == self.breaks_at:
            raise self.error
        return toys.EchoFuser().fuse(requests)


@pytest.fixture
def fragile(toy_plugins):
    """Registers a fuser `fragile` that breaks at a call."""

    def register(breaks_at=0, error=None):
        fuser = Fragile(breaks_at, error)

        class Plugin:
            @staticmethod
            @hookimpl
            def t2f_fusers():
                yield Component("fragile", lambda options, runtime: fuser)

        toy_plugins.register("fragile", Plugin())
        return fuser

    register()
    return register


def session_of(out, plugins, progress=None, chunk_size=3):
    return Session(
        run=RunDirectory(out),
        plugins=plugins,
        models=ModelStore(),
        progress=progress or Silent(),
        chunk_size=chunk_size,
    )


def run(out, plugins, recipe, photos, chunk_size=3):
    session = session_of(out, plugins, chunk_size=chunk_size)
    session.caption(session.analyse([photos], recipe, redo=False, retry_failed=False))
    return session.run


def captions_of(run):
    return {row.photo_id: captions.captions for row, captions in run.rows()}


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FuserError("the server does not answer")])
def test_captioning_that_stopped_goes_on_and_ends_like_one_that_did_not(
    tmp_path, toy_plugins, toy_recipe, toy_photos, fragile, error
):
    recipe = toy_recipe.with_plugins(toy_plugins, ["fragile"])
    calm = run(tmp_path / "calm", toy_plugins, recipe, toy_photos)
    fragile(3, error)
    with pytest.raises(type(error)):
        run(tmp_path / "stopped", toy_plugins, recipe, toy_photos)
    done = sorted((tmp_path / "stopped" / "captions").glob("*.parquet"))
    assert len(done) == 2
    before = [path.read_bytes() for path in done]
    fuser = fragile()
    again = run(tmp_path / "stopped", toy_plugins, recipe, toy_photos)
    assert fuser.calls == 1  # of three chunks with captions, two were done
    assert [path.read_bytes() for path in done] == before
    assert captions_of(again) == captions_of(calm)


def test_what_was_done_of_a_chunk_is_not_asked_again(
    tmp_path, toy_plugins, toy_recipe, toy_photos, fragile, monkeypatch
):
    monkeypatch.setattr("text2face_core.engines.captioning.Parts", lambda: Parts(first=1))
    recipe = toy_recipe.with_plugins(toy_plugins, ["fragile"])
    calm = run(tmp_path / "calm", toy_plugins, recipe, toy_photos, chunk_size=100)
    fragile(2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", toy_plugins, recipe, toy_photos, chunk_size=100)
    folder = tmp_path / "stopped" / "captions"
    assert [path.name for path in folder.glob("*.parquet")] == ["_00000.unfinished.parquet"]
    done = sum(bool(row.captions) for row in read_captions(folder / "_00000.unfinished.parquet"))
    assert done > 0
    fuser = fragile()
    again = run(tmp_path / "stopped", toy_plugins, recipe, toy_photos, chunk_size=100)
    assert captions_of(again) == captions_of(calm)
    asked = sum(bool(captions) for captions in captions_of(calm).values())
    assert fuser.photos == asked - done
    assert not list(folder.glob("_*.parquet"))
    whole, pieces = (sorted((out / "captions").glob("0*.parquet")) for out in (calm.path, tmp_path / "stopped"))
    assert [path.read_bytes() for path in whole] == [path.read_bytes() for path in pieces]


def test_captions_of_two_settings_are_never_mixed(tmp_path, toy_plugins, toy_recipe, toy_photos, fragile):
    before = toy_recipe.with_plugins(toy_plugins, ["fragile"])
    after = before.with_settings(["captions.per_photo=2"])
    out = run(tmp_path / "out", toy_plugins, before, toy_photos)
    write_metadata(out)
    whole = (out.dataset / "metadata.jsonl").read_bytes()

    fragile(3, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        session_of(out.path, toy_plugins).caption(after.resolve(toy_plugins))
    assert {len(captions) for captions in captions_of(RunDirectory(out.path)).values()} == {0, 2}
    assert (out.dataset / "metadata.jsonl").read_bytes() == whole

    fragile()
    session_of(out.path, toy_plugins).caption(after.resolve(toy_plugins))
    fresh = run(tmp_path / "fresh", toy_plugins, after, toy_photos)
    assert captions_of(RunDirectory(out.path)) == captions_of(fresh)
    write_metadata(RunDirectory(out.path))
    assert {len(json.loads(line)["text"]) for line in (out.dataset / "metadata.jsonl").read_text().splitlines()} == {2}


def test_a_fuser_that_cannot_begin_leaves_the_run_as_it_was(tmp_path, toy_plugins, toy_recipe, toy_photos, fragile):
    out = run(tmp_path / "out", toy_plugins, toy_recipe, toy_photos)
    before, toml = captions_of(out), out.settings_path.read_bytes()
    fragile(1, FuserError("the server does not answer"))
    with pytest.raises(FuserError):
        session_of(out.path, toy_plugins).caption(
            toy_recipe.with_plugins(toy_plugins, ["fragile"]).resolve(toy_plugins)
        )
    assert out.settings_path.read_bytes() == toml
    assert captions_of(RunDirectory(out.path)) == before


def test_a_fuser_that_changes_nothing_is_not_asked_again(tmp_path, toy_plugins, toy_recipe, toy_photos, fragile):
    recipe = toy_recipe.with_plugins(toy_plugins, ["fragile"])
    out = run(tmp_path / "out", toy_plugins, recipe, toy_photos)
    fuser = fragile()
    session_of(out.path, toy_plugins).caption(recipe.resolve(toy_plugins))
    assert fuser.calls == 0


def test_a_run_whose_analysis_is_not_finished_is_not_captioned_in_part(tmp_path, toy_plugins, toy_recipe, toy_photos):
    out = run(tmp_path / "out", toy_plugins, toy_recipe, toy_photos)
    out.analysis_path(2).unlink()
    with pytest.raises(RunError, match=r"1 chunk\(s\) of .* are not analysed yet.*t2f run"):
        session_of(out.path, toy_plugins).caption(toy_recipe.with_settings(["seed=1"]).resolve(toy_plugins))


def test_progress_says_how_much_was_asked_for_again_and_who_wrote_instead(
    tmp_path, toy_plugins, toy_recipe, toy_photos
):
    class Counting(Silent):
        def __init__(self):
            self.counts = {}

        def advance(self, count, **counts):
            for name, number in counts.items():
                self.counts[name] = self.counts.get(name, 0) + number

    class Half(Fuser):
        def fuse(self, requests):
            return [toys.EchoFuser().fuse([one])[0] if one.number < 2 else ["Sure!"] for one in requests]

    class Plugin:
        @staticmethod
        @hookimpl
        def t2f_fusers():
            yield Component("half", lambda options, runtime: Half())

    toy_plugins.register("half", Plugin())
    recipe = toy_recipe.with_plugins(toy_plugins, ["half"]).with_settings(["captions.fallback=phrasebook"])
    out = run(tmp_path / "out", toy_plugins, toy_recipe, toy_photos)
    counting = Counting()
    session_of(out.path, toy_plugins, counting).caption(recipe.resolve(toy_plugins))
    assert counting.counts == {"retried": 14, "by phrasebook": 14}


def test_tables_of_before_tokens_were_counted_still_open(tmp_path, toy_plugins, toy_recipe, toy_photos):
    out = run(tmp_path / "out", toy_plugins, toy_recipe, toy_photos)
    now = captions_of(out)
    for path in (out.path / "captions").glob("*.parquet"):
        table = pq.ParquetFile(path).read()
        rows = table.to_pylist()
        for caption in (caption for row in rows for caption in row["captions"]):
            del caption["tokens"], caption["refusals"]
        metadata = {key: value for key, value in table.schema.metadata.items() if key != b"text2face-checksum"}
        pq.write_table(pa.Table.from_pylist(rows).replace_schema_metadata(metadata), path)
    assert captions_of(RunDirectory(out.path)) == now


SLOW = """
import time
from support import toys
from text2face_core import Component, hookimpl

class Slow(toys.EchoFuser):
    def fuse(self, requests):
        time.sleep(0.2)
        return super().fuse(requests)

@hookimpl
def t2f_fusers():
    yield Component("slow", lambda options, runtime: Slow())
"""


@pytest.mark.nightly
def test_fuse_that_is_killed_at_any_instant_ends_like_one_that_was_not(tmp_path, monkeypatch, toy_photos):
    site = tmp_path / "site"
    for name, module in (("toy", "support.toys"), ("slow", "slow")):
        add_distribution(site, f"t2f-{name}", f"{name} = {module}")
    (site / "slow.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), *(path for path in sys.path if path)]))

    def command(verb, *arguments):
        return [sys.executable, "-m", "text2face_core", verb, *map(str, arguments), "--no-report"]

    calm, killed = (RunDirectory(tmp_path / name) for name in ("calm", "killed"))
    rules = ["--set", "captions.max_tokens=0", "--set", "captions.check=false", "--plugins", "toy", "--chunk-size", 3]
    for out in (calm, killed):
        done = subprocess.run(command("run", toy_photos, "--out", out.path, *rules), check=False, capture_output=True)
        assert done.returncode == 1, done.stderr
    again = ["--plugins", "slow", "--set", "captions.per_photo=3"]
    subprocess.run(command("fuse", calm.path, *again), check=False, capture_output=True)
    kills = 0
    for _ in range(30):
        process = subprocess.Popen(
            command("fuse", killed.path, *again), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        shards = [path.stat().st_mtime_ns for path in (killed.path / "captions").glob("*.parquet")]
        while process.poll() is None:
            if [path.stat().st_mtime_ns for path in (killed.path / "captions").glob("*.parquet")] != shards:
                process.send_signal(signal.SIGKILL)  # as soon as one more chunk is done
            time.sleep(0.01)
        if process.wait() != -signal.SIGKILL:
            break
        kills += 1
    assert kills >= 2
    assert captions_of(RunDirectory(killed.path)) == captions_of(RunDirectory(calm.path))
    assert {len(captions) for captions in captions_of(RunDirectory(killed.path)).values()} == {0, 3}
    files = [path / "dataset" / "metadata.jsonl" for path in (killed.path, calm.path)]
    assert files[0].read_bytes() == files[1].read_bytes()
    stats = [json.loads((path / "stats.json").read_text()) for path in (killed.path, calm.path)]
    assert stats[0] == stats[1]
    assert list(stats[0]["captions"]["by_fuser"]) == ["slow"]

"""The driver of the Ray engine with a hundred machines, in fake time: does it keep up, and is anything lost?

    python benchmarks/driver.py --nodes 100 --actors 8 --chunks 20000

Ray is replaced by a simulation of what the driver uses of it: actors that take a while for each chunk, start late, die.
The driver is the real one; its own time is measured. It keeps up if that is a small part of the time in which so many
actors finish so many chunks.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any

import text2face_core.engines.ray as engine
from text2face_core.engines import Pool, Task
from text2face_core.engines.actor import Report
from text2face_core.engines.ray import _Driver
from text2face_core.library import Silent
from text2face_core.pipeline import Clock


class Died(Exception):
    """An actor is gone."""


class Never(Exception):
    """Something that the simulation never raises."""


class Ref:
    """An answer that is there from a moment on."""

    def __init__(self, at: float, value: Any) -> None:
        self.at, self.value = at, value


class FakeRay:
    """A cluster in fake time."""

    class exceptions:  # noqa: N801  as Ray calls it
        """Errors of Ray."""

        RayActorError, WorkerCrashedError, RayTaskError = Died, Never, Never

    def __init__(self, seconds: float, deaths: float, start: float) -> None:
        self.now, self.seconds, self.deaths, self.start = 0.0, seconds, deaths, start
        self.luck = random.Random(0)
        self.died = 0
        self.done: set[int] = set()
        self.twice = 0

    def put(self, value: Any) -> Any:
        """Keep nothing."""
        return value

    def cluster_resources(self) -> dict[str, float]:
        """Enough."""
        return {"CPU": 1e6}

    def kill(self, actor: Any) -> None:
        """End nothing."""

    @staticmethod
    def method(**_: Any) -> Any:
        """Decorate nothing."""
        return lambda function: function

    def remote(self, **_: Any) -> Any:
        """Make actors."""
        return lambda _: type("Remote", (), {"remote": staticmethod(lambda *_: FakeActor(self))})

    def wait(self, refs: Sequence[Ref], *, num_returns: int, timeout: float) -> tuple[list[Ref], list[Ref]]:
        """Pass the time until the first answer."""
        first = heapq.nsmallest(num_returns, refs, key=lambda ref: ref.at)
        if first[0].at > self.now + timeout:
            self.now += timeout
            return [], list(refs)
        self.now = max(self.now, first[0].at)
        return first, []

    def get(self, ref: Ref) -> Any:
        """An answer, or the death of the actor."""
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value


class FakeActor:
    """An actor that does one chunk after another, and may die over each."""

    def __init__(self, ray: FakeRay) -> None:
        self.ray = ray
        self.free = ray.now + ray.start
        self.dead = False
        self.ready = self._method(lambda: Ref(self.free, 1))
        self.do = self._method(self._do)
        self.stop = self._method(lambda: None)

    @staticmethod
    def _method(function: Any) -> Any:
        return type("Method", (), {"remote": staticmethod(function)})

    def _do(self, task: Task) -> Ref:
        ray = self.ray
        self.free = max(self.free, ray.now) + ray.seconds * ray.luck.uniform(0.5, 1.5)
        if self.dead or ray.luck.random() < ray.deaths:
            ray.died += not self.dead
            self.dead = True
            return Ref(self.free, Died())
        ray.twice += task.chunk in ray.done
        ray.done.add(task.chunk)
        return Ref(self.free, Report(photos=1, counts={}, seconds={"yunet": 1.0}))


class FakeJob:
    """A job of chunks without photos."""

    kind = "analysis"

    def __init__(self) -> None:
        self.clock = Clock()

    def resumed(self, task: Task) -> Task:
        """Return the task as it is."""
        return task


def main() -> None:
    """Simulate, and print figures."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--actors", type=int, default=8, help="of each node")
    parser.add_argument("--chunks", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=100.0, help="of a chunk in an actor")
    parser.add_argument("--deaths", type=float, default=0.01, help="share of chunks over which an actor dies")
    given = parser.parse_args()
    engine.pickled = lambda _: b""  # nothing is sent anywhere
    ray = FakeRay(given.seconds, given.deaths, start=20.0)
    driver = _Driver(ray, FakeJob(), Pool(actors=given.nodes * given.actors), Silent())
    began = time.process_time()
    driver.run(tasks(given.chunks))
    own = time.process_time() - began
    ideal = given.chunks * given.seconds / (given.nodes * given.actors)
    print(
        f"{given.chunks:,} chunks by {given.nodes} nodes with {given.actors} actors: {ray.now:,.0f} s of fake time "
        f"({ideal:,.0f} s without any waiting), {ray.died} actors died\n"
        f"lost {given.chunks - len(ray.done)}, done twice {ray.twice}\n"
        f"driver: {own:.1f} s of its own, {1000 * own / given.chunks:.2f} ms a chunk, {own / ray.now:.1%} of the time"
    )


def tasks(count: int) -> Iterator[Task]:
    """Chunks without photos."""
    return (Task(number, ()) for number in itertools.islice(itertools.count(), count))


if __name__ == "__main__":
    main()

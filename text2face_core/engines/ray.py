"""The engine for many machines: Ray actors build the models once and take chunks.

The driver lists tasks, hands them out and counts; chunks are read and committed by the actors, in the run directory,
which all machines must share. A task whose actor dies is handed out again: what was kept of its chunk is kept, and the
photos that were in work are tried one at a time (see `text2face_core.run.crashes`).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import sources
from ..contracts import Progress
from ..errors import MissingExtra, RunError, UsageError
from ..utils import install_command, usable_cores
from .actor import Report, Worker
from .base import Engine, Job, Task

log = logging.getLogger(__name__)

MOST_DEATHS = 50
"""Actors that die in a row without a chunk being done between; something else than single photos is wrong."""
STOP_SECONDS = 5.0
"""What actors may take to keep what they have done when the run is stopped."""
POLL_SECONDS = 1.0
STARTS = 2
"""How often Ray is started on this machine; on a busy one its processes may be too slow for each other."""
PATIENCE = 60.0
"""Seconds without any actor before the user is told what is being waited for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Actors for one kind of job.

    Attributes:
        actors: How many; 0 for as many as the cluster has room for.
        cpus: CPUs of each, which are also the threads of its models.
        gpus: GPUs of each; a fraction to share one.
        in_flight: Chunks that an actor has at a time: one in work, the others waiting.
    """

    actors: int = 0
    cpus: float = 1.0
    gpus: float = 0.0
    in_flight: int = 2


@dataclass(slots=True)
class _Slot:
    """An actor, and the tasks that it has."""

    actor: Any
    ready: Any
    tasks: dict[Any, Task] = field(default_factory=dict)
    is_ready: bool = False


class RayEngine(Engine):
    """Has jobs done by actors of a Ray cluster.

    Args:
        address: The cluster's address, or "auto"; empty to start Ray on this machine, until `close`.
        analysis: Actors for analysis.
        captioning: Actors for captioning; by default as for analysis.
    """

    elsewhere = True

    def __init__(self, address: str = "", *, analysis: Pool | None = None, captioning: Pool | None = None) -> None:
        self.address = address
        self.pools = {"analysis": analysis or Pool()}
        self.pools["captioning"] = captioning or self.pools["analysis"]
        self._connected: Any = None  # Ray, if this engine has connected it

    def threads_per_model(self, kind: str, default: int) -> int:  # noqa: ARG002  CPUs of an actor, whatever this machine has
        """Threads of each model."""
        return max(1, int(self.pools[kind].cpus))

    def run(self, job: Job, tasks: Iterable[Task], progress: Progress) -> None:
        """Have every task done by actors.

        Raises:
            MissingExtra: Ray is not installed.
            UsageError: What a job raises, or the cluster cannot have such actors.
            RunError: Actors die again and again.
        """
        _Driver(self._connect(), job, self.pools[job.kind], progress).run(iter(tasks))

    def _connect(self) -> Any:
        """Import Ray, and connect to the cluster, or start Ray here, unless this process has done so before."""
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        try:
            import ray
        except ImportError as error:
            raise MissingExtra(f"--engine ray needs Ray, which is not installed: {install_command('ray')}") from error
        if ray.is_initialized():
            return ray
        given: dict[str, Any] = {"num_cpus": usable_cores(), "include_dashboard": False}
        if self.address:
            environment = {name: value for name, value in os.environ.items() if name.startswith(("T2F_", "HF_"))}
            given = {"address": self.address, "runtime_env": {"env_vars": environment}}
        for left in reversed(range(1 if self.address else STARTS)):
            try:
                ray.init(**given, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:  # Ray raises many kinds, also plain ones
                ray.shutdown()
                if left:
                    log.info("Ray could not be started, once more: %s", error)
                    continue
                where = f"the Ray cluster at {self.address}" if self.address else "Ray on this machine"
                raise UsageError(f"{where} cannot be used: {' '.join(str(error).split())[:300]}") from error
            break
        self._connected = ray
        return ray

    def close(self) -> None:
        """Leave the cluster; Ray that was started here ends."""
        if self._connected is not None:
            self._connected.shutdown()
            self._connected = None


class _Driver:
    """Hands out the tasks of one job."""

    def __init__(self, ray: Any, job: Job, pool: Pool, progress: Progress) -> None:
        self._ray, self._job, self._pool, self._progress = ray, job, pool, progress
        self._count = pool.actors or self._room()
        self._payload = ray.put(pickled((job, sources.current())))
        self._slots: list[_Slot] = []
        self._again: deque[Task] = deque()
        self._deaths = 0

    def _room(self) -> int:
        """How many actors the cluster has room for."""
        found = self._ray.cluster_resources()
        rooms = []
        for what, needed in (("CPU", self._pool.cpus), ("GPU", self._pool.gpus)):
            if needed and found.get(what, 0.0) < needed:
                raise UsageError(f"an actor needs {needed:g} {what}, and the cluster has {found.get(what, 0.0):g}")
            if needed:
                rooms.append(int(found[what] / needed))
        return max(1, min(rooms, default=1))

    def run(self, tasks: Iterator[Task]) -> None:
        """Until all tasks are done."""
        try:
            waited = time.monotonic()
            for task in tasks:
                self._again.append(task)
                while len(self._again) >= self._count:
                    waited = self._turn(waited)
            while self._again or any(slot.tasks for slot in self._slots):
                waited = self._turn(waited)
        except BaseException:
            self._stop()
            raise
        finally:
            for slot in self._slots:
                self._ray.kill(slot.actor)

    def _turn(self, waited: float) -> float:
        """Hand out what can be, and wait a moment for what is done; returns since when no actor is there."""
        while len(self._slots) < self._count:
            self._slots.append(self._start())
        self._hand_out()
        owners = {ref: slot for slot in self._slots for ref in (*slot.tasks, *(() if slot.is_ready else (slot.ready,)))}
        done, _ = self._ray.wait(list(owners), num_returns=1, timeout=POLL_SECONDS)
        for ref in done:
            if owners[ref] in self._slots:  # else another answer of this turn has shown that it is dead
                self._take(owners[ref], ref)
        now = time.monotonic()
        if any(slot.is_ready for slot in self._slots):
            return now
        if now - waited > PATIENCE:
            self._progress.say("waiting for room for an actor in the Ray cluster")
            return now
        return waited

    def _hand_out(self) -> None:
        """Give each actor tasks, those with the fewest first."""
        while self._again:
            free = [slot for slot in self._slots if slot.is_ready and len(slot.tasks) < self._pool.in_flight]
            if not free:
                return
            slot = min(free, key=lambda slot: len(slot.tasks))
            task = self._again.popleft()
            slot.tasks[slot.actor.do.remote(task)] = task

    def _take(self, slot: _Slot, ref: Any) -> None:
        """Take an answer of an actor, or its death."""
        try:
            answer = self._ray.get(ref)
        except (self._ray.exceptions.RayActorError, self._ray.exceptions.WorkerCrashedError) as error:
            self._bury(slot, error)
            return
        except self._ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        if ref == slot.ready:
            slot.is_ready = True
            return
        report: Report = answer
        slot.tasks.pop(ref)
        self._deaths = 0
        for level, message in report.messages:
            log.log(level, "%s", message)
        for name, seconds in report.seconds.items():
            self._job.clock.add(name, seconds)
        if report.error:
            raise report.error
        self._progress.advance(report.photos, **report.counts)

    def _bury(self, slot: _Slot, error: Exception) -> None:
        """Hand a dead actor's tasks out again, and start another one in its place."""
        self._slots.remove(slot)
        log.info("an actor died: %s", error)
        self._deaths += 1
        if self._deaths > MOST_DEATHS:
            raise RunError(
                f"{self._deaths} actors died in a row, the last time so: {' '.join(str(error).split())[:300]}. "
                "Use fewer actors for a machine (--actor-cpus), or leave the detector or an extractor out (--plugins)"
            )
        with contextlib.suppress(Exception):
            self._ray.kill(slot.actor)  # if only the connection is lost, nothing else may touch its chunks
        self._again.extendleft(self._job.resumed(task) for task in reversed(slot.tasks.values()))

    def _start(self) -> _Slot:
        given: dict[str, Any] = {"num_cpus": self._pool.cpus, "num_gpus": self._pool.gpus, "max_restarts": 0}
        # Asking it to stop must not wait for the task in work, which has a thread of its own.
        remote = self._ray.remote(**given, concurrency_groups={"control": 1})(_as_actor(self._ray))
        actor = remote.remote(self._payload, str(Path.cwd()))
        return _Slot(actor, actor.ready.remote())

    def _stop(self) -> None:
        """Ask all actors to keep what they have, and wait a moment for them."""
        with contextlib.suppress(Exception):
            refs = [ref for slot in self._slots for ref in slot.tasks]
            for slot in self._slots:
                slot.actor.stop.remote()
            if refs:
                self._ray.wait(refs, num_returns=len(refs), timeout=STOP_SECONDS)


def pickled(what: object) -> bytes:
    """Pickle by value what another process cannot import, such as functions of a notebook."""
    from ray import cloudpickle

    content: bytes = cloudpickle.dumps(what)
    return content


def _as_actor(ray: Any) -> type:
    class ChunkWorker(Worker):
        stop = ray.method(concurrency_group="control")(Worker.stop)
        ready = ray.method(concurrency_group="control")(Worker.ready)

    return ChunkWorker

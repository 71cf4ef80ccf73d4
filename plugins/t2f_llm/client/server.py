"""Concurrent, rate-limited, cached requests to an OpenAI-compatible server."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from text2face_core.contracts import FusionRequest
from text2face_core.errors import BadPhoto, FuserError

from ..formats import answer
from ..options import ServerOptions
from .cache import Answers
from .http import Client, NotNow, RequestRefused
from .retries import GaveUp, Patience

T = TypeVar("T")
Body = dict[str, Any]

log = logging.getLogger(__name__)

SEEDS = 2**31  # every server takes seeds below; llama.cpp reads the largest of 32 bits as "random"
MOST_WARNINGS = 20  # about refused requests, each of another kind


@dataclass(slots=True)
class _Failures:
    """Counts refused requests; if all requests are refused from the beginning, the run stops."""

    name: str
    where: str
    limit: int
    said: set[str]
    photos: set[str] = field(default_factory=set)
    first: RequestRefused | None = None

    def add(self, error: RequestRefused, photo_id: str, *, answered: bool) -> None:
        self.first = self.first or error
        self.photos.add(photo_id)
        if str(error) not in self.said and len(self.said) < MOST_WARNINGS:
            self.said.add(str(error))
            what = "gives up on" if isinstance(error, GaveUp) else "refuses"
            log.warning("%s %s a request, which gets no text: %s", self.where, what, error)
        if len(self.photos) >= self.limit and not answered:
            self.stop()

    def stop(self) -> NoReturn:
        if isinstance(self.first, GaveUp):
            raise FuserError(
                f"{self.where} answers no request ({self.first}). See the server's own log; the same "
                f"command then resumes where this one stopped ({self.name}.timeout and {self.name}.retries set how "
                "long to wait for an answer)"
            )
        raise FuserError(
            f"{self.where} refuses every request ({self.first}). If it does not support a field: "
            f"{self.name}.send_seed=false omits the seed, {self.name}.extra_body={{top_p=''}} any other field. "
            "The same command resumes where this one stopped"
        )


@dataclass(frozen=True, slots=True)
class _Session:
    """State shared by the requests of a call."""

    client: Client
    patience: Patience
    answers: Answers
    failures: _Failures
    model: str


class Server:
    """A server and model. It holds no connection between calls, so that it can be sent to other processes.

    name: the plugin whose options these are, for messages. folder: for cached answers, unless `options.cache` is set.
    path: the API, "chat/completions" or "completions".
    """

    def __init__(self, name: str, options: ServerOptions, folder: Path, path: str = "chat/completions") -> None:
        self._name = name
        self._options = options
        self._path = path
        given = Path(options.cache).expanduser() if options.cache else folder / f"{name}.sqlite"
        self._file = None if options.cache == "off" else given
        self._model = options.model
        self._takes_n = True
        self._has_answered = False
        self._was_silent = False
        self._said: set[str] = set()

    def ask(self, requests: Sequence[FusionRequest], body: Callable[[FusionRequest], Body]) -> list[list[str]]:
        """`count` texts for each request, in order; equal requests are sent once.

        body: makes the body of a request, without the fields from options; only called when the request is sent. A
        request that the server refuses, or for which `body` raises BadPhoto, gets the texts available, possibly none.
        Raises FuserError if no request is answered. Works inside a running event loop, as in a notebook.
        """
        different = list(dict.fromkeys(requests))
        texts = dict(zip(different, _apart(lambda: self._ask(different, body)), strict=True))
        return [list(texts[request]) for request in requests]

    async def _ask(self, requests: list[FusionRequest], body: Callable[[FusionRequest], Body]) -> list[list[str]]:
        options = self._options
        texts: list[list[str]] = [[] for _ in requests]
        waiting = iter(enumerate(requests))
        async with Client(self._name, options.base_url, options.key_env, options.timeout) as client:
            patience = Patience(self._name, options.base_url, options.retries, options.patience)
            self._model = self._model or await _only_model(self._name, client, patience)
            with Answers(self._file, f"{self._name}.cache") as answers:
                failures = _Failures(self._name, options.base_url, max(8, options.concurrency), self._said)
                session = _Session(client, patience, answers, failures, self._model)

                async def work() -> None:
                    for number, request in waiting:  # shared: each takes the next
                        try:
                            sent = body(request)
                        except BadPhoto as error:
                            log.warning("%s gets no text: %s", request.uri, error)
                        else:
                            texts[number] = await self._texts(session, request, sent)

                await _side_by_side([work() for _ in range(min(options.concurrency, len(requests)))])
        if failures.first and not self._has_answered:
            failures.stop()
        return texts

    async def _texts(self, session: _Session, request: FusionRequest, body: Body) -> list[str]:
        """The request's texts: from the cache, else by a request with `n`, and the rest singly."""
        body = self._complete(session.model, body)
        seeds = [(request.seed + number) % SEEDS for number in range(request.count)]
        keys = _keys([self._options.base_url, self._path, body], seeds)
        texts = [session.answers.get(key) for key in keys]
        self._has_answered |= any(text is not None for text in texts)
        try:
            several = request.count > 1 and self._takes_n and texts == [None] * request.count
            if several:
                for number, said in enumerate(await self._several(session, body, seeds[0], request.count)):
                    texts[number] = self._keep(session, keys[number], said)
            for number, text in enumerate(texts):
                if text is None:
                    one = await session.patience.answer(partial(self._send, session, body, seeds[number]))
                    texts[number] = self._keep(session, keys[number], one[0])
                    self._takes_n &= not several  # it returned fewer texts than requested, but returns them singly
        except RequestRefused as error:
            session.failures.add(error, request.photo_id, answered=self._has_answered)
        return [text for text in texts if text is not None]

    async def _several(self, session: _Session, body: Body, seed: int, count: int) -> list[str]:
        """Up to `count` texts; none if the server refuses `n`, or the whole request, as single requests will show."""
        try:
            texts = await session.patience.answer(partial(self._send, session, {**body, "n": count}, seed))
        except GaveUp:
            raise
        except RequestRefused:
            return []
        return texts[:count]

    async def _send(self, session: _Session, body: Body, seed: int) -> list[str]:
        if self._options.send_seed:
            body = {**body, "seed": seed}
        found = await session.client.exchange("POST", self._path, body)
        texts = _texts_of(found)
        if not any(texts) and not self._was_silent and found["choices"][0].get("finish_reason") == "length":
            self._was_silent = True
            log.warning(
                "answers are empty because they end at %s.max_tokens = %d: a reasoning model needs more, or "
                "extra_body = {chat_template_kwargs = {enable_thinking = false}}",
                self._name,
                self._options.max_tokens,
            )
        return texts

    def _keep(self, session: _Session, key: bytes, text: str) -> str:
        self._has_answered = True
        session.answers.put(key, text)
        return text

    def _complete(self, model: str, body: Body) -> Body:
        options = self._options
        sent = {
            "model": model,
            **body,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "max_tokens": options.max_tokens,
            **options.extra_body,
        }
        return {name: value for name, value in sent.items() if value != ""}


def _keys(asked: list[Any], seeds: Sequence[int]) -> list[bytes]:
    """Cache keys of answers: a hash of everything that is sent, and of the seed even if it is not sent."""
    everything = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    keys = []
    for seed in seeds:
        one = everything.copy()
        one.update(f" {seed}".encode())
        keys.append(one.digest())
    return keys


async def _only_model(name: str, client: Client, patience: Patience) -> str:
    """The name of the server's only model. Raises FuserError if it does not have exactly one."""
    try:
        found = (await patience.answer(partial(client.exchange, "GET", "models"))).get("data")
    except RequestRefused as error:
        raise FuserError(
            f"{client.base_url} does not list its models ({error}). Choose a model: --set {name}.model=NAME"
        ) from None
    rows = found if isinstance(found, list) else []
    names = sorted(str(one["id"]) for one in rows if isinstance(one, dict) and "id" in one)
    if len(names) != 1:
        listed = f"several models: {', '.join(names[:30])}" if names else "no model"
        raise FuserError(
            f"{client.base_url} lists {listed}. Choose a model, for example --set {name}.model={(names or ['NAME'])[0]}"
        )
    return names[0]


def _texts_of(found: Body) -> list[str]:
    """The texts in an answer, in order. Raises NotNow if there are none."""
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices:
        raise NotNow("an answer without choices")
    try:
        ordered = sorted(choices, key=lambda choice: int(choice.get("index") or 0))
        texts = [choice["message"].get("content") if "message" in choice else choice["text"] for choice in ordered]
        return [answer(text or "") for text in texts]
    except (TypeError, ValueError, KeyError, AttributeError):
        raise NotNow("an answer in another form than OpenAI's") from None


async def _side_by_side(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all jobs concurrently; the first error cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


def _apart(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine in a thread with its own event loop; an interrupt in this thread cancels it."""
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = Future()

    async def begin() -> T:
        if task := asyncio.current_task():
            begun.set_result((asyncio.get_running_loop(), task))
        return await main()

    with ThreadPoolExecutor(1, "t2f-server") as thread:
        running = thread.submit(lambda: asyncio.run(begin()))
        try:
            while not wait([running], timeout=1).done:  # in steps, because Windows cannot interrupt a wait
                pass
        except BaseException:
            either: list[Future[Any]] = [begun, running]  # a thread that could not create a loop never begins
            wait(either, return_when=FIRST_COMPLETED)
            if begun.done():
                loop, task = begun.result()
                with contextlib.suppress(RuntimeError):  # the loop has just ended
                    loop.call_soon_threadsafe(task.cancel)
            raise
        return running.result()

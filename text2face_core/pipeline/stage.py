"""Call a component on batches: timed, checked, and input by input when a batch fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..errors import BadPhoto, DegenerateFace, UsageError
from ..plugins import BrokenContract, clean, traced

In = TypeVar("In")
Out = TypeVar("Out")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Reason why there is no result for an input."""

    reason: str


@dataclass(slots=True)
class Clock:
    """Seconds of wall time spent inside each component."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        """Count `seconds` for a component."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @property
    def total(self) -> float:
        """Seconds spent inside all components."""
        return sum(self.seconds.values())


class Stage(Generic[In, Out]):
    """A method of a component, called on batches.

    One result per input, in order. An input for which the component raises, or returns what `check` refuses, yields a
    Failure with a reason; the rest of its batch is done all the same. Errors that affect every input (UsageError) are
    not caught.

    Args:
        name: The component's name, for reasons.
        method: Called with a batch.
        clock: Counts the seconds inside of it.
        check: Returns a clean copy of a result, or raises BrokenContract.
    """

    def __init__(
        self, name: str, method: Callable[[Sequence[In]], Any], clock: Clock, check: Callable[[Any], Out]
    ) -> None:
        self.name = name
        self._method = method
        self._clock = clock
        self._check = check

    def __call__(self, inputs: Sequence[In]) -> list[Out | Failure]:
        """Results or failures for `inputs`, in order."""
        if not inputs:
            return []
        try:
            results = self._timed(inputs)
        except UsageError:
            raise
        # SystemExit too: a library that calls sys.exit must not end the run. A user's Ctrl-C must.
        except (Exception, SystemExit) as error:
            if len(inputs) > 1:
                return [result for one in inputs for result in self([one])]
            log.debug("%s failed", self.name, exc_info=True)
            return [Failure(self._reason(error))]
        return [self._checked(result) for result in results]

    def _timed(self, inputs: Sequence[In]) -> Sequence[Any]:
        start = time.perf_counter()
        try:
            with traced(f"{self.name}({len(inputs)})"):
                results = self._method(inputs)
                if isinstance(results, str | bytes) or not isinstance(results, Sequence):
                    raise BrokenContract(f"gave a {type(results).__name__}, not a list of results")
        finally:
            self._clock.add(self.name, time.perf_counter() - start)
        if len(results) != len(inputs):
            raise BrokenContract(f"gave {len(results)} results for {len(inputs)} inputs")
        return results

    def _checked(self, result: Any) -> Out | Failure:
        try:
            return self._check(result)
        except Exception as error:  # what a plugin returned may raise whenever it is touched
            log.debug("%s returned what it must not", self.name, exc_info=True)
            return Failure(self._reason(error))

    def _reason(self, error: BaseException) -> str:
        try:
            text = str(error)
        except Exception:  # noqa: BLE001  an error may fail even at this
            text = ""
        if isinstance(error, BadPhoto | DegenerateFace):
            return clean(text) or "no reason given"
        kind = "" if isinstance(error, BrokenContract) else f"{type(error).__name__}: "
        return clean(f"{self.name}: {kind}{text}".removesuffix(": "))

"""Call a component on batches: timed, checked, and asked again one by one where a batch fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ..errors import BadPhoto, DegenerateFace, PluginError, UsageError
from ..plugins import traced

In = TypeVar("In")
Out = TypeVar("Out")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result for one input."""

    reason: str


@dataclass(slots=True)
class Clock:
    """Seconds of wall time spent inside each component."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        """Count `seconds` for one component."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    @property
    def total(self) -> float:
        """Seconds spent inside all components."""
        return sum(self.seconds.values())


class Stage(Generic[In, Out]):
    """One method of one component.

    One result per input, in order. An input for which the component raises yields a Failure with a reason; the rest of
    its batch is done all the same. Errors that would befall every input (UsageError) are not caught.
    """

    def __init__(self, name: str, method: Callable[[Sequence[In]], Sequence[Out]], clock: Clock) -> None:
        self.name = name
        self._method = method
        self._clock = clock

    def __call__(self, inputs: Sequence[In]) -> list[Out | Failure]:
        """Results or failures for `inputs`, in order."""
        if not inputs:
            return []
        try:
            return list(self._timed(inputs))
        except UsageError:
            raise
        except Exception as error:
            if len(inputs) > 1:
                return [result for one in inputs for result in self([one])]
            log.debug("%s failed", self.name, exc_info=True)
            return [Failure(self._reason(error))]

    def _timed(self, inputs: Sequence[In]) -> Sequence[Out]:
        start = time.perf_counter()
        try:
            with traced(f"{self.name}({len(inputs)})"):
                results = self._method(inputs)
        finally:
            self._clock.add(self.name, time.perf_counter() - start)
        if len(results) != len(inputs):
            raise PluginError(f"{self.name} gave {len(results)} results for {len(inputs)} inputs")
        return results

    def _reason(self, error: Exception) -> str:
        if isinstance(error, BadPhoto | DegenerateFace):
            return str(error)
        return f"{self.name}: {type(error).__name__}: {error}"

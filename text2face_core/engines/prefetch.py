"""Decode photos ahead of the models that look at them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future

from ..errors import BadPhoto
from ..images import DecodeLimits, decode_image
from ..pipeline import Decoded, Failure
from ..records import Photo, PhotoRef
from ..sources import path_of


def decoded(refs: Iterable[PhotoRef], limits: DecodeLimits, pool: Executor, ahead: int) -> Iterator[Decoded]:
    """Every photo in order, decoded by `pool` at most `ahead` photos before it is asked for."""
    waiting: deque[Future[Decoded]] = deque()
    for ref in refs:
        waiting.append(pool.submit(_decode, ref, limits))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _decode(ref: PhotoRef, limits: DecodeLimits) -> Decoded:
    try:
        return Decoded(ref, Photo(ref.photo_id, ref.uri, decode_image(path_of(ref.uri), limits)))
    except BadPhoto as error:
        return Decoded(ref, Failure(str(error)))
    except Exception as error:  # noqa: BLE001  whatever a broken file provokes, the other photos go on
        return Decoded(ref, Failure(f"unreadable: {type(error).__name__}: {error}"))

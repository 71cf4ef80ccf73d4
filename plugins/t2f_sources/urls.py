"""Photos at URLs: single ones, lists of them, and folders and patterns of cloud storage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from text2face_core import hookimpl
from text2face_core.contracts import MAX_PHOTO_BYTES, Component, Runtime, Source
from text2face_core.errors import BadPhoto, SourceError
from text2face_core.records import PhotoRef
from text2face_core.utils import photo_id_of, quoted

from .fetching import CLOUD, HTTP, FetchOptions, fetch, import_fsspec, is_url
from .places import stamp_files

LISTS = frozenset({".txt", ".lst", ".list"})
IMAGES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".jfif", ".jp2", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
MOST_LIST = 2_000_000_000


class UrlSource(Source):
    """Photos at URLs."""

    def __init__(self, options: FetchOptions) -> None:
        self.options = options

    def list(self, place: str) -> Iterator[PhotoRef]:
        """List a URL; a list with a URL a line (`urls:list.txt` or `https://…/list.txt`); or a folder of a cloud."""
        local = place.startswith("urls:")
        where = place.removeprefix("urls:")
        if local or PurePosixPath(where.partition("?")[0]).suffix.lower() in LISTS:
            seen: set[int] = set()
            for number, url in self._lines(where):
                if not is_url(url):
                    raise SourceError(f"line {number} of {quoted(where)} is not a URL: {url!r:.100}")
                if (digest := hash(url)) not in seen:  # a list may name one twice
                    seen.add(digest)
                    yield PhotoRef(photo_id_of(url), url)
        elif where.partition("://")[0].lower() in HTTP:
            yield PhotoRef(photo_id_of(where), where)
        else:
            for url in _in_cloud(where):
                yield PhotoRef(photo_id_of(url), url)

    def _lines(self, where: str) -> Iterator[tuple[int, str]]:
        try:
            content = fetch(where, MOST_LIST, self.options) if is_url(where) else Path(where).read_bytes()
        except (BadPhoto, OSError) as error:
            what = error.strerror if isinstance(error, OSError) else str(error)
            raise SourceError(f"the list {quoted(where)} cannot be read: {what}") from error
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if (url := line.strip()) and not url.startswith("#"):
                yield number, url

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Fetch a photo."""
        return fetch(uri, max_bytes, self.options)

    def stamp(self, place: str) -> str:
        """The state of a list on this machine; unknown for others."""
        where = place.removeprefix("urls:")
        return stamp_files([Path(where)]) if place.startswith("urls:") and not is_url(where) else ""


def _in_cloud(place: str) -> Iterator[str]:
    """The URLs of a file, a folder, to any depth, or a glob pattern, sorted."""
    fsspec = import_fsspec()
    scheme = place.partition("://")[0]
    try:
        system, path = fsspec.core.url_to_fs(place)
        if any(sign in path for sign in "*?["):
            found = [name for name in system.glob(path) if system.isfile(name)]
        elif system.isdir(path):
            found = [name for name in system.find(path) if PurePosixPath(name).suffix.lower() in IMAGES]
        else:
            found = [path] if system.exists(path) else []
    except ImportError as error:
        raise SourceError(f"{scheme}:// addresses need another package: {error}") from error
    except Exception as error:
        raise SourceError(f"{quoted(place)} cannot be listed: {type(error).__name__}: {error}") from error
    if not found:
        raise SourceError(f"there are no photos at {quoted(place)}")
    yield from (f"{scheme}://{name.lstrip('/')}" for name in sorted(found))


def build(options: FetchOptions, runtime: Runtime) -> UrlSource:  # noqa: ARG001  the form of `Component.build`
    """Build the source."""
    return UrlSource(options)


@hookimpl
def t2f_sources() -> Iterable[Component[FetchOptions, Source]]:
    """Declare the source."""
    yield Component(
        "urls",
        build,
        FetchOptions,
        extra="urls",
        provides=("urls", *HTTP, *CLOUD),
        summary="photos at URLs: lists of them, and cloud storage through fsspec",
    )

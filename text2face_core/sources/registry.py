"""Access to any photo by its URI: this package opens files, plugins open the schemes that they declare."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from ..contracts import MAX_PHOTO_BYTES, Runtime, Source
from ..errors import SourceError
from ..records import Known, PhotoRef
from ..utils import photo_id_of, quoted
from .files import IMAGES, LISTS, FileSource, Warn, list_files, no_photos

if TYPE_CHECKING:
    from ..models import ModelStore
    from ..plugins import Plugins, Registered

# Two letters at least, as "c:" is a drive of Windows.
_SCHEME = re.compile(r"([a-z][a-z0-9+._-]+):", re.IGNORECASE)


def scheme_of(uri: str) -> str:
    """Return the scheme in lower case; "file" for a path.

    >>> scheme_of("zip:/data/photos.zip"), scheme_of("/data/ann.jpg"), scheme_of("c:/ann.jpg")
    ('zip', 'file', 'file')
    """
    found = _SCHEME.match(uri)
    return found[1].lower() if found else "file"


class Sources:
    """The available sources by scheme. Thread-safe; plugins are loaded when needed.

    >>> Sources().open("gone.jpg")
    Traceback (most recent call last):
    ...
    text2face_core.errors.BadPhoto: unreadable: no such file or directory
    """

    def __init__(
        self,
        plugins: Plugins | None = None,
        models: ModelStore | None = None,
        options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._plugins, self._models, self._options = plugins, models, options or {}
        self._opened: dict[str, Source] = {"file": FileSource()}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return Sources, (self._plugins, self._models, self._options)

    def packages(self) -> set[str]:
        """Return the top-level packages of the plugins that are known; imports nothing."""
        return self._plugins.packages() if self._plugins else set()

    def of(self, scheme: str) -> Source:
        """Return the source that opens a scheme. Raises SourceError if no plugin declares it, PluginError if two do."""
        found = self._opened.get(scheme)
        if found is None:
            with self._lock:
                found = self._opened.get(scheme) or self._build(scheme)
                self._opened[scheme] = found
        return found

    def open(self, uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
        """Read a photo's encoded bytes.

        Raises:
            BadPhoto: It cannot be read.
            SourceError: No plugin opens URIs of its scheme.
        """
        return self.of(scheme_of(uri)).open(uri, max_bytes)

    def known(self, uri: str) -> Known:
        """Return what the source of a photo knows about it. Raises BadPhoto if it cannot be read."""
        scheme = scheme_of(uri)
        found = self.of(scheme).known(uri)
        if not found.findings:
            return found
        (declared,) = self._declared(scheme)
        truth = f"truth:{declared.name}"
        return replace(found, findings=tuple(replace(finding, source=truth) for finding in found.findings))

    def stamp(self, source: Sequence[str | Path]) -> str:
        """Return a text that changes when the listing of these addresses may change; empty if that is not known."""
        digest = hashlib.blake2b(digest_size=16)
        for place in map(str, map(self.address_of, source)):
            stamp = self.of(scheme_of(place)).stamp(place) if self._is_elsewhere(place) else ""
            if not stamp:
                return ""
            digest.update(f"{place}\0{stamp}\0".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()

    def list_photos(
        self, source: str | Path | Sequence[str | Path], exclude: Sequence[Path], warn: Warn
    ) -> list[PhotoRef]:
        """List the photos of all addresses, each once: files in the order of their paths, then photos of plugins."""
        return list(self.iter_photos(source, exclude, warn))

    def iter_photos(
        self, source: str | Path | Sequence[str | Path], exclude: Sequence[Path], warn: Warn
    ) -> Iterator[PhotoRef]:
        """Do the same photo by photo; photos of plugins are not held in memory."""
        places = [self.address_of(place) for place in ([source] if isinstance(source, str | Path) else source)]
        elsewhere = [place for place in map(str, places) if self._is_elsewhere(place)]
        files = [place for place in places if str(place) not in elsewhere]
        listed = (
            list_files(files, exclude=exclude, warn=warn, may_be_empty=bool(elsewhere))
            if files or not elsewhere
            else []
        )
        yield from listed
        taken = {int(photo.photo_id, 16) for photo in listed}  # numbers take half the memory of texts
        for place in elsewhere:
            before = len(taken)
            for photo in self.of(scheme_of(place)).list(place):
                key = photo.photo_id
                while int(key, 16) in taken:  # as a photo of another address
                    key = photo_id_of(f"{photo.uri}\0{key}")
                taken.add(int(key, 16))
                yield PhotoRef(key, photo.uri)
            if len(taken) == before:
                warn(f"no photos in {quoted(place)}")
        if not taken:
            raise no_photos(places)

    def address_of(self, place: str | Path) -> str | Path:
        """Return a file whose ending a source declares as that source's address; else the place as it is.

        A source plugin declares ".tar" in `provides`, so that `photos.tar` means `webdataset:photos.tar`.
        """
        text = str(place)
        ending = PurePath(text).suffix.lower()
        if not ending or ending in IMAGES or ending in LISTS or scheme_of(text) != "file" or Path(text).is_dir():
            return place
        if self._plugins is None:
            from ..plugins import Plugins

            self._plugins = Plugins.load()
        for one in self._plugins.known_components():
            if one.kind == "source" and ending in one.component.provides:
                return f"{one.component.provides[0]}:{text}"
        return place

    def _is_elsewhere(self, place: str) -> bool:
        scheme = scheme_of(place)
        if scheme == "file" or Path(place).exists():
            return False
        return bool(self._declared(scheme)) or "://" in place

    def _declared(self, scheme: str) -> list[Registered]:
        if self._plugins is None:
            from ..plugins import Plugins

            self._plugins = Plugins.load()
        return [one for one in self._plugins.components() if one.kind == "source" and scheme in one.component.provides]

    def _build(self, scheme: str) -> Source:
        declared = self._declared(scheme)
        if len(declared) != 1:
            names = " and ".join(one.name for one in declared)
            raise SourceError(
                f'the plugins {names} both open "{scheme}:" addresses: uninstall one of them'
                if declared
                else f'no plugin opens "{scheme}:" addresses. Installed sources: t2f plugins list --kind source'
            )
        if self._plugins is None or self._models is None:
            from ..models import ModelStore

            self._models = self._models or ModelStore()
        assert self._plugins is not None  # noqa: S101  `_declared` has loaded them
        (found,) = declared
        options = check_options(found, self._options.get(found.name, {}))
        built: Source = self._plugins.build(found, options, Runtime(self._models))
        return built


def check_options(registered: Registered, options: Mapping[str, Any]) -> Any:
    """Validate the options of a source. Raises SourceError with the option that is wrong."""
    from pydantic import ValidationError

    model = registered.component.options
    try:
        return model.model_validate(options)
    except ValidationError as error:
        what = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        known = ", ".join(model.model_fields) or "none"
        raise SourceError(f"{registered.name}: {what} (options of {registered.name}: {known})") from error


_current = Sources()


def current() -> Sources:
    """Return the sources that this process uses."""
    return _current


def use_sources(sources: Sources) -> None:
    """Make `open` and `list_photos` of this process use these sources, usually those of a run's plugins."""
    global _current  # noqa: PLW0603  threads and reports of a run have no other way to know its plugins
    _current = sources


def open(uri: str, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:  # noqa: A001  sources.open, as in webbrowser.open
    """Read a photo's encoded bytes from a file or through a source plugin.

    Args:
        uri: A path, a `file:` URI, or a URI of a plugin's scheme.
        max_bytes: A larger photo is refused before it is read.

    Returns:
        The bytes of a JPEG, PNG, …; `text2face_core.images.decode_image` decodes them.

    Raises:
        BadPhoto: The photo cannot be read; the text is the reason recorded for it.
        SourceError: No plugin opens URIs of this scheme.
    """
    return _current.open(uri, max_bytes)


def known(uri: str) -> Known:
    """Return what the source of a photo knows about it; see `text2face_core.contracts.Source.known`."""
    return _current.known(uri)


def listing_stamp(source: Sequence[str | Path]) -> str:
    """Return a text that changes when the listing of these addresses may change; empty if that is not known."""
    return _current.stamp(source)


def list_photos(
    source: str | Path | Sequence[str | Path], *, exclude: Sequence[Path] = (), warn: Warn = lambda _: None
) -> list[PhotoRef]:
    """List the photos of all addresses, each once.

    Args:
        source: Folders, glob patterns, text lists and files (see `list_files`), and URIs of source plugins.
        exclude: Folders that are not searched.
        warn: Receives a line for each folder that cannot be read and each address without photos.

    Raises:
        SourceError: An address does not exist or cannot be read.
            NothingToDo: There are no photos at all.
    """
    return _current.list_photos(source, exclude, warn)


def iter_photos(
    source: str | Path | Sequence[str | Path], *, exclude: Sequence[Path] = (), warn: Warn = lambda _: None
) -> Iterator[PhotoRef]:
    """Do the same as `list_photos` photo by photo, so that sources of any size can be listed."""
    return _current.iter_photos(source, exclude, warn)

"""CelebA and CelebAMask-HQ, with their 40 attributes by people as truth.

Layouts: https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html, https://github.com/switchablenorms/CelebAMask-HQ. An
attribute states the finding of its name in lower snake case: `Eyeglasses` states `eyeglasses`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from text2face_core import hookimpl
from text2face_core.contracts import Component, Options, Runtime, Source
from text2face_core.errors import SourceError
from text2face_core.records import Finding, Known
from text2face_core.utils import quoted

from .folders import FolderSource, images_below
from .places import split_uri

SPLITS = {"training": "0", "validation": "1", "test": "2"}
MOST_TABLE = 200_000_000
NAMES = {"5_o_clock_shadow": "five_o_clock_shadow"}


class CelebaOptions(Options):
    """Which of CelebA's photos are used."""

    variant: Literal["aligned", "wild"] = Field("aligned", description="img_align_celeba, or img_celeba")
    split: Literal["all", "training", "validation", "test"] = Field(
        "all", description="the authors' split; other than all, it needs list_eval_partition.txt"
    )


class CelebaMaskOptions(Options):
    """CelebAMask-HQ has no options."""


class AttributeTable:
    """Names of attributes, and which of them each photo has: a row of bits, found by the photo's file name."""

    def __init__(self, path: Path) -> None:
        try:
            if path.stat().st_size > MOST_TABLE:
                raise SourceError(f"{quoted(path)} is larger than {MOST_TABLE} bytes")
            with path.open(encoding="utf-8", errors="replace") as file:
                rows = [re.split(r"[\s,]+", line.strip()) for line in file if line.strip()]
        except OSError as error:
            raise SourceError(f"{quoted(path)} cannot be read: {error.strerror}") from error
        rows = rows[1:] if rows and len(rows[0]) == 1 else rows  # the first line of the .txt is a count
        header = [name for name in (rows[0] if rows else []) if name not in {"image_id", ""}]
        self.names = tuple(NAMES.get(name.lower(), name.lower()) for name in header)
        self._places = {row[0]: place for place, row in enumerate(rows[1:])}
        try:
            values = [[int(value) for value in row[1:]] for row in rows[1:]]
            self._values: npt.NDArray[np.int8] = np.array(values, np.int8).reshape(len(values), len(self.names))
        except (ValueError, OverflowError) as error:
            raise SourceError(f"{quoted(path)} is not a table of attributes: {error}") from error

    def findings(self, name: str) -> tuple[Finding, ...]:
        """The attributes of a photo."""
        place = self._places.get(name)
        if place is None:
            return ()
        row = self._values[place].tolist()
        return tuple(Finding(name, value > 0, 1.0) for name, value in zip(self.names, row, strict=True))


@lru_cache(2)
def _attributes(root: Path, *names: str) -> AttributeTable | None:
    path = next((root / name for name in names if (root / name).is_file()), None)
    return AttributeTable(path) if path else None


class Celeba(FolderSource):
    """CelebA's photos."""

    scheme = "celeba"
    layout = "img_align_celeba/000001.jpg (or img_celeba/…), and list_attr_celeba.txt"

    def __init__(self, options: CelebaOptions) -> None:
        self.options = options

    def photos(self, root: Path) -> Iterator[str]:
        """Photos of the chosen variant and split."""
        folder = "img_align_celeba" if self.options.variant == "aligned" else "img_celeba"
        wanted = self._wanted(root)
        for name in images_below(root, folder):
            if wanted is None or Path(name).name in wanted:
                yield name

    def _wanted(self, root: Path) -> frozenset[str] | None:
        if self.options.split == "all":
            return None
        number = SPLITS[self.options.split]
        for name in ("list_eval_partition.txt", "list_eval_partition.csv", "Eval/list_eval_partition.txt"):
            if (root / name).is_file():
                lines = (root / name).read_text(encoding="utf-8", errors="replace").splitlines()
                rows = [re.split(r"[\s,]+", line.strip()) for line in lines]
                return frozenset(row[0] for row in rows if row[-1] == number)
        raise SourceError(f"{quoted(root)} has no list_eval_partition.txt, which says what the {self.options.split} is")

    def known(self, uri: str) -> Known:
        """The 40 attributes."""
        root, name, _ = split_uri(uri)
        table = _attributes(root, "list_attr_celeba.txt", "Anno/list_attr_celeba.txt", "list_attr_celeba.csv")
        return Known(findings=table.findings(Path(name).name) if table else ())


class CelebaMask(FolderSource):
    """CelebAMask-HQ's photos."""

    scheme = "celebamask_hq"
    layout = "CelebA-HQ-img/0.jpg and CelebAMask-HQ-attribute-anno.txt"

    def photos(self, root: Path) -> Iterator[str]:
        """Photos in the order of their numbers."""
        names = list(images_below(root, "CelebA-HQ-img"))
        yield from sorted(names, key=lambda name: (len(Path(name).stem), name))

    def known(self, uri: str) -> Known:
        """The 40 attributes."""
        root, name, _ = split_uri(uri)
        table = _attributes(root, "CelebAMask-HQ-attribute-anno.txt")
        return Known(findings=table.findings(Path(name).name) if table else ())


def build(options: CelebaOptions, runtime: Runtime) -> Celeba:  # noqa: ARG001  the form of `Component.build`
    """Build the source of CelebA."""
    return Celeba(options)


def build_mask(options: CelebaMaskOptions, runtime: Runtime) -> CelebaMask:  # noqa: ARG001
    """Build the source of CelebAMask-HQ."""
    return CelebaMask()


@hookimpl
def t2f_sources() -> Iterable[Component[Any, Source]]:
    """Declare the sources."""
    yield Component("celeba", build, CelebaOptions, provides=("celeba",), summary="CelebA, its 40 attributes as truth")
    yield Component(
        "celeba.mask_hq",
        build_mask,
        CelebaMaskOptions,
        provides=("celebamask_hq",),
        summary="CelebAMask-HQ, its 40 attributes as truth",
    )

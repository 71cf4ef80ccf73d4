"""Comparison of installed versions with the requirements of text2face and of the installed packages."""

from __future__ import annotations

import re
import tomllib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .installation import install_command

OURS = "text2face"


@dataclass(frozen=True)
class RuntimeDemand:
    """A requirement that a package checks only at run time, absent from its metadata.

    Attributes:
        pattern: Finds it in the package's `file`, as a specifier or a bare minimum version.
        harmless: Why text2face works without it; empty if the package cannot be used.
    """

    package: str
    of: str
    file: str
    pattern: str
    harmless: str = ""

    def read(self) -> Requirement | None:
        """Read the requirement from the installed package; None if its source does not state it."""
        try:
            file = Path(str(metadata.distribution(self.package).locate_file(self.file)))
            found = re.search(self.pattern, file.read_text(encoding="utf-8"), re.MULTILINE)
        except (metadata.PackageNotFoundError, OSError):
            return None
        return Requirement(self.of + (found[1] if found[1][0] in "<>=!~" else f">={found[1]}")) if found else None


# Read from their source text: importing these packages takes seconds, and fails where versions do not fit.
RUNTIME_DEMANDS = (
    RuntimeDemand(
        "transformers",
        "peft",
        "transformers/integrations/peft.py",
        r'^MIN_PEFT_VERSION = "([\w.]+)"',
        "for its own adapters, which text2face does not use",
    ),
    RuntimeDemand(
        "diffusers",
        "peft",
        "diffusers/utils/constants.py",
        r'^MIN_PEFT_VERSION = "([\w.]+)"',
        "for LoRA files in its own pipelines, which text2face does not use",
    ),
    RuntimeDemand(
        "transformers",
        "accelerate",
        "transformers/dependency_versions_table.py",
        r'^\s*"accelerate": "accelerate([\w.,<>=!~]+)"',
    ),
)


@dataclass(frozen=True)
class Report:
    """Version conflicts: problems with the command that fixes each, and notes on harmless conflicts."""

    problems: list[str]
    notes: list[str]


def declared(place: Path) -> Iterator[tuple[str, Requirement]]:
    """List the requirements of text2face, each with its extra, "" for those that every installation needs.

    place: a module of text2face_core; its checkout takes precedence over the installed distribution.
    """
    checkout = place.resolve().parent.parent.parent / "pyproject.toml"
    project = tomllib.loads(checkout.read_text(encoding="utf-8"))["project"] if checkout.is_file() else {}
    if project.get("name") == OURS:
        yield from (("", Requirement(text)) for text in project["dependencies"])
        for extra, texts in project.get("optional-dependencies", {}).items():
            yield from ((extra, Requirement(text)) for text in texts)
        return
    extras = metadata.metadata(OURS).get_all("Provides-Extra") or []
    for text in metadata.requires(OURS) or []:
        requirement = Requirement(text)
        marker, requirement.marker = requirement.marker, None
        if marker is None or marker.evaluate({"extra": ""}):
            yield "", requirement
        else:
            yield from ((extra, requirement) for extra in extras if marker.evaluate({"extra": extra}))


def requirements_of_extras(distribution: str = OURS) -> dict[str, list[Requirement]]:
    """Return the requirements of each extra of a distribution on this machine; for text2face even if not installed."""
    found: dict[str, list[Requirement]] = {}
    if canonicalize_name(distribution) == OURS:
        for extra, requirement in declared(Path(__file__)):
            found.setdefault(extra, []).append(requirement)
        return {extra: requirements for extra, requirements in found.items() if extra}
    try:
        installed = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:  # registered by a program, or not installed
        return found
    for extra in installed.metadata.get_all("Provides-Extra") or []:
        parsed = map(Requirement, installed.requires or ())
        found[extra] = [
            one
            for one in parsed
            if one.marker is not None
            and not one.marker.evaluate({"extra": ""})
            and one.marker.evaluate({"extra": extra})
        ]
    return found


def missing_packages(extra: str, distribution: str = OURS, *, is_here: Callable[[str], bool]) -> tuple[str, ...]:
    """List packages of an extra, and of the extras it includes, that are not installed.

    Args:
        extra: The extra's name.
        distribution: The distribution that has it.
        is_here: Called for a package without metadata; returns whether it can be imported all the same.
    """
    known = requirements_of_extras(distribution)
    left, found = [extra], dict[str, None]()
    seen: set[str] = set()
    while left:
        name = left.pop()
        seen.add(name)
        for one in known.get(name, ()):
            if canonicalize_name(one.name) == canonicalize_name(distribution):
                left += sorted(one.extras - seen)
            elif _is_missing(one.name) and not is_here(one.name):
                found[one.name] = None
    return tuple(found)


def extras_that_cover(extras: Iterable[str], distribution: str = OURS) -> tuple[str, ...]:
    """Replace extras by a single extra that includes them and little else, if it exists; else return each once.

    "paper" replaces its six models; but not two of them, because it would add vLLM as well.
    """
    wanted = dict.fromkeys(extras)
    if len(wanted) < 2:
        return tuple(wanted)
    known = requirements_of_extras(distribution)
    bundles = {
        name: {extra for one in requirements if canonicalize_name(one.name) == distribution for extra in one.extras}
        for name, requirements in known.items()
    }
    covering = [name for name, inner in bundles.items() if wanted.keys() <= inner and len(wanted) > len(inner) / 2]
    return (min(covering, key=lambda name: len(bundles[name])),) if covering else tuple(wanted)


def _is_missing(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return True
    return False


class Installed:
    """The installed packages; the metadata of each are read once."""

    def __init__(self) -> None:
        self._versions: dict[str, str | None] = {}
        self._required: dict[tuple[str, frozenset[str]], list[Requirement]] = {}

    def version(self, package: str) -> str | None:
        """Return the installed version; None if the package is missing."""
        name = canonicalize_name(package)
        if name not in self._versions:
            try:
                self._versions[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                self._versions[name] = None
        return self._versions[name]

    def meets(self, requirement: Requirement) -> bool:
        """Whether a matching version is installed; for a URL, any version."""
        version = self.version(requirement.name)
        return version is not None and requirement.specifier.contains(version, prereleases=True)

    def required_by(self, package: str, extras: Iterable[str] = ()) -> list[Requirement]:
        """List the requirements in an installed package's metadata for this machine, with those of the given extras."""
        key = canonicalize_name(package), frozenset(extras)
        if key not in self._required:
            parsed = map(Requirement, metadata.requires(package) or ())
            self._required[key] = [
                one
                for one in parsed
                if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *key[1]))
            ]
        return self._required[key]

    def compare(self, requirements: Sequence[Requirement], install: str, *, optional: bool = False) -> Report:
        """Check requirements of text2face, and the requirements of the packages that meet them.

        Args:
            requirements: The requirements to check.
            install: The command that installs the distribution; a fix adds a package to it, so that pip keeps all
                versions in range.
            optional: Whether packages that only text2face requires may be missing.
        """
        problems: dict[str, None] = {}
        checked: set[tuple[str, str, frozenset[str]]] = set()
        waiting = deque((OURS, one) for one in requirements)
        while waiting:
            owner, requirement = waiting.popleft()
            name = canonicalize_name(requirement.name)
            wanted = name, str(requirement.specifier), frozenset(requirement.extras)
            if wanted in checked:
                continue
            checked.add(wanted)
            version = self.version(name)
            if not self.meets(requirement) and (version or owner != OURS or not optional):
                problems[self._problem(owner, requirement, install)] = None
            if version:
                waiting += ((f"{name} {version}", one) for one in self.required_by(name, requirement.extras))
        notes = []
        reached = {name for name, _, _ in checked}
        for demand in RUNTIME_DEMANDS:
            needed = demand.read() if {demand.package, demand.of} <= reached else None
            if not needed or not (version := self.version(demand.of)) or self.meets(needed):
                continue
            owner = f"{demand.package} {self.version(demand.package)}"
            if demand.harmless:
                notes.append(f"{owner} needs {needed} {demand.harmless} ({version} is installed)")
            else:
                problems[self._problem(owner, needed, install)] = None
        return Report(list(problems), notes)

    def _problem(self, owner: str, requirement: Requirement, install: str) -> str:
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
        version = self.version(requirement.name)
        has = f"{version} is installed" if version else "it is not installed"
        needed = f"{requirement.name}{extras}{requirement.specifier}"
        command = "pip install" if owner == OURS and install == install_command() else install
        return f"{owner} needs {needed}, but {has}: {command} '{needed}'"

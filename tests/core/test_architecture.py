"""The architecture: which files there are, and who may import whom."""

import ast
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from support.paths import ROOT

import text2face_core

CORE = ROOT / "text2face_core"
PLUGINS = ROOT / "plugins"

ROOT_FILES = {
    "__init__.py", "__init__.pyi", "__main__.py", "_version.py", "py.typed",
    "components.py", "metrics.py", "generators.py", "contracts.py", "errors.py", "hookspecs.py",
    "provenance.py", "recipe.py", "sections.py", "records.py",
}  # fmt: skip
PACKAGES = {
    "cli", "dataset", "engines", "evaluation", "generation", "images", "language", "library", "models", "pipeline",
    "plugins", "report", "run", "sources", "stats", "training", "trust", "utils",
}  # fmt: skip
DOORS_FOR_PLUGINS = {"contracts", "dataset", "errors", "images", "language", "models", "records", "training", "utils"}

PUBLIC = {
    "AnalysisRow", "Artifact", "BadPhoto", "Bag", "Caption", "CaptionRow", "CaptionedDataset", "Component",
    "Detector", "Embedder", "Evaluation", "Extractor", "Face", "Filter", "Finding", "Fuser", "FusionRequest",
    "GenerationRequest", "HubFile", "ImageGenerator", "LandmarkCrop", "Measure", "Metric", "NpmMember", "Options",
    "Photo", "PhotoRef", "Plugins", "Portrait", "Recipe", "Rejection", "Renderer", "RunDirectory", "Runtime", "Source",
    "SourceError", "Text2FaceError", "TrainedModel", "Trainer", "Url", "WheelMember", "__version__",
    "caption_again", "caption_photos", "check_captions", "collect_stats", "compare", "diagnose", "evaluate",
    "export", "generate", "hookimpl", "sweep", "train", "write_report",
}  # fmt: skip
"""What `text2face_core` promises to anybody who imports it: a name leaves only after a release that warns."""

# What plugins still import besides doors, and what is to go: (plugin, what it imports).
STILL_IMPORTED: set[tuple[str, str]] = set()


# Likewise for the core: (file, the module that it takes around a door).
STILL_AROUND_DOORS: set[tuple[str, str]] = set()


class Import(NamedTuple):
    """One imported module, and where it is imported; `name` is what is taken from it, if anything."""

    path: Path
    line: int
    module: str
    name: str | None
    typing_only: bool
    at_import: bool

    @property
    def where(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.module} {self.name or ''}".rstrip()


def dotted(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_below(folder: Path) -> tuple[Import, ...]:
    return tuple(found for path in sorted(folder.rglob("*.py")) for found in imports_of(path, folder.parent))


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = dotted(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    for node, typing_only, at_import in walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, alias.name, None, typing_only, at_import)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(path, node.lineno, module, alias.name, typing_only, at_import)


def walk(node: ast.AST, *, typing_only: bool = False, at_import: bool = True) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Each node; whether only type checkers read it, and whether importing the module executes it."""
    yield node, typing_only, at_import
    inner = at_import and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    guarded = isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child, typing_only=typing_only or (guarded and name == "body"), at_import=inner)


def package_of(module: str) -> str:
    """The package that a module of the core is in, or the module itself where it lies in the root."""
    return module.split(".")[1] if "." in module else ""


def target_of(one: Import) -> str:
    """The module that an import reaches: `from .run import tables` reaches run.tables."""
    inner = f"{one.module}.{one.name}"
    return inner if one.name and is_module(inner) else one.module


@cache
def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def core_imports() -> list[Import]:
    return [one for one in imports_below(CORE) if one.module.split(".")[0] == "text2face_core"]


def plugin_folders() -> list[Path]:
    return [path for path in sorted(PLUGINS.iterdir()) if (path / "__init__.py").is_file()]


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """Every circle once, as "a -> b -> a"."""
    found: dict[frozenset[str], str] = {}

    def follow(path: list[str]) -> None:
        for target in sorted(arrows.get(path[-1], ())):
            if target in path:
                circle = path[path.index(target) :]
                found.setdefault(frozenset(circle), " -> ".join([*circle, target]))
            elif target not in done:
                follow([*path, target])
        done.add(path[-1])

    done: set[str] = set()
    for start in sorted(arrows):
        if start not in done:
            follow([start])
    return sorted(found.values())


def test_the_root_of_the_core_holds_the_nouns_of_the_contract_and_packages():
    entries = {path.name for path in CORE.iterdir() if path.name != "__pycache__"}
    folders = {name for name in entries if (CORE / name).is_dir()} - {"templates"}
    assert entries - folders - {"templates"} == ROOT_FILES
    assert folders == PACKAGES


@pytest.mark.parametrize("package", [CORE, *plugin_folders()], ids=lambda path: path.name)
def test_a_package_of_the_core_is_entered_by_its_door_only(package):
    around = {
        (one.path.relative_to(ROOT).as_posix(), target): one.where
        for one in imports_below(package)
        if (target := target_of(one)).startswith("text2face_core.")
        and target.count(".") > 1
        # Inside of a package its files import one another; a package within a package has a door of its own.
        and package_of(target) != package_of(dotted(one.path, package.parent) if package == CORE else "")
        and not (CORE / target.split(".", 1)[1].replace(".", "/") / "__init__.py").is_file()
    }
    exceptions = {pair for pair in STILL_AROUND_DOORS if pair[0].startswith(f"{package.name}/")}
    assert {where for pair, where in around.items() if pair not in exceptions} == set()
    assert set(around) >= exceptions, "an exception is no longer needed: take it from the list"


def test_plugins_import_only_the_doors_that_are_for_them_and_never_each_other():
    names = {path.name for path in plugin_folders()}
    found = {}
    for folder in plugin_folders():
        for one in imports_below(folder):
            first = one.module.split(".")[0]
            if first in names - {folder.name}:
                found[folder.name, first] = one.where
            elif first == "text2face_core" and (inside := package_of(target_of(one))) not in DOORS_FOR_PLUGINS | {""}:
                found[folder.name, f"text2face_core.{inside}"] = one.where
    assert {where for pair, where in found.items() if pair not in STILL_IMPORTED} == set()
    assert set(found) >= STILL_IMPORTED, "an exception is no longer needed: take it from the list"


def test_the_core_imports_no_plugin():
    names = {path.name for path in plugin_folders()}
    assert [one.where for one in imports_below(CORE) if one.module.split(".")[0] in names] == []


def test_no_packages_of_the_core_import_each_other_in_a_circle():
    arrows: dict[str, set[str]] = defaultdict(set)
    for one in core_imports():
        here, there = package_of(dotted(one.path, ROOT)), package_of(target_of(one))
        if not one.typing_only and here and there and here != there:
            arrows[here].add(there)
    assert len(arrows) > 10
    assert circles(arrows) == []


@pytest.mark.parametrize("package", [CORE, *plugin_folders()], ids=lambda path: path.name)
def test_no_modules_import_each_other_in_a_circle(package):
    arrows: dict[str, set[str]] = defaultdict(set)
    for one in imports_below(package):
        here, there = dotted(one.path, package.parent), target_of_in(package, one)
        if one.at_import and not one.typing_only and there.startswith(package.name) and here != there:
            arrows[here].add(there)
    assert circles(arrows) == []


def target_of_in(package: Path, one: Import) -> str:
    inner = package.parent.joinpath(*one.module.split("."), one.name or "")
    known = one.name and (inner.with_suffix(".py").is_file() or (inner / "__init__.py").is_file())
    return f"{one.module}.{one.name}" if known else one.module


def test_the_check_for_circles_finds_them():
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": set()}) == ["a -> b -> c -> a"]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []


STUBS = sorted(dotted(path, ROOT) for path in CORE.rglob("__init__.pyi"))


@pytest.mark.parametrize("package", STUBS)
def test_every_name_at_a_door_can_be_had(package):
    if package == "text2face_core.training":
        pytest.importorskip("torch")
    door = importlib.import_module(package)
    stub = ROOT.joinpath(*package.split("."), "__init__.pyi")
    listed = {
        alias.asname or alias.name
        for node in ast.walk(ast.parse(stub.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for name in listed:
        assert getattr(door, name) is not None, name
    assert {name for name in door.__all__ if not hasattr(door, name)} == set()


def test_the_public_names_are_the_promised_ones():
    assert set(text2face_core.__all__) == PUBLIC


def test_no_module_is_hidden_by_a_name_of_its_own():
    """`models.network` would be the file to some and the function to others, by what was imported first."""
    hidden = []
    for package in STUBS:
        door = importlib.import_module(package)
        modules = {info.name for info in pkgutil.iter_modules(door.__path__)}
        hidden += [f"{package}.{name}" for name in sorted(modules & set(door.__all__))]
    assert hidden == []


def test_the_slow_tests_that_are_listed_exist():
    listed = [line.partition("::") for line in (ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").split()]
    assert len(listed) > 100
    for path, _, name in listed:
        assert f"def {name.rpartition('::')[2]}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"

"""Fixtures that several test files share."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from support import toys
from support.paths import ROOT
from support.stores import store_with

from text2face_core import Plugins, Recipe
from text2face_core.language.tokens import MERGES
from text2face_core.models.store import ModelStore

SLOW = frozenset((ROOT / "tests" / "slow.txt").read_text(encoding="utf-8").split())
"""Tests that take more than a quarter of a second each."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow tests, which `nox -s quick` leaves out."""
    for item in items:
        if item.nodeid.partition("[")[0] in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _as_from_the_start(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("T2F_CONFIG", str(tmp_path_factory.mktemp("config")))  # nothing was allowed before
    for name in ("T2F_LOAD_PLUGINS", "T2F_TRACE", "T2F_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for whisperer in ("", "httpx2", "httpcore2"):  # an earlier test, or what it loaded, may have turned them up
        logging.getLogger(whisperer).setLevel(logging.WARNING)
    for name in [name for name in logging.root.manager.loggerDict if name.startswith(("text2face_core", "t2f_"))]:
        logger = logging.getLogger(name)  # a test that ran `t2f` left it with handlers
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


@pytest.fixture
def toy_plugins() -> Plugins:
    plugins = Plugins.load(builtin_only=True)
    plugins.register("toy", sys.modules[toys.__name__])
    return plugins


@pytest.fixture
def toy_recipe() -> Recipe:
    """Of toys alone: no length limit, which needs the tokenizer's file, and no fallback where an echo is not clean."""
    captions = {"max_tokens": 0, "fallback": "", "check": False}
    return Recipe(detector="toy", filters=("toy.left",), extractors=("toy.shade",), fuser="toy.echo", captions=captions)


@pytest.fixture
def toy_photos(tmp_path) -> Path:
    """Ten photos: seven usable, one without a face, one with two, one that is not an image; and one on the right."""
    folder = tmp_path / "photos"
    for number in range(7):
        toys.draw_photo(folder / f"good {number}.png", age=20 + number)
    toys.draw_photo(folder / "empty.png", faces=[])
    toys.draw_photo(folder / "two.png", faces=[(10, 10, 50), (150, 10, 50)])
    toys.draw_photo(folder / "right.png", faces=[(150, 40, 60)])
    (folder / "text.jpg").write_text("this is not an image")
    return folder


@pytest.fixture(scope="session")
def starter_models() -> ModelStore:
    """The starter recipe's model files; skips where they cannot be had."""
    return store_with(Recipe.load("starter").resolve(Plugins.load(builtin_only=True)).artifacts().values())


@pytest.fixture(scope="session")
def tokenizer_store() -> ModelStore:
    """CLIP's list of merges; skips where it cannot be had."""
    return store_with([MERGES])


@pytest.fixture(scope="session")
def example_photos() -> Path:
    """A dozen synthetic portraits."""
    return ROOT / "examples" / "photos"

"""What a recipe's options reach, with markers and without."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from pydantic import AnyUrl, BaseModel, Field

from text2face_core import Component, Options, Plugins, Recipe, hookimpl
from text2face_core.trust import Reach, find_reaches


class Inner(BaseModel):
    endpoint: str = ""
    depth: int = 1


class PlainOptions(Options):
    """As the author of a plugin writes them who has never heard of markers."""

    place: Path | None = None
    server: AnyUrl | None = None
    weights: str = ""
    token_env: str = ""
    note: str = ""
    mode: Literal["a/b", "c/d"] = "a/b"
    inner: Inner = Inner()
    several: tuple[str, ...] = ()
    table: dict[str, Any] = Field({})
    default_file: str = "/etc/hostname"
    harmless: str = Field("", json_schema_extra={"reaches": "nothing"})
    lookup: str = Field("", json_schema_extra={"reaches": "variable", "allowed": ["PLAIN_WORD"]})
    template: str = Field("", json_schema_extra={"reaches": "prompt"})


class Plain:
    @hookimpl
    def t2f_extractors(self):
        yield Component("plain", lambda options, runtime: SimpleNamespace(), PlainOptions)


@pytest.fixture
def reached():
    plugins = Plugins.load(builtin_only=True)
    plugins.register("plain", Plain())

    def find(**options: Any) -> set[tuple[str, str, str]]:
        recipe = Recipe(detector="yunet", extractors=("plain",), fuser="phrasebook", plugins={"plain": options})
        return {(one.option, one.kind, one.value) for one in find_reaches(recipe, plugins)}

    return find


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("place", "/data/x", "file"),  # by its type
        ("server", "http://host/", "server"),
        ("weights", "imagenet.pt", "file"),  # by its name
        ("token_env", "AWS_SECRET_ACCESS_KEY", "variable"),
        ("note", "https://host/x", "server"),  # by its value
        ("note", "/etc/passwd", "file"),
        ("note", "../x", "file"),
        ("note", "C:\\keys\\x", "file"),
        ("note", "owner/name", "model"),
        ("note", "a text about cats/dogs and more", None),
        ("note", "plain", None),
        ("note", "x" * 100_000, None),  # longer than any file name
        ("note", "nul\0", None),
        ("mode", "c/d", None),  # one of the plugin's own words
        ("default_file", "/etc/hostname", None),  # the author's own choice
        ("harmless", "/etc/passwd", None),  # by its marker
        ("template", "paper", None),  # a built-in prompt
        ("template", "../paper", "file"),
        ("several", ["plain", "http://host"], "server"),
        ("table", {"deep": [{"deeper": "/etc/passwd"}]}, "file"),
        ("unknown", "/etc/passwd", "file"),  # the plugin will refuse it; nothing is read before
    ],
)
def test_an_option_reaches_what_its_marker_type_name_or_value_says(reached, option, value, kind):
    assert {found[1] for found in reached(**{option: value})} == ({kind} if kind else set())


def test_options_of_options_are_judged_as_well(reached):
    assert reached(inner={"endpoint": "host", "depth": 2}) == {("inner.endpoint", "server", "host")}


def test_the_name_of_a_file_that_exists_counts_whatever_the_option_is_called(reached, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert reached(note="secret") == set()
    (tmp_path / "secret").touch()
    assert reached(note="secret") == {("note", "file", str(tmp_path / "secret"))}


def test_a_variable_is_forbidden_unless_the_plugin_lists_it_or_its_name_says_that_it_is_a_key():
    plugins = Plugins.load(builtin_only=True)
    plugins.register("plain", Plain())
    options = {"token_env": "AWS_SECRET_ACCESS_KEY", "lookup": "PLAIN_WORD"}
    recipe = Recipe(detector="yunet", extractors=("plain",), fuser="phrasebook", plugins={"plain": options})
    assert {(one.value, one.forbidden) for one in find_reaches(recipe, plugins)} == {
        ("AWS_SECRET_ACCESS_KEY", True),
        ("PLAIN_WORD", False),
    }


def test_the_key_that_a_server_gets_by_default_is_shown_with_the_server():
    recipe = Recipe(
        detector="yunet", fuser="openai", plugins={"openai": {"base_url": "http://host/v1", "cache": "off"}}
    )
    assert find_reaches(recipe, Plugins.load(builtin_only=True)) == {
        Reach("openai", "base_url", "server", "http://host/v1"),
        Reach("openai", "key_env", "variable", "OPENAI_API_KEY"),
    }


@pytest.mark.parametrize("name", ["starter", "paper", "recap"])
def test_what_ships_is_no_stranger(name):
    assert Recipe.file_of(name) is None


def test_a_file_named_like_a_recipe_that_ships_does_not_take_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "starter").write_text('detector = "evil"\nfuser = "evil"\n')
    assert Recipe.load("starter").detector == "yunet"
    assert Recipe.file_of("./starter") == Path("starter")


@pytest.mark.parametrize("setting", ["graders", "metrics"])
def test_graders_and_metrics_of_an_evaluation_are_looked_at_too(setting):
    class Measuring:
        @hookimpl
        def t2f_extractors(self):
            yield Component("plain", lambda options, runtime: SimpleNamespace(), PlainOptions)

        @hookimpl
        def t2f_metrics(self):
            yield Component("plain", lambda options, runtime: SimpleNamespace(), PlainOptions)

    plugins = Plugins.load(builtin_only=True)
    plugins.register("plain", Measuring())
    recipe = Recipe(
        detector="yunet", extractors=("people",), fuser="phrasebook", evaluation={setting: ["plain"]},
        plugins={"plain": {"weights": "other.pt"}},
    )  # fmt: skip
    assert ("weights", "file", str(Path("other.pt").absolute())) in {
        (one.option, one.kind, one.value) for one in find_reaches(recipe, plugins)
    }


def test_places_of_photos_and_private_hosts_are_reached():
    plugins = Plugins.load(builtin_only=True)
    written = {**Recipe.load("starter").model_dump(), "sources": [{"place": "https://example.org/list.txt"}]}
    written["plugins"] = {"urls": {"private_hosts": ["localhost"], "tries": 3}}
    found = {(one.name, one.kind, one.value) for one in find_reaches(Recipe.parse(written, "a test"), plugins)}
    assert ("sources.place", "server", "https://example.org/list.txt") in found
    assert ("urls.private_hosts", "server", "localhost") in found

"""`t2f models`, as typed, with a plugin that is installed the way anybody's is: through an entry point."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.distributions import add_distribution
from support.model_server import BODY, SHA, Server, serving

from text2face_core.cli import main

PLUGIN = """
from text2face_core import Component, hookimpl
from text2face_core.models import Artifact, Url

FREE = Artifact("free.onnx", (Url("{url}good"),), "CC0-1.0", "{sha256}", {size}, note="trained on nothing much")
PAID = Artifact("research.onnx", (Url("{url}good"),), "Research only", "{sha256}", {size}, non_commercial=True)
GONE = Artifact("gone.onnx", (Url("{url}missing"),), "MIT", "{sha256}", {size})

@hookimpl
def t2f_detectors():
    yield Component("acme", build=None, artifacts=(FREE,))

@hookimpl
def t2f_extractors():
    yield Component("acme.hats", build=None, artifacts=(FREE, PAID))
    yield Component("acme.lost", build=None, artifacts=(GONE,))

@hookimpl
def t2f_fusers():
    yield Component("acme.words", build=None)
"""


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a distribution with one plugin where Python finds it."""
    installed = []

    def install(name: str, code: str) -> None:
        site = tmp_path / "site" / name
        add_distribution(site, f"{name}-dist", f"{name} = {name}_plugin")
        (site / f"{name}_plugin.py").write_text(code)
        monkeypatch.syspath_prepend(str(site))
        installed.append(f"{name}_plugin")

    yield install
    for module in installed:
        sys.modules.pop(module, None)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: Server, install: Callable[..., None]) -> Path:
    """The folder of model files; a plugin "acme" that needs three of them is installed."""
    install("acme", PLUGIN.format(url=server.url(""), sha256=SHA, size=len(BODY)))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("T2F_MODELS", str(tmp_path / "store"))
    return tmp_path / "store"


def files_of(capsys, plugin):
    """The model files of a plugin from outside, which `models list` does not import."""
    assert main(["plugins", "show", plugin, "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["components"]
    return {file["name"]: file for part in parts for file in part["artifacts"]}


def test_the_list_names_plugins_from_outside_and_leaves_them_alone(store, capsys):
    assert main(["models", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["face_detection_yunet_2023mar.onnx"]["used_by"] == ["yunet"]
    assert "free.onnx" not in rows
    assert main(["models", "list"]) == 0
    assert "t2f plugins show acme" in capsys.readouterr().err


def test_a_plugin_is_shown_with_everything_about_every_file(store, capsys):
    rows = files_of(capsys, "acme")
    assert len(rows["free.onnx"].pop("sources")) == 1
    assert rows["free.onnx"] == {
        "name": "free.onnx",
        "size": len(BODY),
        "approximate_size": None,
        "shown_size": "512.0 kB",
        "licence": "CC0-1.0",
        "licence_url": "",
        "non_commercial": False,
        "sha256": SHA,
        "note": "trained on nothing much",
        "present": False,
        "path": str(store / "free.onnx"),
    }
    assert rows["research.onnx"]["non_commercial"] is True
    assert main(["models", "pull", "free.onnx"]) == 0
    capsys.readouterr()
    present = {name: row["present"] for name, row in files_of(capsys, "acme").items()}
    assert (present["free.onnx"], present["research.onnx"]) == (True, False)


def test_the_file_by_which_captions_are_measured_is_listed_and_can_be_pulled_by_what_it_is_for(
    store, capsys, monkeypatch
):
    monkeypatch.setenv("T2F_OFFLINE", "1")
    main(["models", "list", "--json"])
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["used_by"] == ["captions"])
    assert (row["name"], row["licence"], row["present"]) == ("bpe_simple_vocab_16e6.txt.gz", "MIT", False)
    assert main(["models", "pull", "captions"]) == 2
    assert "t2f models pull bpe_simple_vocab_16e6.txt.gz" in capsys.readouterr().err


def test_the_table_shows_licence_and_users(store, capsys):
    assert main(["models", "list"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "insightface_det_10g.onnx" in line)
    for part in ("MB", "non-commercial", "insightface", "no"):
        assert part in line


@pytest.mark.parametrize("name", ["free.onnx", "acme"])
def test_pull_takes_names_of_files_and_of_components(store, server, capsys, name):
    main(["models", "pull", name, "--accept-licence", "research only"])
    out, err = capsys.readouterr()
    assert str(store / "free.onnx") in out.splitlines()
    assert "fetching free.onnx (512.0 kB, licence CC0-1.0) from http://127.0.0.1" in err
    assert "fetching" not in out
    assert (store / "free.onnx").read_bytes() == BODY
    assert (store / "research.onnx").exists() == (name == "acme")


def test_pull_fetches_what_a_recipe_needs_and_no_more(store, tmp_path, capsys):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('detector = "acme"\nfuser = "acme.words"\n[captions]\nmax_tokens = 0\n')
    assert main(["models", "pull", "--trust", "--recipe", str(recipe)]) == 0
    assert capsys.readouterr().out == f"{store / 'free.onnx'}\n"


def test_pull_does_what_it_can_and_then_says_everything_that_failed(store, capsys):
    assert main(["models", "pull", "acme.hats", "acme.lost"]) == 2
    out, err = capsys.readouterr()
    assert out == f"{store / 'free.onnx'}\n"
    assert "--accept-licence research.onnx" in err
    assert "missing: HTTP 404" in err
    assert f"Put it at {store / 'gone.onnx'}" in err


def test_a_licence_is_accepted_once(store, capsys):
    assert main(["models", "pull", "research.onnx"]) == 2
    assert main(["models", "pull", "research.onnx", "--accept-licence", "research.onnx"]) == 0
    (store / "research.onnx").unlink()
    assert main(["models", "pull", "research.onnx"]) == 0


def test_path_prints_where_a_file_lies_and_fetches_nothing(store, server, capsys):
    assert main(["models", "path", "free.onnx"]) == 2
    assert capsys.readouterr().err.endswith("is not here. Fetch it with: t2f models pull free.onnx\n")
    store.mkdir()
    (store / "free.onnx").write_bytes(BODY)
    assert main(["models", "path", "free.onnx"]) == 0
    assert capsys.readouterr().out == f"{store / 'free.onnx'}\n"
    assert server.requests == []


def test_verify_reads_files_whole(store, capsys):
    assert main(["models", "pull", "free.onnx"]) == 0
    capsys.readouterr()
    assert main(["models", "verify"]) == 0
    assert f"good     free.onnx  {SHA}\n" in capsys.readouterr().out
    (store / "free.onnx").write_bytes(BODY[:-1] + b"?")
    assert main(["models", "verify"]) == 2
    out, err = capsys.readouterr()
    assert "wrong    free.onnx" in out
    assert f"{store / 'free.onnx'} is not free.onnx: its sha256 is" in err


def test_verify_of_a_named_file_that_is_missing_fails(store, capsys):
    assert main(["models", "verify", "free.onnx"]) == 2
    out, err = capsys.readouterr()
    assert out == "missing  free.onnx\n"
    assert "t2f models pull free.onnx" in err


@pytest.mark.parametrize("verb", ["pull", "path", "verify"])
def test_an_unknown_name_is_met_with_the_nearest_known_one(store, capsys, verb):
    assert main(["models", verb, "fre.onnx"]) == 2
    assert 'called "fre.onnx". Did you mean "free.onnx"? All names: t2f models list' in capsys.readouterr().err


def test_pull_of_nothing_says_what_can_be_asked_for(store, capsys):
    assert main(["models", "pull"]) == 2
    assert "--recipe NAME, or --all" in capsys.readouterr().err


def test_two_plugins_that_mean_different_files_by_one_name_are_named(store, install, capsys):
    other = """
from text2face_core import Component, hookimpl
from text2face_core.models import Artifact

@hookimpl
def t2f_detectors():
    yield Component("rival", build=None, artifacts=(Artifact("free.onnx", (), "MIT", "0" * 64),))
"""
    install("rival", other)
    assert main(["models", "verify"]) == 2
    assert "acme and rival both declare a model file free.onnx, but differently" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["list", "pull", "path", "verify"])
def test_every_verb_explains_itself(capsys, verb):
    assert main(["models", verb, "--help"]) == 0
    assert "Usage: t2f models" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["acme", "acme.hats", "free.onnx"])
def test_path_finds_files_by_plugin_and_by_component(store, capsys, name):
    assert main(["models", "pull", "free.onnx"]) == 0
    capsys.readouterr()
    main(["models", "path", name])
    assert str(store / "free.onnx") in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("arguments", [["models", "pull", "free.onnx"], ["run", "photos"]])
def test_a_licence_of_no_model_file_is_refused_with_the_nearest_name(store, capsys, arguments):
    assert main([*arguments, "--accept-licence", "fre.onnx"]) == 2
    said = capsys.readouterr().err
    assert '"fre.onnx"' in said
    assert 'Did you mean "free.onnx"' in said

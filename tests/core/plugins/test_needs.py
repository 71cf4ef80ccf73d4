"""What a recipe lacks is listed at once, before any work begins."""

import re
import socket

import pytest
from support import toys

from text2face_core import Component, Recipe, hookimpl
from text2face_core.errors import ArtifactError, FuserError, MissingExtra
from text2face_core.library import caption_photos
from text2face_core.models import Artifact, ModelStore, Url
from text2face_core.plugins import needs, needs_of, require
from text2face_core.utils import extras_that_cover, missing_packages

FILE = Artifact("big.bin", (Url("https://example.org/big.bin"),), "MIT", approximate_size=2_500_000)
FACES = Artifact("faces.bin", (Url("https://example.org/f"),), "research-only", size=500_000, non_commercial=True)


class Wants:
    """A plugin whose fuser needs what a test says; it notes whether it was built."""

    def __init__(self, **wanted):
        self.built = False
        self.wanted = wanted

    def build(self, options, runtime):
        self.built = True
        return toys.EchoFuser()

    @hookimpl
    def t2f_fusers(self):
        yield Component("wants", self.build, **self.wanted)


@pytest.fixture
def resolve(toy_plugins, toy_recipe):
    def resolved(distribution="text2face", **wanted) -> tuple:
        toy_plugins.register("wants", Wants(**wanted), distribution)
        return toy_recipe.model_copy(update={"fuser": "wants"}).resolve(toy_plugins)

    return resolved


@pytest.fixture
def without_vllm(monkeypatch):
    monkeypatch.setattr(needs, "_can_be_imported", lambda package: False)
    monkeypatch.setattr(needs, "has_gpu", lambda: False)


@pytest.fixture
def store(tmp_path) -> ModelStore:
    return ModelStore(tmp_path / "models", offline=False)


def test_everything_is_listed_at_once(resolve, store, without_vllm):
    resolved = resolve(
        extra="vicuna", artifacts=(FILE, FACES), gpu="28 GB of memory", unreachable=lambda options: "never asked"
    )
    with pytest.raises(MissingExtra) as error:
        require(resolved, store)
    message = str(error.value)
    assert re.search(r"wants \(vllm\): .*pip install .*\[vicuna\]'", message)
    assert "2 model file(s), about 3.0 MB" in message
    assert "28 GB of memory" in message
    assert "--accept-licence research-only" in message
    assert "never asked" not in message  # a client that is not installed cannot ask its server


def test_what_can_be_fetched_and_a_gpu_stop_nothing(resolve, store, without_vllm):
    found = require(resolve(artifacts=(FILE,), gpu="28 GB"), store)
    assert [artifact.name for artifact in found.files] == ["big.bin"]
    assert found.gpus == {"wants": "28 GB"}
    assert not (store.folder).exists()


@pytest.mark.parametrize(
    ("wanted", "store_options", "kind", "fact"),
    [
        ({"artifacts": (FILE,)}, {"offline": True}, ArtifactError, "big.bin"),
        ({"artifacts": (FACES,)}, {}, ArtifactError, "--accept-licence research-only"),
        ({"unreachable": lambda options: "the server at http://x"}, {}, FuserError, "the server at http://x"),
    ],
)
def test_what_would_stop_a_run_later_stops_it_before_it_begins(resolve, tmp_path, wanted, store_options, kind, fact):
    with pytest.raises(kind, match=re.escape(fact)):
        require(resolve(**wanted), ModelStore(tmp_path, **{"offline": False, **store_options}))


@pytest.mark.parametrize("name", ["research-only", "Research-Only", "faces.bin"])
def test_a_licence_may_be_accepted_under_either_name(resolve, tmp_path, name):
    assert require(resolve(artifacts=(FACES,)), ModelStore(tmp_path, offline=False, accept=[name])).files == (FACES,)


def test_files_that_do_not_fit_are_noticed(resolve, store, monkeypatch):
    huge = Artifact("huge.bin", (Url("https://example.org/h"),), "MIT", approximate_size=10**18)
    with pytest.raises(ArtifactError, match="do not fit"):
        require(resolve(artifacts=(huge,)), store)


def test_a_run_notices_before_the_first_photo_is_analysed(toy_plugins, toy_recipe, toy_photos, tmp_path):
    plugin = Wants(unreachable=lambda options: "the server at http://x: connection refused")
    toy_plugins.register("wants", plugin, "text2face")
    recipe = toy_recipe.model_copy(update={"fuser": "wants"})
    with pytest.raises(FuserError, match="connection refused"):
        caption_photos(toy_photos, recipe, out=tmp_path / "out", available=toy_plugins)
    assert not plugin.built
    assert not list((tmp_path / "out").glob("analysis/*.parquet"))


def test_a_run_fetches_model_files_before_it_analyses(toy_plugins, toy_recipe, toy_photos, tmp_path):
    gone = Artifact("gone.bin", (Url("http://127.0.0.1:9/gone.bin"),), "MIT")
    toy_plugins.register("wants", Wants(artifacts=(gone,)), "text2face")
    recipe = toy_recipe.model_copy(update={"fuser": "wants"})
    with pytest.raises(ArtifactError, match=re.escape("gone.bin")):
        caption_photos(
            toy_photos, recipe, out=tmp_path / "out", available=toy_plugins, models=ModelStore(tmp_path / "m")
        )
    assert not list((tmp_path / "out").glob("analysis/*.parquet"))


def test_the_server_of_a_fuser_is_tried():
    options = pytest.importorskip("t2f_llm.options")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        settings = options.ServerOptions(base_url=address)
        assert options.unreachable("openai", settings) == ""
    why = options.unreachable("openai", settings)
    assert address in why
    assert "openai.base_url" in why


def test_one_extra_stands_for_several():
    paper = ["clip", "deepface", "farl", "resmasknet", "retinaface", "vicuna"]
    assert extras_that_cover(paper) == ("paper",)
    assert extras_that_cover(["farl", "clip"]) == ("farl", "clip")  # "paper" would bring vLLM as well
    assert extras_that_cover(["farl", "bisenet"]) == ("farl", "bisenet")
    assert extras_that_cover(["farl", "farl"]) == ("farl",)
    assert extras_that_cover(["farl", "no-such-extra"]) == ("farl", "no-such-extra")


def test_packages_of_an_extra_include_those_of_the_extras_it_names(monkeypatch):
    monkeypatch.setattr("text2face_core.utils.requirements._is_missing", lambda package: package == "vllm")
    assert missing_packages("paper", is_here=lambda package: False) == ("vllm",)
    assert missing_packages("paper", is_here=lambda package: package == "vllm") == ()
    assert missing_packages("farl", is_here=lambda package: False) == ()


def test_the_paper_recipe_says_what_it_needs(toy_plugins, tmp_path):
    found = needs_of(Recipe.load("paper").resolve(toy_plugins), ModelStore(tmp_path, offline=True))
    size = needs.total_size(found.files)
    assert size.startswith("about ")
    assert size.endswith(" GB")
    assert all(artifact.planned_size is not None for artifact in found.files)

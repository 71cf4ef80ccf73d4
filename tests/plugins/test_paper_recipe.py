"""The paper's recipe through the command line: with random weights in the real files' forms, and without any."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from support import random_weights
from support.paths import ROOT

from text2face_core import Plugins, Recipe
from text2face_core.cli import main

NEEDS = ("torch", "torchvision", "onnx", "onnxscript", "facexlib", "open_clip", "safetensors")
PHOTOS = ROOT / "examples" / "photos"


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> list[str]:
    """What names the random weights. Of the two parsers, which are slow, small ones stand in."""
    for name in NEEDS:
        pytest.importorskip(name)
    named = random_weights.write_all(tmp_path_factory.mktemp("weights"), small_parsers=True)
    ours = [
        "retinaface.top_k=1",  # random weights see faces everywhere
        "retinaface.frame=false",
        "faces.min_size=0",
        "clip.real.not_real=1",  # and statues
        "clip.real.overlaid_text=1",
    ]
    return [*named, *ours]


def options(settings: list[str]) -> list[str]:
    return [part for setting in settings for part in ("--set", setting)]


@pytest.fixture
def store(tmp_path, monkeypatch) -> Path:
    """An empty model store that fetches nothing; exports to ONNX lie in it, too."""
    folder = tmp_path / "models"
    monkeypatch.setenv("T2F_MODELS", str(folder))
    monkeypatch.setenv("T2F_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_twelve_photos_go_through_the_whole_recipe(settings, store):
    """Every model's true network, but for the parsers': about two minutes of two cores, most of them for exports."""
    command = ["run", str(PHOTOS), "--out", "out", "--recipe", "paper", "--plugins", "phrasebook", "--no-report"]
    command += options([*settings, "captions.max_tokens=0"])
    assert main(command) == 0
    rows = parquet.read_table(store.parent / "out" / "analysis" / "00000.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["ok"] * 12
    seen_by = {finding["source"] for row in rows for finding in row["findings"]}
    assert {"farl.attributes", "resmasknet", "deepface", "photo"} <= seen_by
    for row in rows:
        findings = {finding["name"]: finding for finding in row["findings"]}
        assert {"age", "emotion", "attractive", "young", "blurry", "monochrome"} <= set(findings)
        assert 0 <= json.loads(findings["age"]["value"]) <= 100
        assert np.isfinite([finding["score"] for finding in row["findings"]]).all()
    lines = (store.parent / "out" / "dataset" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12
    assert all(len(json.loads(line)["text"]) == 4 for line in lines)
    assert sorted({folder.name.rpartition("-")[0] for folder in (store / "onnx").iterdir() if folder.is_dir()})


@pytest.mark.parametrize(
    ("component", "file", "places"),
    [
        ("retinaface", "retinaface_Resnet50_Final.pth", ("github.com/xinntao/facexlib", "MIT", "109.5 MB")),
        ("clip.real", "clip-ViT-B-32-laion2b_s34b_b79k.safetensors", ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "MIT")),
        ("farl.attributes", "face_attribute.farl.celeba.pt", ("github.com/FacePerceiver/facer", "MIT")),
        ("farl.parsing", "face_parsing.farl.lapa.main_ema_136500_jit191.pt", ("github.com/FacePerceiver/facer", "MIT")),
        ("resmasknet", "ResMaskNet_Z_resmasking_dropout1_rot30.pth", ("py-feat/resmasknet", "MIT", "551.6 MB")),
        ("deepface", "age_model_weights.onnx", ("github.com/serengil/deepface_models", "VGG-Face")),
    ],
)
def test_a_missing_weight_is_named_with_where_to_get_it(store, component, file, places):
    """The message of the model store, as whoever starts the recipe on a machine without a network reads it."""
    pytest.importorskip({"clip": "open_clip", "deepface": "onnxruntime"}.get(component.partition(".")[0], "torch"))
    from text2face_core import Runtime
    from text2face_core.errors import ArtifactError
    from text2face_core.models.store import ModelStore

    plugins = Plugins.load()
    (part,) = [one for one in Recipe.load("paper").resolve(plugins).parts if one.registered.name == component]
    with pytest.raises(ArtifactError) as missing:
        plugins.build(part.registered, part.options, Runtime(ModelStore()))
    for words in (file, str(store), f"t2f models pull {file}", *places):
        assert words in str(missing.value)


def test_a_run_without_weights_ends_with_that_message(store, capsys):
    pytest.importorskip("facexlib")
    assert main(["run", str(PHOTOS), "--out", "out", "--recipe", "paper", "--plugins", "phrasebook"]) == 2
    said = capsys.readouterr().err
    assert "retinaface_Resnet50_Final.pth" in said
    assert "not fetched offline: retinaface_Resnet50_Final.pth" in said
    assert f"Put them into {store}" in said


def test_pulling_the_recipe_asks_for_its_own_files_only(store, capsys):
    assert main(["models", "pull", "--recipe", "paper"]) == 2
    said = capsys.readouterr().err
    assert "clip-ViT-B-32-laion2b_s34b_b79k.safetensors" in said
    for other in ("ViT-L-14", "ViT-B-32-openai", "age_model_weights.pth"):
        assert other not in said


@pytest.mark.parametrize("package", ["clip", "deepface", "farl", "resmasknet", "retinaface"])
def test_every_plugin_of_the_recipe_declares_itself_without_torch(package):
    module = importlib.import_module(f"t2f_{package}")
    offered = [one for hook in ("detectors", "filters", "extractors") for one in getattr(module, f"t2f_{hook}", list)()]
    assert offered
    for component in offered:
        assert component.name.partition(".")[0] == component.extra == package
        assert all(artifact.sources and artifact.licence for artifact in component.artifacts)


def test_the_recipe_says_what_the_paper_says():
    recipe = Recipe.load("paper")
    assert (recipe.detector, recipe.plugins["retinaface"]["backbone"]) == ("retinaface", "resnet50")
    assert recipe.filters == ("clip.real",)
    assert recipe.faces.min_size == 250
    assert recipe.bag.age_noise == pytest.approx(1 / 15)
    assert recipe.bag.age_bracket == 5
    assert (recipe.fuser, recipe.plugins["vicuna"]["model"]) == ("vicuna", "lmsys/vicuna-13b-v1.5")
    (rule,) = recipe.bag.drops
    assert (rule.drop, rule.probability) == ("attractive", 0.8)


def test_what_takes_a_model_s_place_takes_its_options_away():
    """As the paper's models without DeepFace's, which are not for commercial use."""
    plugins = ["yunet", "resmasknet", "clip.mouth", "agegender", "phrasebook"]
    recipe = Recipe.load("paper").with_plugins(Plugins.load(), plugins)
    names = [part.registered.name for part in recipe.resolve(Plugins.load()).parts]
    assert names == ["yunet", "clip.real", "resmasknet", "clip.mouth", "agegender", "phrasebook"]
    assert recipe.plugins["resmasknet"] == Recipe.load("paper").plugins["resmasknet"]

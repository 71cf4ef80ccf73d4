"""Generating with the real face generator: portraits, texts, scales, and the verbs on it."""

import json

import numpy as np
import pytest
from PIL import Image
from support.sd_training import Told
from support.style_faces import write_base, write_faces

torch = pytest.importorskip("torch")
pytest.importorskip("openvino")

from support.stores import store_with  # noqa: E402
from t2f_style_flow.faces.artifacts import FILES  # noqa: E402
from t2f_style_flow.options import StyleFlowOptions  # noqa: E402
from t2f_style_flow.training.trainer import StyleFlowTrainer  # noqa: E402

from text2face_core import Runtime, generate, library, sweep  # noqa: E402
from text2face_core.contracts import GenerationRequest  # noqa: E402
from text2face_core.dataset import open_dataset, read_latent  # noqa: E402
from text2face_core.errors import ArtifactError, PluginError  # noqa: E402

pytestmark = pytest.mark.models

SMALL = {"prompts": (), "tensorboard": False, "batch_size": 32, "steps": 60, "held_out": 0}


@pytest.fixture(scope="module")
def runtime():
    return Runtime(store_with(FILES), threads=1)


@pytest.fixture(scope="module")
def models(tmp_path_factory, runtime):
    """A base, a model trained from it in full, a LoRA for it."""
    folder = tmp_path_factory.mktemp("models")
    write_faces(folder / "faces.parquet")
    base = write_base(folder / "base")
    for name, kind in (("full", "full"), ("lora", "lora")):
        options = StyleFlowOptions(**SMALL, base=str(base), train=kind, learning_rate=1e-2, text_learning_rate=1e-2)
        StyleFlowTrainer(options, runtime).train(open_dataset(folder / "faces.parquet"), folder / name, Told())
    return folder


def opened(models, runtime, model, base="base"):
    options = StyleFlowOptions(base=str(models / base) if base else "")
    return StyleFlowTrainer(options, runtime).generator(str(models / model) if model else None)


def request(text, seed=1, **given):
    return GenerationRequest(text, seed, 64, 64, steps=4, **{"guidance": 2.0, **given})


def test_portraits_are_the_same_for_the_same_seed_whatever_else_is_drawn(tmp_path, runtime):
    first = library.make_faces(2, tmp_path / "a", size=64, threads=1, models=runtime.models)
    again = library.make_faces(1, tmp_path / "b", seed=1, size=64, threads=1, models=runtime.models)
    assert first.new == 2
    assert first.paths[1].read_bytes() == again.paths[0].read_bytes()
    assert read_latent(first.paths[0]).shape == (512,)
    assert library.make_faces(2, tmp_path / "a", size=64, threads=1, models=runtime.models).new == 0


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_at_scale_0_a_trained_model_draws_what_its_base_draws(models, runtime, kind):
    asked = [request("A person with red hair.", scale=0.0), request("A person with red hair.", scale=1.0)]
    plain, trained = opened(models, runtime, kind).styles(asked)
    (base,) = opened(models, runtime, None).styles([request("A person with red hair.", scale=0.0)])
    assert np.allclose(plain, base, atol=2e-2)
    assert np.abs(trained - base).max() > 0.1


def test_images_of_a_batch_are_those_of_single_requests(models, runtime):
    generator = opened(models, runtime, "full")
    asked = [request("A person with a hat.", 3), request("A person.", 4, guidance=1.0), request("A person.", 5)]
    together = generator.generate(asked)
    assert all(one.shape == (64, 64, 3) and one.dtype == np.uint8 for one in together)
    for one, image in zip(asked, together, strict=True):
        (alone,) = generator.generate([one])
        assert np.abs(alone.astype(int) - image).max() <= 2


def test_a_negative_prompt_steers_away(models, runtime):
    generator = opened(models, runtime, "full")
    plain, away = generator.styles([request("A person."), request("A person.", negative="red hair")])
    assert away[0] < plain[0] - 0.02  # the axis of red hair


def test_the_verbs_work_on_it_and_find_the_trainer_from_the_model(models, runtime, tmp_path):
    common = {"models": runtime.models, "threads": 1, "resolution": 64, "steps": 3}
    made = generate(str(models / "full"), ["A person with glasses."], out=tmp_path, **common)
    with Image.open(made.paths[0]) as image:
        record = json.loads(image.text["text2face"])
        assert image.size == (64, 64)
    assert (record["guidance"], record["steps"], record["generator"]) == (2.0, 3, "mobilestylegan-ffhq")
    words = {"what": ["a hat", "glasses"]}
    grid = sweep(str(models / "full"), "A person with {what}.", words, out=tmp_path / "grid.png", **common)
    assert grid.paths[0].is_file()


@pytest.mark.parametrize(
    ("model", "base", "message"),
    [
        (None, "", "no base of its own"),
        ("nowhere", "base", "is not a model of style_flow"),
        ("lora", "other", "another base"),
    ],
)
def test_what_cannot_be_opened_is_refused(models, runtime, model, base, message):
    if base == "other" and not (models / "other").exists():
        write_base(models / "other", axes=12)
    with pytest.raises(ArtifactError, match=message):
        opened(models, runtime, model, base)


def test_there_is_no_scale_without_a_base(models, runtime):
    generator = opened(models, runtime, "full", base="")
    with pytest.raises(PluginError, match="without a base"):
        generator.styles([request("A person.", scale=0.5)])


def test_validation_draws_a_contact_sheet(models, runtime, tmp_path):
    options = StyleFlowOptions(
        **{**SMALL, "steps": 2, "prompts": ("A person.",)}, base=str(models / "base"), inference_steps=2
    )
    StyleFlowTrainer(options, runtime).train(open_dataset(models / "faces.parquet"), tmp_path / "out", Told())
    with Image.open(tmp_path / "out" / "contact_sheet.png") as sheet:
        assert sheet.size == (96 + 192, 48 + 2 * 192)
    assert "contact_sheet.png" in (tmp_path / "out" / "README.md").read_text()

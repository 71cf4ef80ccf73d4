"""Embedders: images become vectors chunk by chunk, and vectors become figures."""

import json
import sys

import numpy as np
import pytest
from PIL import Image
from support import toy_embedders, toy_generator, toys
from support.evaluations import planned
from support.toy_embedders import Colours

from text2face_core import Plugins, Recipe, caption_photos, evaluate
from text2face_core.errors import PluginError, UsageError
from text2face_core.evaluation import (
    GradedImage,
    embed_images,
    embedding as module,
    file_hash,
    measure_people,
    measure_quality,
)
from text2face_core.evaluation.embedding import Embedded
from text2face_core.evaluation.records import PlannedPrompt
from text2face_core.images import BoxCrop
from text2face_core.language.fidelity import Mention
from text2face_core.library.session import Silent


def picture(folder, number, colour, status="ok"):
    path = folder / f"{number}.png"
    Image.fromarray(np.full((40, 60, 3), colour, np.uint8)).save(path)
    face = {"box": (10.0, 10.0, 30.0, 30.0), "landmarks": (15.0, 15, 25, 15, 20, 20, 16, 26, 24, 26)}
    return GradedImage(f"m/{number}", "0", "m", number, str(path), file_hash(path), status=status, **face)


@pytest.fixture
def images(tmp_path):
    return [picture(tmp_path, number, (number, 2 * number, 250)) for number in range(5)]


def test_vectors_are_computed_once(images, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    first = Colours()
    found = embed_images(images, first, "key", tmp_path / "kept", Silent())
    assert first.seen == [2, 2, 1]
    assert found.vectors.tolist() == [[n, 2 * n, 250] for n in range(5)]
    again = Colours()
    same = embed_images(images, again, "key", tmp_path / "kept", Silent())
    assert again.seen == []
    assert same.images == found.images
    assert np.array_equal(same.vectors, found.vectors)
    embed_images(images, again, "another key", tmp_path / "kept", Silent())
    assert again.seen == [2, 2, 1]


def test_a_chunk_that_was_killed_or_changed_is_computed_again(images, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    embed_images(images, Colours(), "key", tmp_path / "kept", Silent())
    damaged = min((tmp_path / "kept").rglob("*.npz"))
    damaged.write_bytes(damaged.read_bytes()[:50])
    again = Colours()
    assert len(embed_images(images, again, "key", tmp_path / "kept", Silent())) == 5
    assert again.seen in ([2], [1])
    changed = [*images[:4], picture(tmp_path, 4, (9, 9, 9))]
    again = Colours()
    assert embed_images(changed, again, "key", tmp_path / "kept", Silent()).vectors[-1].tolist() == [9, 9, 9]
    assert again.seen == [1]


def test_an_image_that_cannot_be_used_is_left_out(images, tmp_path):
    (tmp_path / "1.png").write_bytes(b"damaged")
    images = [*images, picture(tmp_path, 5, (5, 5, 5), "no face")]
    whole = embed_images(images, Colours(), "key", tmp_path / "kept", Silent())
    assert [one.seed for one in whole.images] == [0, 2, 3, 4, 5]
    faces = embed_images(images, Colours(BoxCrop(1.0, 8)), "faces", tmp_path / "kept", Silent())
    assert [one.seed for one in faces.images] == [0, 2, 3, 4]


def test_an_embedder_that_drops_images_is_an_error(images, tmp_path):
    short = Colours()
    short.embed = lambda images: np.zeros((1, 3), np.float32)
    with pytest.raises(PluginError, match=r"colours 3-d.*\(1, 3\) for 5 images"):
        embed_images(images, short, "key", tmp_path / "kept", Silent())


# --- figures ---


def embedded(model, vectors, prompts=None, seeds=None):
    prompts = prompts or [f"{n:04d}" for n in range(len(vectors))]
    seeds = seeds or [0] * len(vectors)
    images = [GradedImage(f"{model}/{n}", p, model, s, "") for n, (p, s) in enumerate(zip(prompts, seeds, strict=True))]
    return Embedded(tuple(images), np.asarray(vectors, float))


def the(measures, name, model, finding=""):
    (found,) = [one for one in measures if (one.name, one.model, one.finding) == (name, model, finding)]
    return found


def test_distances_compare_equal_numbers_and_show_what_a_perfect_model_scores():
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 8))
    sets = {
        "base": embedded("base", rng.normal(1, 1, (150, 8))),
        "mine": embedded("mine", rng.normal(0, 1, (150, 8))),
        "photos": embedded("photos", real),
    }
    found = measure_quality("toy", sets, ["base", "mine", "photos"])
    assert {one.n for one in found if one.model == "mine"} == {150}
    assert {one.n for one in found if one.model == "photos"} == {200}
    assert the(found, "FID", "base").value > 8
    assert the(found, "FID", "mine").value < 1
    assert the(found, "KID", "base").low > the(found, "KID", "mine").high
    null = the(found, "KID", "photos")
    assert null.low < 0 < null.high
    assert the(found, "coverage", "mine").value > 0.9 > the(found, "coverage", "base").value
    assert the(found, "drift", "mine").value == pytest.approx(the(found, "KID", "base").value, rel=0.3)
    assert {one.space for one in found} == {"toy"}


def test_too_few_images_give_no_distance_but_a_reason():
    rng = np.random.default_rng(0)
    sets = {"mine": embedded("mine", rng.normal(size=(5, 3))), "photos": embedded("photos", rng.normal(size=(90, 3)))}
    found = measure_quality("toy", sets, ["mine"])
    (only,) = [one for one in found if one.model == "mine"]
    assert np.isnan(only.value)
    assert "20" in only.note


def test_a_copying_model_is_caught_and_its_copies_are_shown():
    rng = np.random.default_rng(3)
    training = embedded("training", rng.normal(size=(300, 32)))
    held_out = embedded("photos", rng.normal(size=(200, 32)))
    copies = training.vectors[:40] + rng.normal(0, 0.05, (40, 32))
    sets = {"copying": embedded("copying", copies), "honest": embedded("honest", rng.normal(size=(40, 32)))}
    plan = {f"{n:04d}": one for n, one in enumerate(planned([{"age": 30.0, "gender": "male", "ethnicity": "asian",
            "eyeglasses": True, "emotion": "neutral"}] * 200))}  # fmt: skip
    sets["photos"] = held_out
    caught, pairs = measure_people("toy", sets, ["copying"], plan, training)
    assert the(caught, "copies of training faces", "copying").low > 0.8
    assert [pair.training.image_id for pair in pairs] == [f"training/{pair.image.image_id[8:]}" for pair in pairs]
    assert pairs[0].cosine > 0.99
    honest, _ = measure_people("toy", sets, ["honest"], plan, training)
    assert the(honest, "copies of training faces", "honest").value < 0.05
    assert [one.model for one in honest if one.name == "alikeness"] == ["honest"] * 3  # age, gender, ethnicity


# --- from the command to the page ---


@pytest.fixture
def plugins():
    found = Plugins.load(builtin_only=True)
    found.register("toy", sys.modules[toys.__name__])
    found.register("plates", sys.modules[toy_generator.__name__])
    found.register("measuring", sys.modules[toy_embedders.__name__])
    return found


RECIPE = Recipe(detector="toy", extractors=("toy.shade",), fuser="phrasebook")


@pytest.fixture
def folder(tmp_path):
    lines = []
    for age in range(20, 50):
        toys.draw_photo(tmp_path / "images" / f"{age}.png", ((60, 40, 80),), age)
        lines.append(json.dumps({"file_name": f"{age}.png", "text": f"A {age} year old woman."}))
    (tmp_path / "images" / "metadata.jsonl").write_text("\n".join(lines))
    return tmp_path / "images"


def test_metrics_and_embedders_of_plugins_reach_tables_and_page(folder, tmp_path, plugins):
    caption_photos(folder, RECIPE, out=tmp_path / "run", available=plugins)
    lines = []

    class Heard(Silent):
        def say(self, message):
            lines.append(message)

    names = ["measuring.colours", "measuring.shades", "measuring.count", "measuring.missing"]
    result = evaluate(
        out=tmp_path / "out", images=folder, recipe=RECIPE, available=plugins, metrics=names, training=tmp_path / "run",
        reference=folder, progress=Heard(),
    )  # fmt: skip
    same = the(result.measures, "KID", "images")  # unbiased, so that equal sets give a little less than 0
    assert same.low < same.value < 0
    assert the(result.measures, "images", "").value == 30
    assert the(result.measures, "nearest training face", "images").value > 0.99
    assert any("weights.bin" in line for line in lines)
    content = json.loads((tmp_path / "out" / "measures.json").read_text())
    assert len(content["nearest"]) == 12
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Nearest training faces" in page
    assert "colours 3-d" in page


def test_what_is_not_a_metric_is_refused(folder, tmp_path, plugins):
    how = {"out": tmp_path / "out", "images": folder, "recipe": RECIPE, "available": plugins}
    with pytest.raises(UsageError, match=r"toy.*metric"):
        evaluate(metrics="toy", **how)
    with pytest.raises(PluginError, match="str, which is not a Metric or Embedder"):
        evaluate(metrics="measuring.wrong", **how)


def test_metrics_come_from_the_recipe(folder, tmp_path, plugins):
    recipe = RECIPE.with_settings(["evaluation.metrics=['measuring.count']"])
    result = evaluate(out=tmp_path / "out", images=folder, recipe=recipe, available=plugins)
    assert the(result.measures, "images", "").value == 30


def test_a_word_that_changes_the_person_is_told_from_one_that_does_not():
    rng = np.random.default_rng(4)
    glasses, hat = (Mention(name, ((name, "true"),)) for name in ("eyeglasses", "wearing_hat"))
    plan, prompts, vectors = {}, [], []
    for number in range(30):
        changed = (glasses, hat)[number % 2]
        person_s = rng.normal(size=16)
        for states in (False, True):
            name = f"{number:03d}-{int(states)}"
            plan[name] = PlannedPrompt(name, "", pair_id=f"{number:03d}", changed=changed, states=states)
            prompts.append(name)
            other = rng.normal(size=16)  # a hat makes another person
            vectors.append(other if states and changed is hat else person_s + rng.normal(0, 0.05, 16))
    found, _ = measure_people("toy", {"mine": embedded("mine", vectors, prompts)}, ["mine"], plan)
    assert the(found, "same person", "mine", "eyeglasses").low > 0.9
    hats = the(found, "same person", "mine", "wearing_hat")
    assert hats.low < 0 < hats.high
    assert hats.n == 15

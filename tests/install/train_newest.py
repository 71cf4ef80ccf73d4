"""Use an installation of `.[train]` as its user would: doctor, caption, train, generate.

The session `newest` runs it with the Python of a fresh environment that holds the newest release of every package. It
needs no pytest, so that nothing is installed that a user does not have. The base model is tiny, with random weights.
"""

import json
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("torch", "diffusers", "transformers", "peft", "accelerate")
SMALL = ("--steps=4", "--batch-size=2", "--resolution=64", "--device=cpu", "--set=sd_lora.prompts=[]")


def t2f(*arguments: object) -> str:
    """What the installed command writes to stdout; it has to succeed."""
    command = [str(Path(sysconfig.get_path("scripts")) / "t2f"), *map(str, arguments)]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    say(f"t2f {arguments[0]}: exit code {done.returncode} after {time.monotonic() - began:.0f} s")
    assert done.returncode == 0, done.stdout
    return done.stdout


def check_doctor() -> None:
    """The doctor calls the extra installed, finds no conflict, and knows the versions that are here."""
    facts = json.loads(t2f("doctor", "--json"))
    (train,) = [extra for extra in facts["extras"] if extra["name"] == "train"]
    assert facts["problems"] == [], facts["problems"]
    assert train["installed"], train
    assert train["problems"] == [], train
    assert train["packages"].items() >= {name: metadata.version(name) for name in PACKAGES}.items()
    assert not Path(facts["system"]["installed_in"]).is_relative_to(ROOT / "text2face_core"), "the checkout was used"
    for note in train["notes"]:
        say(f"note of the doctor: {note}")


def make_base(folder: Path) -> Path:
    """The tiny Stable Diffusion of the tests."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support import tiny_sd

    return tiny_sd.write_pipeline(folder)


def check_training(folder: Path) -> None:
    """Caption the example photos, train on them, generate a picture with the LoRA."""
    from PIL import Image
    from safetensors import safe_open

    t2f("run", ROOT / "examples" / "photos", "--out", folder / "run", "--no-report")
    t2f("train", folder / "run", "--out", folder / "lora", "--base", make_base(folder / "base"), *SMALL)
    with safe_open(folder / "lora" / "pytorch_lora_weights.safetensors", "np") as file:
        changed = [name for name in file.keys() if ".lora_B." in name and file.get_tensor(name).any()]  # noqa: SIM118
    assert {name.partition(".")[0] for name in changed} == {"unet", "text_encoder"}, "an adapter did not learn"
    quick = ("--resolution=64", "--steps=2", "--device=cpu")
    t2f("generate", folder / "lora", "A smiling woman.", "--out", folder / "pictures", *quick)
    (picture,) = (folder / "pictures").rglob("*.png")
    assert Image.open(picture).size == (64, 64)


def say(message: str) -> None:
    print(message, flush=True)  # noqa: T201


if __name__ == "__main__":
    say(", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES))
    check_doctor()
    with tempfile.TemporaryDirectory() as room:
        check_training(Path(room))

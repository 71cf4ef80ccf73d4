"""A tiny Stable Diffusion and a few photos to teach it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageOps
from support import tiny_sd
from support.paths import ROOT
from support.sd_training import Forks

HAIR = ("black", "brown", "blond", "long", "short")


def needs_torch() -> None:
    """Skip where the packages of the extra "train" are not installed."""
    for package in ("torch", "diffusers", "transformers", "peft", "accelerate"):
        pytest.importorskip(package)


@pytest.fixture(autouse=True)
def _quiet_and_one_thread(monkeypatch) -> Iterator[None]:
    """One thread, so that results do not hang on the machine; no hub; no bars of other libraries."""
    needs_torch()
    import torch

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory) -> Path:
    """A pipeline in the form of SD 2.1: v-prediction, heads per level, linear projections, padding with "!"."""
    needs_torch()
    return tiny_sd.write_pipeline(tmp_path_factory.mktemp("base") / "tiny-21")


@pytest.fixture(scope="session")
def tiny_base_15(tmp_path_factory) -> Path:
    """A pipeline in the form of SD 1.5: epsilon, convolutions as projections, padding with the end token."""
    needs_torch()
    return tiny_sd.write_pipeline(tmp_path_factory.mktemp("base") / "tiny-15", tiny_sd.TINY_15)


@pytest.fixture(scope="session")
def photos16(tmp_path_factory) -> Path:
    """An imagefolder with 16 photos of 96 by 96 pixels, three captions each: the examples, four of them mirrored."""
    return write_photos(tmp_path_factory.mktemp("photos16"), 16)


def write_photos(folder: Path, count: int, side: int = 96) -> Path:
    """An imagefolder with so many photos."""
    examples = sorted((ROOT / "examples" / "photos").glob("*.jpg"))
    (folder / "images").mkdir(parents=True)
    lines = []
    for number in range(count):
        image = ImageOps.fit(Image.open(examples[number % len(examples)]).convert("RGB"), (side, side))
        turned = ImageOps.mirror(image) if number >= len(examples) else image
        name = f"images/{number:02d}.png"
        turned.save(folder / name)
        hair, who = HAIR[number % len(HAIR)], ("man", "woman")[number % 2]
        texts = [
            f"a photo of a {who} with {hair} hair",
            f"the {who} with the {hair} hair and a smile",
            f"a {20 + number} year old {who} is wearing glasses with {hair} hair",
        ]
        lines.append(json.dumps({"file_name": name, "text": texts}))
    (folder / "metadata.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Processes that run `t2f` without importing everything first."""
    needs_torch()
    made = Forks()
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory) -> str:
    """Where trainings in tests keep latents and tokens, so that each photo is encoded once in a session."""
    return str(tmp_path_factory.mktemp("cache"))

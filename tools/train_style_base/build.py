"""Make examples/style-base: web-like captions for many faces, a vocabulary, and a training.

    python -m tools.train_style_base.build examples/style-faces --out build --publish examples/style-base

FACES is a data set of captioned faces with latents. Its own captions are not learned from: only their words are in the
vocabulary, so that a later training can use them.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from t2f_style_flow.faces.artifacts import LATENT, NAME
from t2f_style_flow.faces.generator import MobileStyleGan
from t2f_style_flow.model.files import MODEL, StyleModel, load_model, save_model
from t2f_style_flow.model.network import Sizes, StyleFlow
from t2f_style_flow.model.space import SAMPLES, StyleSpace
from t2f_style_flow.model.words import SPECIAL, WordPieces, make_pieces

from text2face_core import Runtime, train
from text2face_core.models import ModelStore
from tools.train_style_base.web_captions import write_caption

VOCABULARY, CONTEXT = 4000, 77
PER_FACE = 4


def main() -> None:
    """Build the base."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--publish", type=Path, help="folder for the model, its card and its train.toml")
    parser.add_argument("--more", type=int, default=12_000, help="faces without findings, of which only latents exist")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    renderer = MobileStyleGan(Runtime(ModelStore(), threads=given.threads))
    latents, captions, real = collect_faces(given.faces, renderer, given.more)
    write_table(given.out / "web.parquet", latents, captions)
    start = given.out / "start"
    start.mkdir(exist_ok=True)
    texts = (text for texts in (*captions, *real) for text in texts)
    save_model(start / MODEL, untrained(renderer, list(texts)))
    train(
        given.out / "web.parquet",
        out=given.out / "style-base",
        plugins="style_flow",
        base=str(start),
        steps=given.steps,
        threads=given.threads,
        checkpoint_every=given.steps,
        progress=Printed(),
    )
    if given.publish:
        publish(given.out / "style-base", given.publish, len(captions), given.steps)


def collect_faces(
    folder: Path, renderer: MobileStyleGan, more: int
) -> tuple[npt.NDArray[np.float16], list[list[str]], list[list[str]]]:
    """Latents of captioned faces and of others, their web captions, and the real captions of the former."""
    latents, captions, real = [], [], []
    for row in read_faces(folder):
        random_ = random.Random(f"web {row['photo_id']}")
        latents.append(row["latent"])
        captions.append([write_caption(random_, row["findings"]) for _ in range(PER_FACE)])
        real.append(row["text"])
    for number, latent in enumerate(renderer.latents(range(1 << 40, (1 << 40) + more), 0.9)):
        random_ = random.Random(f"more {number}")
        latents.append(latent)
        captions.append([write_caption(random_, ()) for _ in range(PER_FACE)])
    return np.stack(latents).astype(np.float16), captions, real


def read_faces(folder: Path) -> Iterator[dict[str, Any]]:
    """Rows of examples/style-faces, with findings as Python values."""
    for path in sorted(folder.glob("*.parquet")):
        for row in pq.read_table(path).to_pylist():
            row["findings"] = [{**one, "value": json.loads(one["value"])} for one in row["findings"]]
            yield row


def write_table(path: Path, latents: npt.NDArray[np.float16], captions: list[list[str]]) -> None:
    """A data set of latents and captions."""
    table = pa.table(
        {
            "photo_id": [f"{number:08d}" for number in range(len(captions))],
            "latent": pa.FixedSizeListArray.from_arrays(pa.array(latents.reshape(-1)), LATENT),
            "text": captions,
        }
    )
    pq.write_table(table, path, compression="zstd", row_group_size=1000)


def untrained(renderer: MobileStyleGan, texts: list[str]) -> StyleModel:
    """A model with random weights and a vocabulary of these texts."""
    words = WordPieces(make_pieces(texts, VOCABULARY), CONTEXT)
    space = StyleSpace.measure(renderer.many(SAMPLES), 256)
    torch.manual_seed(0)
    network = StyleFlow(Sizes(len(words.pieces) + len(SPECIAL), axes=len(space.spread)))
    return StyleModel(network, words, space, {"generator": NAME})


def publish(trained: Path, folder: Path, faces: int, steps: int) -> None:
    """Copy the model, and write its card and the settings that tell which trainer it is of."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(trained / MODEL, folder / MODEL)
    about = dict(load_model(folder / MODEL).about)
    (folder / "train.toml").write_text(f'text2face = "{about["version"]}"\ntrainer = "style_flow"\n', encoding="utf-8")
    loss = about["metrics"]["validation_loss"]
    template = Path(__file__).with_name("CARD.md").read_text(encoding="utf-8")
    text = template.format(faces=faces, steps=steps, loss=loss, mebibytes=(folder / MODEL).stat().st_size / 1e6)
    (folder / "README.md").write_text(text, encoding="utf-8")


class Printed:
    """Progress as lines."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Nothing to print."""

    def advance(self, count: int, **counts: int) -> None:
        """Nothing to print."""

    def say(self, message: str) -> None:
        """Print."""
        print(message, flush=True)

    def finish(self) -> None:
        """Nothing to print."""


if __name__ == "__main__":
    main()

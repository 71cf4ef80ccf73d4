"""Captioned latents without images, whose captions are true by construction, and a small untrained base for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

AXES = {"red hair": 0, "blond hair": 1, "a hat": 2, "glasses": 3}
"""Each is said of faces that lie far along this principal axis."""


def write_faces(path: Path, count: int = 400, seed: int = 0) -> np.ndarray[Any, Any]:
    """A parquet data set: (count, 512) latents with captions; returns them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(seed)
    latents = (random.standard_normal((count, 512)) * spread()).astype(np.float16)
    texts = [captions_of(one) for one in latents]
    table = pa.table(
        {
            "photo_id": [f"{number:06d}" for number in range(count)],
            "latent": pa.FixedSizeListArray.from_arrays(pa.array(latents.reshape(-1)), 512),
            "text": texts,
            "style": [["short", "long"]] * count,
        }
    )
    pq.write_table(table, path, row_group_size=128)
    return latents.astype(np.float32)


def spread() -> np.ndarray[Any, Any]:
    """(512,) deviations of the coordinates: the first are the widest."""
    return np.linspace(2.0, 0.5, 512)


def captions_of(latent: np.ndarray[Any, Any]) -> list[str]:
    """A short and a long caption."""
    true = [name for name, axis in AXES.items() if latent[axis] > 0.7 * spread()[axis]]
    return [
        f"A person with {' and '.join(true) or 'nothing'}.",
        f"This is a photo of a person who has {true or 'none'}.",
    ]


def write_base(folder: Path, axes: int = 16, width: int = 64) -> Path:
    """A small base with random weights, whose axes are the first coordinates."""
    import torch
    from t2f_style_flow.model.files import MODEL, StyleModel, save_model
    from t2f_style_flow.model.network import Sizes, StyleFlow
    from t2f_style_flow.model.space import StyleSpace
    from t2f_style_flow.model.words import SPECIAL, WordPieces, make_pieces

    random = np.random.default_rng(1)
    texts = [text for one in random.standard_normal((400, 512)) * spread() for text in captions_of(one)]
    words = WordPieces(make_pieces(texts, 300), 32)
    space = StyleSpace(np.zeros(512, np.float32), np.eye(axes, 512, dtype=np.float32), spread()[:axes].astype("f4"))
    torch.manual_seed(0)
    network = StyleFlow(Sizes(len(words.pieces) + len(SPECIAL), pairs=256, words=32, axes=axes, width=width, blocks=2))
    with torch.no_grad():
        for one in network.parameters():  # layers that begin with zeros would keep gradients from the text encoder
            one.add_(torch.randn_like(one), alpha=0.02)
    folder.mkdir(parents=True)
    save_model(folder / MODEL, StyleModel(network, words, space, {"generator": "mobilestylegan-ffhq"}))
    return folder

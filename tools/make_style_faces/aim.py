"""Render portraits of rare kinds: styles that lie far in directions which go with findings.

python -m tools.make_style_faces.aim RUN --count 1000 --seed 23000000 --out portraits
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from t2f_style_flow.faces.generator import BATCH, MobileStyleGan
from t2f_style_flow.model.space import SAMPLES, StyleSpace

from text2face_core import RunDirectory, Runtime
from text2face_core.dataset import read_latent, write_portrait
from text2face_core.library import scale_image
from text2face_core.models import ModelStore
from text2face_core.records import Finding
from text2face_core.sources import path_of

Array = npt.NDArray[np.float64]

RIDGE = 120.0
"""Strength of the regularisation: chosen by held-out correlation on 1,642 portraits."""
MOUTH = {"closed": 0.0, "slightly_open": 0.3, "fully_open": 1.0}
LENGTH = {"short": 0.0, "medium": 0.5, "long": 1.0}


def sure(one: Finding) -> float:
    """The probability of a yes."""
    return one.score if one.value else 1 - one.score


VALUES: dict[str, Callable[[Finding], float]] = {
    "eyeglasses": sure,
    "wearing_hat": sure,
    "bald": sure,
    "bangs": sure,
    "age": lambda one: float(one.value),
    "skin_tone": lambda one: float(str(one.value)[-2:]),
    "mouth_openness": lambda one: MOUTH.get(str(one.value), 0.0),
    "hair_length": lambda one: LENGTH.get(str(one.value), 0.5),
    "gender": lambda one: float(one.value == "male"),
    **{f"{colour}_hair": sure for colour in ("gray", "red", "blond", "black", "brown")},
}
"""A number for each finding whose direction is used."""

KINDS: tuple[dict[str, float], ...] = (
    {"eyeglasses": 1}, {"wearing_hat": 1}, {"bald": 1, "gender": 0.6}, {"gray_hair": 1}, {"age": 1}, {"age": -1},
    {"red_hair": 1}, {"blond_hair": 1}, {"skin_tone": 1}, {"mouth_openness": 1}, {"bangs": 1}, {"age": 1, "gender": -1},
    {"eyeglasses": 1, "gender": -0.7}, {"gender": 1, "age": -0.7}, {"black_hair": 1, "hair_length": 1},
    {"wearing_hat": 1, "age": 0.7}, {"eyeglasses": 1, "age": -0.7}, {"brown_hair": 1},
)  # fmt: skip
"""Directions, each a sum of those of findings."""


def main() -> None:
    """Render until `count` portraits are there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--truncation", type=float, default=0.95)
    given = parser.parse_args()
    renderer = MobileStyleGan(Runtime(ModelStore()))
    space = StyleSpace.measure(renderer.many(SAMPLES), 256)
    directions = find_directions(given.run, space)
    for start in range(given.seed, given.seed + given.count // len(KINDS) * BATCH, BATCH):
        styles = renderer.latents(range(start, start + BATCH), given.truncation)
        for place in choose(space.whiten(styles) @ directions.T):
            path = given.out / f"{start + place:010d}.jpg"
            if not path.exists():
                record = {"renderer": renderer.name, "seed": start + place, "truncation": given.truncation}
                pixels = scale_image(renderer.render(styles[place]), given.size)
                write_portrait(path, pixels, styles[place], record)


def find_directions(run: Path, space: StyleSpace) -> Array:
    """(K, axes) unit vectors, one for each of KINDS."""
    styles, findings = [], []
    for row, _ in RunDirectory.open(run).rows():
        if row.status == "ok" and (latent := read_latent(path_of(row.uri))) is not None:
            styles.append(latent)
            findings.append({one.name: VALUES[one.name](one) for one in row.findings if one.name in VALUES})
    whitened = space.whiten(np.stack(styles))
    single = {name: _regress(whitened, [one.get(name, np.nan) for one in findings]) for name in VALUES}
    return np.stack([_unit(sum(weight * single[name] for name, weight in kind.items())) for kind in KINDS])


def _regress(whitened: npt.NDArray[np.float32], values: list[float]) -> Array:
    known = ~np.isnan(values)
    x, y = whitened[known].astype(np.float64), np.array(values)[known]
    y = (y - y.mean()) / max(y.std(), 1e-9)
    return _unit(np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y))


def _unit(vector: Any) -> Array:
    found: Array = vector / np.linalg.norm(vector)
    return found


def choose(scores: Array) -> list[int]:
    """The style that lies farthest in each direction; each at most once. scores: (styles, directions)."""
    used: list[int] = []
    for column in scores.T:
        used.append(next(int(place) for place in np.argsort(-column) if int(place) not in used))
    return used


if __name__ == "__main__":
    main()

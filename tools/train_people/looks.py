"""Fit the second head on labels given by eye: python -m tools.train_people.looks WORK LABELS.csv.

LABELS has a line for each labelled face (tools/label_sheets). The trunk stays as it is; a ridge-penalised logistic
regression on its pooled activations learns kinds of facial hair, sunglasses and headscarves. Five-fold cross-validation
says how well, and calibrates on the faces that were drawn at random: the others were chosen because they are rare.
Leaves WORK/looks.pt.
"""

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from t2f_people.signature import FACIAL_HAIR, LOOKS, SIDE
from torch import Tensor
from torch.nn import functional

from .augment import augment, cut, view
from .export import load
from .network import Looks

VIEWS = 6
"""Random views of each labelled face, besides itself and its mirror image."""
FOLDS = 5
RIDGE = 0.15
"""Penalty of the weights of standardised activations, in faces."""
PULL = 0.02
"""Of the calibration towards what changes nothing."""
KINDS = {"none": "none", "stubble": "stubble", "mustache": "mustache", "goatee": "beard", "beard": "beard"}
"""Labels of facial hair as outputs."""


class Labels(NamedTuple):
    """What was seen by eye on N faces; -1 where it could not be told.

    files: their names. hair: (N,) index in FACIAL_HAIR. sunglasses, scarf, glasses: (N,) 0 or 1; glasses are those of
    either kind. drawn: (N,) whether at random.
    """

    files: list[str]
    hair: np.ndarray
    sunglasses: np.ndarray
    scarf: np.ndarray
    glasses: np.ndarray
    drawn: np.ndarray


def read_labels(path: Path) -> Labels:
    """The lines of the file."""
    with path.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))

    def known(column: str, *values: str) -> np.ndarray:
        return np.array([-1 if row[column] == "unclear" else int(row[column] in values) for row in rows])

    hair = [FACIAL_HAIR.index(KINDS[row["facial_hair"]]) if row["facial_hair"] in KINDS else -1 for row in rows]
    return Labels(
        [row["file"] for row in rows], np.array(hair), known("eyewear", "sunglasses"), known("headwear", "scarf"),
        known("eyewear", "glasses", "sunglasses"),
        np.array([row["drawn"] == "random" for row in rows]),
    )  # fmt: skip


def activations(work: Path, files: list[str]) -> Tensor:
    """(VIEWS + 2, N, FEATURES): each face, its mirror image, and random views."""
    with np.load(work / "labels.npz") as labels:
        places = {str(file): row for row, file in enumerate(labels["files"])}
    images, network = np.load(work / "images.npy", mmap_mode="r"), load(work / "checkpoint.pt")
    rows, random = [places[file] for file in files], np.random.default_rng(0)
    found = []
    for number in range(VIEWS + 2):
        faces = [
            augment(images[row], SIDE, random)
            if number > 1
            else cut(images[row], view(SIDE), SIDE)[:, :: 1 - 2 * number]
            for row in rows
        ]
        pixels = torch.from_numpy(np.stack(faces)).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            found.append(torch.cat([Looks.features(network.trunk, part)[0] for part in pixels.split(64)]))
        print(f"view {number + 1} of {VIEWS + 2}", flush=True)
    return torch.stack(found)


def cost(logits: Tensor, labels: Labels, rows: np.ndarray) -> Tensor:
    """Mean negative log likelihood of what could be told about these faces; logits are (…, N, len(LOOKS))."""
    hair = torch.as_tensor(labels.hair[rows]).expand(logits.shape[:-1])
    total = functional.cross_entropy(logits[..., :4].reshape(-1, 4), hair.reshape(-1), ignore_index=-1)
    for place, answers in ((4, labels.sunglasses), (5, labels.scarf), (6, labels.glasses)):
        wanted = torch.as_tensor(answers[rows], dtype=torch.float32).expand(logits.shape[:-1])
        each = functional.binary_cross_entropy_with_logits(logits[..., place], wanted.clamp(min=0), reduction="none")
        total = total + (each * (wanted >= 0)).sum() / (wanted >= 0).sum().clamp(min=1)
    return total


def minimise(parameters: list[Tensor], value) -> None:
    """By L-BFGS."""
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = value()
        found.backward()
        return found

    optimizer.step(closure)


def fit(x: Tensor, labels: Labels, rows: np.ndarray) -> Looks:
    """The head that fits these faces; x is (V, N, FEATURES) of all of them."""
    x = x[:, rows]
    mean, deviation = x.mean((0, 1)), x.std((0, 1)) + 1e-3
    z = (x - mean) / deviation
    weight = torch.zeros(len(LOOKS), x.shape[-1], requires_grad=True)
    bias = torch.zeros(len(LOOKS), requires_grad=True)
    penalty = RIDGE / len(rows)
    minimise([weight, bias], lambda: cost(z @ weight.T + bias, labels, rows) + penalty * (weight**2).sum())
    looks = Looks()
    with torch.no_grad():
        looks.weight.copy_(weight / deviation)
        looks.bias.copy_(bias - (weight / deviation) @ mean)
    return looks


def calibrate(logits: Tensor, labels: Labels, rows: np.ndarray) -> tuple[Tensor, Tensor]:
    """Factor and summand of each logit (one factor for all facial hair), by the faces drawn at random."""
    slope, offset = torch.ones(4, requires_grad=True), torch.zeros(len(LOOKS), requires_grad=True)
    each = torch.tensor([0, 0, 0, 0, 1, 2, 3])

    def value() -> Tensor:
        pull = PULL * (((slope - 1) ** 2).sum() + (offset**2).sum() / 4)
        return cost(logits[rows] * slope[each] + offset, labels, rows) + pull

    minimise([slope, offset], value)
    return slope[each].detach(), offset.detach()


def report(logits: Tensor, labels: Labels) -> None:
    """Print how well held-out faces are told apart."""
    shares = logits[:, :4].softmax(1).numpy()
    known = labels.hair >= 0
    print("facial hair, rows as labelled:", ", ".join(FACIAL_HAIR))
    for kind in range(len(FACIAL_HAIR)):
        here = known & (labels.hair == kind)
        print(FACIAL_HAIR[kind], np.bincount(shares[here].argmax(1), minlength=4).tolist())
    seen = {
        "any facial hair": (1 - shares[:, 0], np.where(known, labels.hair > 0, -1)),
        "sunglasses": (logits[:, 4].sigmoid().numpy(), labels.sunglasses),
        "headscarf": (logits[:, 5].sigmoid().numpy(), labels.scarf),
        "glasses": (logits[:, 6].sigmoid().numpy(), labels.glasses),
    }
    for name, (score, answer) in seen.items():
        for drawn in (False, True):
            here = (answer >= 0) & (labels.drawn if drawn else np.ones(len(answer), bool))
            said, true = score[here] > 0.5, answer[here] == 1
            both = int((said & true).sum())
            print(
                f"{name}{', drawn at random' if drawn else ''}: {int(here.sum())} faces, {int(true.sum())} with it, "
                f"precision {both / max(1, int(said.sum())):.2f}, recall {both / max(1, int(true.sum())):.2f}"
            )


def main() -> None:
    """Fit, check and store."""
    parser = argparse.ArgumentParser(description="Fit the second head on labels given by eye.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("labels", type=Path, help="the labels, as in tools/label_sheets/fairface.csv")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    labels = read_labels(given.labels)
    x = activations(given.work, labels.files)
    fold = np.random.default_rng(1).permutation(len(labels.files)) % FOLDS
    logits = torch.zeros(len(fold), len(LOOKS))
    for number in range(FOLDS):
        looks = fit(x, labels, np.flatnonzero(fold != number))
        held = np.flatnonzero(fold == number)
        with torch.no_grad():
            logits[held] = looks(x[:2, held]).mean(0)
    factor, summand = calibrate(logits, labels, np.flatnonzero(labels.drawn))
    report(logits * factor + summand, labels)
    looks = fit(x, labels, np.arange(len(fold)))
    with torch.no_grad():
        looks.weight.mul_(factor[:, None])
        looks.bias.copy_(looks.bias * factor + summand)
    torch.save(looks.state_dict(), given.work / "looks.pt")
    print(f"factors {factor.numpy().round(2).tolist()}, summands {summand.numpy().round(2).tolist()}")


if __name__ == "__main__":
    main()

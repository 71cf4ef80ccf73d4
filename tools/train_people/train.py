"""Train the network: python -m tools.train_people.train WORK --minutes 100.

Saves after each round (WORK/checkpoint.pt) and resumes from there. The learning rate falls with the computing time
used, so that the result is finished when the minutes are over; more minutes in a later call stretch what is left of the
schedule.
"""

import argparse
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from t2f_people.signature import EDGES, MIDDLES, RACES
from torch import Tensor
from torch.nn import functional

from .augment import augment, cut, view
from .network import Outputs, People, count_parameters, in_order_of_memory
from .prepare import CALIBRATE, LEARN

SEED = 0
BATCH, ROUND = 64, 12800
"""Faces per step, and between two checkpoints."""
RATE, DECAY, WARM_UP, AVERAGE = 2e-3, 0.05, 400, 0.995
SIDES = ((0.0, 64), (0.6, 80))
"""Side of a face from each share of the time on: small ones teach as well at first, at less cost. The last is SIDE."""
GENDER, BANDS, AGE, RACE = 1.5, 1.0, 0.5, 0.7
"""What each part weighs in the loss."""
CHILD = 0.5
"""What the gender of children under ten weighs: it is often not to be seen."""
BLUR = 5.0
"""Years, standard deviation: how far an age's neighbouring bands count as nearly right."""
LIMITS = (0.5, 3.0)
"""Least and largest weight of a group's gender loss, relative to the others'."""

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""Pixels (N, 3, S, S) in -1 … 1; band, gender and race (N,) int64."""


class Faces:
    """The aligned photos, those to learn from drawn more often the rarer their race, gender and band are together."""

    def __init__(self, work: Path) -> None:
        self.images = np.load(work / "images.npy", mmap_mode="r")
        with np.load(work / "labels.npz") as labels:
            self.labels = np.stack([labels["band"], labels["gender"], labels["race"]], axis=1).astype(np.int64)
            self.use = labels["use"]
        self.learn = np.flatnonzero(self.use == LEARN)
        band, gender, race = self.labels[self.learn].T
        cells = (race * 2 + gender) * (len(EDGES) - 1) + band
        weights = np.bincount(cells)[cells] ** -0.5
        self.weights = weights / weights.sum()

    def draw(self, number: int, random: np.random.Generator) -> np.ndarray:
        """Rows of `number` faces in random order, each as often as its weight says, give or take one."""
        reached = np.cumsum(self.weights) * number
        marks = random.permutation(np.searchsorted(reached, np.arange(number) + random.random()))
        return self.learn[np.minimum(marks, len(self.learn) - 1)]

    def labels_of(self, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """Band, gender, race."""
        band, gender, race = torch.from_numpy(self.labels[rows]).T
        return band, gender, race

    def seen(self, rows: np.ndarray, side: int, random: np.random.Generator) -> Batch:
        """Random views of these faces."""
        pixels = np.stack([augment(self.images[row], side, random) for row in rows])
        return (as_tensor(pixels), *self.labels_of(rows))

    def plain(self, rows: np.ndarray, side: int) -> Batch:
        """The faces as the network is to see them in use."""
        pixels = np.stack([cut(self.images[row], view(side), side) for row in rows])
        return (as_tensor(pixels), *self.labels_of(rows))

    def batches(self, turn: int, side: int) -> Iterator[Batch]:
        """One round; two batches are made while the network learns from another."""
        random = np.random.default_rng([SEED, turn])
        # A new offset for each round lets faces that are rarely drawn take turns.
        parts = self.draw(ROUND, random).reshape(-1, BATCH)
        with ThreadPoolExecutor(1) as worker:
            waiting = [worker.submit(self.seen, part, side, random) for part in parts[:2]]
            for part in [*parts[2:], None, None]:
                ready = waiting.pop(0).result()
                if part is not None:
                    waiting.append(worker.submit(self.seen, part, side, random))
                yield ready


def as_tensor(pixels: np.ndarray) -> Tensor:
    """(N, 3, S, S) float in -1 … 1, channels last in memory, of (N, S, S, 3) uint8."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1


def blurred_bands() -> Tensor:
    """(9, 9): what is aimed at for each band; neighbours within a few years share."""
    middles = torch.tensor(MIDDLES)
    shares = torch.exp(-0.5 * ((middles[:, None] - middles) / BLUR) ** 2)
    return shares / shares.sum(1, keepdim=True)


def log_probability(centre: Tensor, scale: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Logarithm of a logistic distribution's probability between low and high, (N,)."""
    a, b = (low - centre) / scale, (high - centre) / scale
    return functional.logsigmoid(b) + functional.logsigmoid(-a) + torch.log(-torch.expm1(a - b))


class GroupWeights:
    """How much each group's gender counts: in proportion to its mean loss of late, so that the worst catch up.

    Groups are race, gender and age (under 20, under 50, older). Sagawa et al., "Distributionally Robust Neural Networks
    for Group Shifts", ICLR 2020, weight by the exponential of the loss; the loss itself is steadier on small groups.
    """

    def __init__(self) -> None:
        self.losses = torch.full((len(RACES) * 2 * 3,), 0.5)

    def __call__(self, losses: Tensor, band: Tensor, gender: Tensor, race: Tensor) -> Tensor:
        """(N,) weights, 1 on average over groups."""
        group = (race * 2 + gender) * 3 + (band >= 3).long() + (band >= 6).long()
        with torch.no_grad():
            count = torch.bincount(group, minlength=len(self.losses))
            mean = torch.bincount(group, losses.detach(), len(self.losses)) / count.clamp(min=1)
            pace = 0.02 * count.clamp(max=4)
            self.losses += (pace * (mean - self.losses)).float()
            weights = (self.losses / self.losses.mean()).clamp(*LIMITS)
        return weights[group]


def loss_of(outputs: Outputs, batch: Batch, targets: Tensor, groups: GroupWeights) -> Tensor:
    """Gender with the worst groups in mind, bands, years and race."""
    _, band, gender, race = batch
    smooth = gender.float() * 0.96 + 0.02
    genders = functional.binary_cross_entropy_with_logits(outputs.gender, smooth, reduction="none")
    weights = groups(genders, band, gender, race) * torch.where(band < 2, CHILD, 1.0)
    edges = torch.tensor(EDGES, dtype=torch.float32)
    years = -log_probability(outputs.centre, outputs.scale, edges[band], edges[band + 1])
    return (
        GENDER * (genders * weights).mean()
        + BANDS * functional.cross_entropy(outputs.bands, targets[band])
        + AGE * years.clamp(max=20).mean()
        + RACE * functional.cross_entropy(outputs.race, race, label_smoothing=0.05)
    )


@torch.no_grad()
def predict(network: People, faces: Faces, rows: np.ndarray, side: int) -> Outputs:
    """What the network says of these faces, without mirror images."""
    network.eval()
    parts = [network(faces.plain(rows[n : n + BATCH], side)[0]) for n in range(0, len(rows), BATCH)]
    return Outputs(*(torch.cat(part) for part in zip(*parts, strict=True)))


def check(network: People, faces: Faces, side: int) -> str:
    """Figures on the photos that calibration uses."""
    rows = np.flatnonzero(faces.use == CALIBRATE)
    outputs = predict(network, faces, rows, side)
    band, gender, race = faces.labels_of(rows)
    right = ((outputs.gender > 0) == gender.bool()).float()
    adult, old = band >= 3, band >= 6
    cells = [
        float(right[chosen].mean())
        for cell in range(len(RACES) * 2)
        if (chosen := adult & (race * 2 + gender == cell)).sum() >= 20
    ]
    middles = torch.tensor(MIDDLES)
    said = outputs.bands.softmax(1) @ middles
    aged, young = band >= 7, band == 1
    ages = ", ".join(
        f"{name} {error.abs().mean():.2f} (60+ {error[aged].mean():+.1f}, 3-9 {error[young].mean():+.1f})"
        for name, error in (("bands", said - middles[band]), ("years", outputs.centre - middles[band]))
    )
    return (
        f"gender 20+ {right[adult].mean():.3f}, women 50+ {right[old & (gender == 0)].mean():.3f}, worst "
        f"{min(cells, default=math.nan):.3f}; age by {ages}; "
        f"race {(outputs.race.argmax(1) == race).float().mean():.3f}"
    )


class Training:
    """Network, averaged network, optimiser, group weights, and how far they have come."""

    def __init__(self) -> None:
        torch.manual_seed(SEED)
        self.network = in_order_of_memory(People())
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE), use_buffers=True
        )
        plain = [p for p in self.network.parameters() if p.ndim < 2]
        matrices = [p for p in self.network.parameters() if p.ndim >= 2]
        self.optimiser = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": DECAY}, {"params": plain, "weight_decay": 0.0}], betas=(0.9, 0.99)
        )
        self.groups, self.targets = GroupWeights(), blurred_bands()
        self.step, self.turn, self.seconds = 0, 0, 0.0

    def save(self, path: Path) -> None:
        """Keep everything that `load` needs to go on."""
        state = {
            "network": self.network.state_dict(), "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(), "groups": self.groups.losses,
            "step": self.step, "turn": self.turn, "seconds": self.seconds,
        }  # fmt: skip
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        state = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.groups.losses = state["groups"]
        self.step, self.turn, self.seconds = state["step"], state["turn"], state["seconds"]

    def learn(self, batch: Batch, done: float) -> float:
        """One step; warm-up, then a cosine down to nothing as `done` goes from 0 to 1."""
        pace = min(1.0, (self.step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * pace
        self.network.train()
        loss = loss_of(self.network(batch[0]), batch, self.targets, self.groups)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return float(loss.detach())


def side_at(done: float) -> int:
    """How large faces are after this share of the time."""
    return [side for start, side in SIDES if done >= start][-1]


def main() -> None:
    """Train, saving after each round."""
    parser = argparse.ArgumentParser(description="Train the network of t2f_people.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument(
        "--minutes",
        type=float,
        default=100.0,
        help="computing time of each thread, over all calls",
    )
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    cv2.setNumThreads(1)
    faces, training = Faces(given.work), Training()
    checkpoint = given.work / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    print(f"{len(faces.learn)} photos, {count_parameters(training.network) / 1e6:.2f} M parameters", flush=True)
    while (done := training.seconds / (given.minutes * 60)) < 1:
        start, began, losses, side, before = time.monotonic(), time.process_time(), [], side_at(done), training.seconds
        for batch in faces.batches(training.turn, side):
            losses.append(training.learn(batch, min(1.0, done)))
            training.seconds = before + (time.process_time() - began) / given.threads
            done = training.seconds / (given.minutes * 60)
            if done >= 1:
                break
        training.turn += 1
        pace = len(losses) * BATCH / (time.monotonic() - start)
        said = check(training.average.module, faces, side)
        training.seconds = before + (time.process_time() - began) / given.threads
        training.save(checkpoint)
        print(
            f"round {training.turn}, {min(1.0, done):.0%}, {side} px, {pace:.0f}/s, loss {np.mean(losses):.3f}: {said}",
            flush=True,
        )


if __name__ == "__main__":
    main()

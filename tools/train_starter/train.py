"""Train the network: python -m tools.train_starter.train WORK --epochs 100.

Goes on where it stopped (WORK/checkpoint.pt). May be stopped at any minute: `export` takes the averaged weights of the
last checkpoint.
"""

import argparse
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from t2f_starter.signature import FIGURES
from torch import Tensor
from torch.nn import functional

from text2face_core.images import Region

from .augment import augment, plain
from .cache import OUTSIDE
from .network import Starter
from .transplant import GLASSES, HAT, Face, put_glasses, put_hat, wears

SEED = 0
HELD_BACK = 12
"""One face in so many is kept for checking: those whose seed is a multiple of it."""
DICE, HEAD = 0.5, 2.0
"""Weights of the overlap of regions and of the figures, relative to the cross-entropy of pixels."""
WEIGHTS = {"smile": 3.0, "wearing_hat": 2.0, "eyeglasses": 2.0}
"""What a figure weighs among the figures; 1 unless it stands here."""
HATS, SPECTACLES = 0.2, 0.12
"""The share of faces without a hat or glasses that are given those of another face."""


class Faces:
    """The cache, parted into faces to learn from and faces to check on."""

    def __init__(self, folder: Path) -> None:
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.regions = np.load(folder / "regions.npy", mmap_mode="r")
        self.figures = np.load(folder / "figures.npy")
        self.seeds = seeds = np.load(folder / "seeds.npy")
        self.learn = np.flatnonzero(seeds % HELD_BACK != 0)
        self.check = np.flatnonzero(seeds % HELD_BACK == 0)
        hats, glasses = wears(self.regions, self.figures)
        self.hats, self.glasses = np.intersect1d(hats, self.learn), np.intersect1d(glasses, self.learn)

    def region_weights(self) -> Tensor:
        """(regions,) float32: one over the root of how many pixels a region has, on average 1."""
        sample = self.regions[self.learn[:: max(1, len(self.learn) // 500)]]
        counts = np.bincount(sample.ravel(), minlength=256)[: len(Region)] + 1.0
        weights = counts**-0.5
        return torch.tensor(weights / weights.mean(), dtype=torch.float32)

    def batch(self, chosen: np.ndarray, random: np.random.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """Pixels (N, 3, S, S) in -1 … 1, regions (N, S, S), figures (N, F); augmented where `random` is given."""
        pairs, figures = [], []
        for index in chosen:
            face = self.face(index)
            if random is None:
                pairs.append(plain(face.image, face.regions))
            else:
                face = self.dressed(face, random)
                other = self.images[random.choice(self.learn)]
                pairs.append(augment(face.image, face.regions, other, random))
            figures.append(face.figures)
        pixels = torch.from_numpy(np.stack([pair[0] for pair in pairs])).permute(0, 3, 1, 2).float() / 127.5 - 1
        regions = torch.from_numpy(np.stack([pair[1] for pair in pairs])).long()
        return pixels.contiguous(memory_format=torch.channels_last), regions, torch.from_numpy(np.stack(figures))

    def face(self, index: int) -> Face:
        """One face of the cache."""
        return Face(self.images[index], self.regions[index], self.figures[index])

    def dressed(self, face: Face, random: np.random.Generator) -> Face:
        """The face, now and then with the hat or the glasses of another."""
        if face.figures[GLASSES] == 0 and len(self.glasses) and random.random() < SPECTACLES:
            face = put_glasses(face, self.face(random.choice(self.glasses)), random)
        if face.figures[HAT] == 0 and len(self.hats) and random.random() < HATS:
            face = put_hat(face, self.face(random.choice(self.hats)), random)
        return face

    def batches(self, epoch: int, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """One epoch in an order of its own; the next batch is made while the network learns from the last."""
        random = np.random.default_rng([SEED, epoch])
        order = random.permutation(self.learn)
        parts = [order[start : start + size] for start in range(0, len(order) - size + 1, size)]
        with ThreadPoolExecutor(1) as worker:
            waiting = worker.submit(self.batch, parts[0], random)
            for part in [*parts[1:], None]:
                ready = waiting.result()
                if part is not None:
                    waiting = worker.submit(self.batch, part, random)
                yield ready


def loss_of(outputs: tuple[Tensor, Tensor], regions: Tensor, figures: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of pixels, overlap of regions, cross-entropy of figures; what is not known costs nothing."""
    scores, logits = outputs[0].float(), outputs[1].float()
    pixels = functional.cross_entropy(scores, regions, weights, ignore_index=OUTSIDE)
    known = (regions != OUTSIDE)[:, None]
    truth = functional.one_hot(regions.clamp(max=len(Region) - 1), len(Region)).permute(0, 3, 1, 2) * known
    likely = scores.softmax(1) * known
    both = (likely * truth).sum((0, 2, 3))
    overlap = (2 * both + 1) / (likely.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)
    said = ~figures.isnan()
    heads = functional.binary_cross_entropy_with_logits(logits[said], figures[said], reduction="none")
    share = torch.tensor([WEIGHTS.get(name, 1.0) for name in FIGURES]).expand_as(figures)[said]
    head = (heads * share).sum() / share.sum()
    return pixels + DICE * (1 - overlap.mean()) + HEAD * head


@torch.no_grad()
def check(network: Starter, faces: Faces) -> str:
    """Intersection over union of each region and error of each figure, on the faces held back."""
    network.eval()
    table = np.zeros((len(Region), len(Region)), np.int64)
    wrong, count = np.zeros(len(FIGURES)), np.zeros(len(FIGURES))
    for start in range(0, len(faces.check), 32):
        pixels, regions, figures = faces.batch(faces.check[start : start + 32], None)
        scores, logits = network(pixels)
        known = regions != OUTSIDE
        pairs = regions[known] * len(Region) + scores.argmax(1)[known]
        table += np.bincount(pairs.numpy(), minlength=table.size).reshape(table.shape)
        difference = (logits.sigmoid() - figures).abs()
        wrong += torch.where(figures.isnan(), 0.0, difference).sum(0).numpy()
        count += (~figures.isnan()).sum(0).numpy()
    overlap = table.diagonal() / np.maximum(table.sum(0) + table.sum(1) - table.diagonal(), 1)
    regions_said = " ".join(f"{region.name.lower()} {overlap[region]:.3f}" for region in Region)
    figures_said = " ".join(f"{name} {error:.3f}" for name, error in zip(FIGURES, wrong / count, strict=True))
    return f"mean IoU {overlap.mean():.3f} ({regions_said}); errors: {figures_said}"


class Training:
    """Network, averaged network, optimiser and how far they have come."""

    def __init__(self, rate: float) -> None:
        torch.manual_seed(SEED)
        self.network = Starter(len(Region), len(FIGURES)).to(memory_format=torch.channels_last)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
        )
        self.optimiser = torch.optim.AdamW(self.network.parameters(), lr=rate, weight_decay=0.02)
        self.rate, self.step, self.epoch = rate, 0, 0

    def parts(self) -> dict[str, Any]:
        """What has a state of its own."""
        return {"network": self.network, "average": self.average, "optimiser": self.optimiser}

    def save(self, path: Path) -> None:
        """Keep everything that `load` needs to go on as if nothing had happened."""
        state = {name: part.state_dict() for name, part in self.parts().items()} | {
            "step": self.step,
            "epoch": self.epoch,
        }
        torch.save(state, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)

    def load(self, path: Path) -> None:
        """Go on where `save` was called."""
        state = torch.load(path, weights_only=True)
        for name, part in self.parts().items():
            part.load_state_dict(state[name])
        self.step, self.epoch = state["step"], state["epoch"]

    def learn(self, batch: tuple[Tensor, Tensor, Tensor], weights: Tensor, done: float, bfloat16: bool) -> float:
        """One step; warm-up, then a cosine down to nothing as `done` goes from 0 to 1."""
        pace = min(1.0, (self.step + 1) / 200) * 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * pace
        pixels, regions, figures = batch
        self.network.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            outputs = self.network(pixels)
        loss = loss_of(outputs, regions, figures, weights)
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimiser.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return float(loss.detach())


def main() -> None:
    """Train, saving after each epoch."""
    parser = argparse.ArgumentParser(description="Train the starter's network.")
    parser.add_argument("work", type=Path, help="the folder of the whole training")
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--stop-after", type=int, help="pause after so many epochs of them; the same command goes on")
    parser.add_argument("--float32", action="store_true", help="slower; bfloat16 is as good where it was tried")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    faces = Faces(given.work / "cache")
    weights = faces.region_weights()
    training = Training(given.rate)
    checkpoint = given.work / "checkpoint.pt"
    if checkpoint.exists():
        training.load(checkpoint)
    steps = len(faces.learn) // given.batch
    print(f"{len(faces.learn)} faces to learn from, {len(faces.check)} to check on", flush=True)
    while training.epoch < min(given.epochs, given.stop_after or given.epochs):
        began = time.monotonic()
        torch.manual_seed(1000 * SEED + training.epoch)  # for what the network drops, so that a pause changes nothing
        losses = [
            training.learn(batch, weights, (training.epoch + number / steps) / given.epochs, not given.float32)
            for number, batch in enumerate(faces.batches(training.epoch, given.batch))
        ]
        training.epoch += 1
        training.save(checkpoint)
        seconds = time.monotonic() - began
        print(f"epoch {training.epoch} loss {np.mean(losses):.4f} in {seconds:.0f} s", flush=True)
        if training.epoch % 5 == 0 or training.epoch == given.epochs:
            print(check(training.average.module, faces), flush=True)


if __name__ == "__main__":
    main()

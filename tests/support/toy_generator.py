"""A trainer plugin for tests that trains nothing and generates plates: colours from prompt, seed, strength."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from text2face_core import Component, GenerationRequest, ImageGenerator, Options, Rejection, Runtime, Trainer, hookimpl

READS = 60
"""Letters of a prompt that it reads."""


class PlateOptions(Options):
    base: str = "plates"
    refused: str = ""


class PlateGenerator(ImageGenerator):
    size = (48, 32)

    def __init__(self, options: PlateOptions, model: str | None) -> None:
        self.options = options
        self.model = model
        self.batches: list[int] = []
        self.notes = (f"plates of {options.base}",)

    def generate(self, requests: Sequence[GenerationRequest], on_step=None):
        self.batches.append(len(requests))
        refused = self.options.refused
        return [Rejection("it is refused") if refused and refused in one.prompt else plate(one) for one in requests]

    def identity(self, request: GenerationRequest) -> dict[str, str]:
        told = {"base": self.options.base, "revision": "0123456789abcdef", "sampler": "Plates"}
        return {**told, "lora": self.model, "lora_sha256": "ab" * 32} if self.model and request.scale else told

    def unread(self, prompts: Sequence[str]) -> list[str]:
        return [prompt[READS:] for prompt in prompts]


def plate(one: GenerationRequest) -> np.ndarray:
    """The image: four fields of a colour each."""
    told = f"{one.prompt}|{one.negative}|{one.seed}|{one.steps}|{one.guidance}|{one.scale}"
    colours = np.frombuffer(hashlib.blake2b(told.encode(), digest_size=12).digest(), np.uint8).reshape(2, 2, 3)
    return colours.repeat(one.height // 2, 0).repeat(one.width // 2, 1)


class PlateTrainer(Trainer):
    def __init__(self, options: PlateOptions) -> None:
        self.options = options

    def train(self, dataset, out, progress):
        raise AssertionError("nobody asked for a training")

    def generator(self, model: str | None) -> PlateGenerator:
        return PlateGenerator(self.options, model)


def build(options: PlateOptions, runtime: Runtime) -> PlateTrainer:
    return PlateTrainer(options)


@hookimpl
def t2f_trainers() -> Iterable[Component]:
    yield Component("plates", build, PlateOptions, summary="generates plates")

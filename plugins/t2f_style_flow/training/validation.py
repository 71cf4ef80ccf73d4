"""Validation: the loss on held-out faces, and images of the same prompts and seeds each time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from text2face_core.contracts import GenerationRequest, Rejection
from text2face_core.training import (
    SHEET,
    averaged_weights,
    draw_contact_sheet,
    read_metric,
    sample_folder,
    sample_name,
)
from text2face_core.utils import replacing

from ..generation.generator import StyleImageGenerator

if TYPE_CHECKING:
    from text2face_core.training import MetricsLog, TrainingContext

    from ..options import StyleFlowOptions
    from .prepare import FaceData, FaceLoader
    from .trainable import TrainableFlow

TIMES = (0.125, 0.375, 0.625, 0.875)
SIDE = 256


class Stopped(Exception):
    """A signal asked to stop during validation."""


@dataclass(slots=True)
class FaceValidator:
    """Validates a model; writes to train.jsonl, TensorBoard, OUT/validation and OUT/contact_sheet.png."""

    context: TrainingContext[StyleFlowOptions]
    model: TrainableFlow
    data: FaceData
    loader: FaceLoader
    log: MetricsLog
    _generator: StyleImageGenerator | None = field(default=None)

    def __call__(self, step: int) -> bool:
        """Validate after `step` steps; False if a signal interrupted it, which train.jsonl then does not record."""
        self.model.network.eval()
        try:
            with averaged_weights(self.model.optimizer, self.model.average):
                self._validate(step)
        except Stopped:
            return False
        finally:
            self.model.network.train()
        return True

    def _validate(self, step: int) -> None:
        context, options = self.context, self.context.options
        loss = None
        if len(self.data.held_out):
            loss = self._loss()
            context.progress.say(f"step {step}: validation loss {loss:.4f}")
        self._draw(step, self._check_stop)
        if loss is not None:
            self.log.write(step, {"validation_loss": loss}, group="validation")
        if not options.prompts:
            return
        self.log.flush()
        losses = read_metric(context.out, "validation_loss")
        if sheet := draw_contact_sheet(context.out, options.prompts, options.prompt_seeds, losses):
            with replacing(context.out / SHEET) as temporary:
                sheet.save(temporary, "PNG")
            self.log.picture(step, "samples", sheet)

    def _check_stop(self) -> None:
        if self.context.stop.wanted:
            raise Stopped

    @torch.no_grad()
    def _loss(self) -> float:
        """Mean squared error over held-out faces at four times each; noise and times belong to the face."""
        total, size = 0.0, self.context.options.batch_size
        for round_ in range(len(TIMES)):
            for first in range(0, len(self.data.held_out), size):
                self._check_stop()
                part = [int(one) for one in self.data.held_out[first : first + size]]
                times = [TIMES[(round_ + first + place) % len(TIMES)] for place in range(len(part))]
                batch = self.loader.load_validation_batch(part, times, round_)
                total += float(self.model.compute_loss(self.model.network, batch)) * len(part)
        return total / (len(TIMES) * len(self.data.held_out))

    def _draw(self, step: int, on_step: Callable[[], None]) -> None:
        """Save an image of each prompt and seed."""
        from PIL import Image

        options = self.context.options
        if not options.prompts:
            return
        if self._generator is None:
            self._generator = StyleImageGenerator(self.model.model, self.context.runtime, options, {})
        folder = sample_folder(self.context.out, step)
        for number, prompt in enumerate(options.prompts):
            for place, seed in enumerate(options.prompt_seeds):
                on_step()
                request = GenerationRequest(
                    prompt, seed, SIDE, SIDE, steps=options.inference_steps, guidance=options.guidance
                )
                (pixels,) = self._generator.generate([request])
                folder.mkdir(parents=True, exist_ok=True)
                if isinstance(pixels, Rejection):
                    continue
                Image.fromarray(pixels).save(folder / sample_name(number, place))

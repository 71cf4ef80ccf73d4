"""From a data set to a LoRA file: everything put together."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from text2face_core.contracts import CaptionedDataset, ImageGenerator, Progress, Runtime, TrainedModel, Trainer
from text2face_core.errors import PluginError, RunError
from text2face_core.run import RunDirectory
from text2face_core.utils import remove_unfinished

from . import _base, _settings
from ._checkpoints import Checkpoints
from ._feed import Feed
from ._loop import Loop
from ._lora import Student, add_text_lora, add_unet_lora
from ._loss import Diffusion
from ._material import gather
from ._optimiser import Average, Optimiser
from ._result import Result, write_result
from ._signals import listening
from ._validate import SHEET, Examination, averaged
from ._versions import explained
from ._watch import Log, figure

if TYPE_CHECKING:
    from .options import SdLoraOptions

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LONGEST_WAIT = timedelta(hours=6)
"""Other processes wait for the main one while it draws validation images, or for the slowest to encode its photos."""


class Silent:
    """The progress of processes that have nobody to tell."""

    def start(self, what: str, total: int, done: int = 0) -> None:
        """Nothing."""

    def advance(self, count: int, **counts: int) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


class SdLoraTrainer(Trainer):
    """LoRA on UNet and text encoder of Stable Diffusion 1.x and 2.x."""

    def __init__(self, options: SdLoraOptions, runtime: Runtime) -> None:
        self.options = options
        self.runtime = runtime
        if options.bucket_aspect > 1 and not options.cache_latents:
            raise PluginError(
                "sd_lora.bucket_aspect above 1 needs the cache, which knows sizes: leave cache_latents on"
            )

    def train(self, dataset: CaptionedDataset, out: Path, progress: Progress) -> TrainedModel:
        """Train on a run directory, imagefolder or web-dataset shards; the same command goes on where it was stopped.

        Raises KeyboardInterrupt after a checkpoint where SIGTERM or SIGINT came, RunError where the loss is no number.
        """
        with explained("set up accelerate"):
            accelerator = self.accelerator()
        progress = progress if accelerator.is_main_process else Silent()
        with self._alone(out, accelerator):
            try:
                return self._train(dataset, out, accelerator, progress)
            except torch.OutOfMemoryError as error:
                raise RunError(self._too_large(accelerator.device)) from error

    def generator(self, model: str | None) -> ImageGenerator:
        """What draws with a LoRA on its base model, or with the base model alone."""
        from ._generate import open_generator

        return open_generator(model, self.options, self.runtime)

    def _train(
        self, dataset: CaptionedDataset, out: Path, accelerator: Accelerator, progress: Progress
    ) -> TrainedModel:
        options, runtime = self.options, self.runtime
        checkpoints = Checkpoints(out / "checkpoints", options.keep_checkpoints)
        settings = self._settings(dataset, accelerator)
        self._prepare(out, checkpoints, settings, accelerator, progress)
        base = _base.load(
            options.base,
            options.pinned,
            dtype=DTYPES[runtime.dtype],
            device=accelerator.device,
            offline=bool(runtime.models.offline),
            prediction=options.prediction,
        )
        resolution = options.resolution or base.resolution
        self._introduce(base, resolution, progress)
        material = gather(dataset, base, resolution, options, runtime, out, accelerator, progress)
        unet = add_unet_lora(base.unet, options, runtime.seed)
        text = add_text_lora(base.text_encoder, options, runtime.seed) if options.text_encoder else None
        student = self.student(base, accelerator.device)
        optimiser = Optimiser(unet, text, options)
        average = Average(optimiser.named, options.ema) if options.ema else None
        diffusion = Diffusion.of(base.scheduler).to(accelerator.device)
        scale = float(base.vae.config.scaling_factor)
        feed = Feed(material.moments, material.tokens, options, runtime.seed, scale=scale, noise_steps=diffusion.steps)
        checkpoint = checkpoints.latest()
        done = checkpoint.step if checkpoint else 0
        log = Log(out, done, tensorboard=options.tensorboard) if accelerator.is_main_process else None
        examine = Examination(
            base=base,
            student=student,
            options=options,
            feed=feed,
            diffusion=diffusion,
            held_out=material.held_out,
            average=average,
            optimiser=optimiser,
            log=log,
            out=out,
            resolution=resolution,
            progress=progress,
            accelerator=accelerator,
        )
        with listening() as stop:
            loop = Loop(
                options=options,
                seed=runtime.seed,
                accelerator=accelerator,
                student=accelerator.prepare_model(student),
                optimiser=optimiser,
                average=average,
                diffusion=diffusion,
                feed=feed,
                indices=material.trained,
                bucket=material.bucket,
                half=runtime.dtype == "float16",
                checkpoints=checkpoints,
                log=log,
                examine=examine,
                progress=progress,
                stop=stop,
            )
            if checkpoint:
                loop.restore(checkpoint)
                progress.say(f"going on after step {done} of {options.steps}")
            try:
                loop.run()
            finally:
                if log:
                    log.close()
        metrics = metrics_of(out)
        if accelerator.is_main_process:
            result = Result(
                out,
                base,
                unet,
                text,
                options,
                settings,
                dataset,
                material,
                resolution,
                metrics,
            )
            with averaged(optimiser, average):
                write_result(result, progress)
        accelerator.wait_for_everyone()
        return TrainedModel(out, metrics)

    def _too_large(self, device: torch.device) -> str:
        options = self.options
        ways = []
        if options.batch_size > 1:
            fewer = 1 if options.batch_size % 2 else options.batch_size // 2  # with as many photos a step
            passes = options.accumulation * options.batch_size // fewer
            ways.append(f"--batch-size {fewer} --set sd_lora.accumulation={passes}")
        if not options.gradient_checkpointing:
            ways.append("--set sd_lora.gradient_checkpointing=true")
        ways.append("a smaller --resolution")
        return f"the memory of {device} is too small for this training. Give the same command with {', or '.join(ways)}"

    # --- before training ---------------------------------------------------------------------------------------------

    def accelerator(self) -> Accelerator:
        device = _base.device_of(self.runtime.device)
        if device.type == "cuda":
            if device.index is not None:
                torch.cuda.set_device(device)
            torch.backends.cudnn.benchmark = True
            torch.backends.cudnn.allow_tf32 = self.options.tf32  # torch's own default allows it in convolutions
            if self.options.tf32:
                torch.set_float32_matmul_precision("high")
        if device.type == "cpu":
            torch.set_num_threads(self.runtime.threads)
            os.environ.setdefault("OMP_NUM_THREADS", str(self.runtime.threads))  # else accelerate sets it, and warns
        waits = InitProcessGroupKwargs(timeout=LONGEST_WAIT)
        return Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=[waits])

    @contextlib.contextmanager
    def _alone(self, out: Path, accelerator: Accelerator) -> Iterator[None]:
        if (out / "run.toml").is_file():
            raise RunError(f"{out} holds a run of t2f run: choose another --out for what is trained from it")
        lock = RunDirectory(out).lock() if accelerator.is_main_process else None
        try:
            yield
        finally:
            if lock:
                lock.release()

    def _settings(self, dataset: CaptionedDataset, accelerator: Accelerator) -> dict[str, Any]:
        options = self.options
        per_step = options.batch_size * options.accumulation * accelerator.num_processes
        about = {
            "source": str(dataset.path.absolute()),
            "fingerprint": dataset.fingerprint,
            "fusers": list(dataset.fusers),
        }
        return _settings.settings_of(options, self.runtime.seed, self.runtime.dtype, per_step, about)

    def _prepare(
        self,
        out: Path,
        checkpoints: Checkpoints,
        settings: dict[str, Any],
        accelerator: Accelerator,
        progress: Progress,
    ) -> None:
        """Settle with what `out` holds already."""
        if accelerator.is_main_process:
            remove_unfinished(checkpoints.folder)
            before = None if self.options.resume == "never" else _settings.read(out)
            if self.options.resume == "never":
                checkpoints.clear()
            if before is None and checkpoints.steps():
                raise RunError(
                    f"{out} holds checkpoints, and no {_settings.NAME} that says of what training: put it back, choose "
                    "another --out, or begin anew with --fresh"
                )
            if not checkpoints.steps():
                for name in ("validation", "tensorboard"):
                    shutil.rmtree(out / name, ignore_errors=True)
                for name in ("train.jsonl", SHEET):
                    (out / name).unlink(missing_ok=True)
            elif before and (words := _settings.check(before, settings, out, self.options.resume)):
                progress.say(f"going on with other settings: {'; '.join(words)}")
            if (steps := checkpoints.steps()) and steps[-1] > self.options.steps:
                raise RunError(
                    f"{out} holds a training of {steps[-1]} steps already, more than the {self.options.steps} asked "
                    "for: choose another --out, or begin anew with --fresh"
                )
            _settings.write(out, settings)
        accelerator.wait_for_everyone()

    def _introduce(self, base: _base.Base, resolution: int, progress: Progress) -> None:
        commit = f" @ {base.revision[:12]}" if base.revision else ""
        progress.say(f"base model {base.name}{commit} ({base.licence}), {base.prediction}, {resolution} px")
        for note in base.notes:
            progress.say(note)
        if resolution != base.resolution:
            progress.say(f"the base model was made for {base.resolution} px; at {resolution} px it draws worse")

    def student(self, base: _base.Base, device: torch.device) -> Student:
        options = self.options
        if options.gradient_checkpointing:
            base.unet.enable_gradient_checkpointing()
            if options.text_encoder:
                encoder = base.text_encoder  # from 5.2x on transformers calls it otherwise
                switch = getattr(encoder, "activation_checkpointing_enable", encoder.gradient_checkpointing_enable)
                switch({"use_reentrant": False})
        if device.type == "cuda" if options.channels_last is None else options.channels_last:
            base.unet.to(memory_format=torch.channels_last)
        if options.cache_latents and not options.prompts:
            base.vae.to("cpu")
        student = Student(base.unet, base.text_encoder, trains_text=options.text_encoder)
        student.train()  # transformers checkpoints gradients in this mode only; there is no dropout
        if options.compile:
            base.unet.compile(dynamic=False)
        return student


def metrics_of(out: Path) -> dict[str, float]:
    """What a training ended with: mean loss of the last hundred steps, first and last validation loss."""
    losses, exams = list(figure(out, "loss").values()), list(figure(out, "validation_loss").values())
    metrics = {"loss": float(np.mean(losses[-100:]))} if losses else {}
    return metrics | ({"validation_loss_before": exams[0], "validation_loss": exams[-1]} if exams else {})

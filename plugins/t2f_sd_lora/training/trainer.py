"""Train a LoRA on a captioned data set: all parts put together."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs

from text2face_core.contracts import CaptionedDataset, ImageGenerator, Progress, Runtime, TrainedModel, Trainer
from text2face_core.errors import PluginError, RunError
from text2face_core.training import (
    Checkpoints,
    Loop,
    MetricsLog,
    SilentProgress,
    StopRequest,
    TrainingContext,
    averaged_weights,
    catch_signals,
    lock_out,
    prepare_out,
    summarize_metrics,
)

from ..model.base import StableDiffusion, load_base
from ..model.devices import DTYPES, find_device
from ..model.versions import explained
from ..options import SdLoraOptions
from ..output.pictures import check_pictures
from ..output.result import TrainingResult, write_result
from ..output.settings import RULES, collect_settings
from .loader import BatchLoader
from .prepare import TrainingData, prepare_data
from .trainable import TrainableModel, build_trainable
from .validation import Validator

NAME = "sd_lora"
LONGEST_WAIT = timedelta(hours=6)
"""How long processes wait for the main process to generate validation images, or for the slowest to encode photos."""


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
        """Train on a captioned data set; the same command resumes a training that was stopped.

        Raises KeyboardInterrupt on SIGTERM or SIGINT, after writing a checkpoint; RunError when the loss is not finite.
        """
        with explained("set up accelerate"):
            accelerator = make_accelerator(self.options, self.runtime)
        shown = progress if accelerator.is_main_process else SilentProgress()
        context = TrainingContext(NAME, self.options, self.runtime, accelerator, out, shown, StopRequest())
        with lock_out(context):
            try:
                return run_training(context, dataset)
            except torch.OutOfMemoryError as error:
                raise RunError(describe_full_memory(self.options, context.device)) from error

    def generator(self, model: str | None) -> ImageGenerator:
        """Load a LoRA and its base model, or the base model alone, to generate images."""
        from ..generation.generator import open_generator

        return open_generator(model, self.options, self.runtime)


def run_training(context: TrainingContext[SdLoraOptions], dataset: CaptionedDataset) -> TrainedModel:
    """Prepare the data, train, and write the result."""
    options = context.options
    checkpoints = Checkpoints(context.out / "checkpoints", options.keep_checkpoints, NAME)
    settings = collect_settings(context, dataset)
    prepare_out(context, checkpoints, settings, RULES)
    base = load_base(
        options.base,
        options.pinned,
        dtype=DTYPES[context.runtime.dtype],
        device=context.device,
        offline=bool(context.runtime.models.offline),
        prediction=options.prediction,
    )
    resolution = options.resolution or base.resolution
    describe_base(base, resolution, context.progress)
    data = prepare_data(context, dataset, base, resolution)
    check_pictures(context, dataset, data, checkpoints)
    model = build_trainable(context, base)
    run_loop(context, model, data, checkpoints)
    metrics = summarize_metrics(context.out)
    if context.is_main:
        result = TrainingResult(context, model, settings, dataset, data, metrics)
        with averaged_weights(model.optimizer, model.average):
            write_result(result)
    context.accelerator.wait_for_everyone()
    return TrainedModel(context.out, metrics)


def run_loop(
    context: TrainingContext[SdLoraOptions], model: TrainableModel, data: TrainingData, checkpoints: Checkpoints
) -> None:
    """Train from the last checkpoint, or from the beginning, to the end."""
    options = context.options
    loader = BatchLoader(
        data.latents, data.tokens, options, context.runtime.seed, model.latent_scale, len(model.schedule)
    )
    checkpoint = checkpoints.latest()
    done = checkpoint.step if checkpoint else 0
    log = MetricsLog(context.out, done, tensorboard=options.tensorboard) if context.is_main else None
    validate = Validator(context, model, data, loader, log)
    with catch_signals(context.stop):
        loop = Loop(context, model, data, loader, checkpoints, log, validate)
        if checkpoint:
            loop.restore(checkpoint)
            context.progress.say(f"resuming after step {done} of {options.steps}")
        try:
            loop.run()
        finally:
            if log:
                log.close()


def make_accelerator(options: SdLoraOptions, runtime: Runtime) -> Accelerator:
    """Set up torch for the device, and find the other processes."""
    device = find_device(runtime.device)
    if device.type == "cuda":
        if device.index is not None:
            torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = options.tf32  # torch's own default allows it in convolutions
        if options.tf32:
            torch.set_float32_matmul_precision("high")
    if device.type == "cpu":
        torch.set_num_threads(runtime.threads)
        with contextlib.suppress(RuntimeError):  # it can be set once, and before anything is computed in parallel
            torch.set_num_interop_threads(1)
        os.environ.setdefault("OMP_NUM_THREADS", str(runtime.threads))  # else accelerate sets it, and warns
    waits = InitProcessGroupKwargs(timeout=LONGEST_WAIT)
    return Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=[waits])


def describe_base(base: StableDiffusion, resolution: int, progress: Progress) -> None:
    """Report what is trained, and what the user should know about it."""
    commit = f" @ {base.revision[:12]}" if base.revision else ""
    progress.say(f"base model {base.name}{commit} ({base.licence}), {base.prediction}, {resolution} px")
    for note in base.notes:
        progress.say(note)
    if resolution != base.resolution:
        progress.say(f"the base model was made for {base.resolution} px; at {resolution} px its images are worse")


def describe_full_memory(options: SdLoraOptions, device: torch.device) -> str:
    """What to change when the device's memory is too small."""
    ways = []
    if options.batch_size > 1:
        fewer = 1 if options.batch_size % 2 else options.batch_size // 2  # with as many photos per step
        passes = options.accumulation * options.batch_size // fewer
        ways.append(f"--batch-size {fewer} --set sd_lora.accumulation={passes}")
    if not options.gradient_checkpointing:
        ways.append("--set sd_lora.gradient_checkpointing=true")
    ways.append("a smaller --resolution")
    return f"the memory of {device} is too small for this training. Run the same command with {', or '.join(ways)}"

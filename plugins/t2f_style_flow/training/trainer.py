"""Train a style flow on a captioned data set: all parts put together."""

from __future__ import annotations

import contextlib
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from text2face_core import __version__
from text2face_core.contracts import CaptionedDataset, ImageGenerator, Progress, Runtime, TrainedModel, Trainer
from text2face_core.training import (
    Checkpoints,
    Loop,
    MetricsLog,
    SettingsRules,
    SingleProcess,
    StopRequest,
    TrainingContext,
    averaged_weights,
    catch_signals,
    describe_dataset,
    lock_out,
    prepare_out,
    summarize_metrics,
)
from text2face_core.utils import stream_seed

from ..faces.artifacts import NAME as GENERATOR
from ..faces.generator import MobileStyleGan
from ..model.files import StyleModel, find_model, hash_file, load_model
from ..model.network import Sizes, StyleFlow
from ..model.space import SAMPLES, StyleSpace
from ..model.words import SPECIAL, WordPieces, make_pieces
from ..output.result import write_result
from .prepare import FaceLoader, FaceTable, prepare_faces
from .trainable import TrainableFlow, build_trainable
from .validation import FaceValidator

if TYPE_CHECKING:
    from ..options import StyleFlowOptions
    from .prepare import FaceData

NAME = "style_flow"
RULES = SettingsRules(
    free=frozenset({"radius"}),
    form=("base", "train", "rank", "alpha", "text_encoder", "flow", "vocabulary", "context", "axes", "width", "blocks"),
)


class StyleFlowTrainer(Trainer):
    """A conditional flow in a face generator's style space: trained in full, or by LoRA on a base."""

    def __init__(self, options: StyleFlowOptions, runtime: Runtime) -> None:
        self.options = options
        self.runtime = runtime

    def train(self, dataset: CaptionedDataset, out: Path, progress: Progress) -> TrainedModel:
        """Train on a captioned data set; the same command resumes a training that was stopped.

        Raises KeyboardInterrupt on SIGTERM or SIGINT, after writing a checkpoint; RunError when the loss is not finite.
        """
        set_threads(self.runtime.threads)
        worker = SingleProcess(torch.device("cpu"))  # on a GPU, steps this small would not be faster
        context = TrainingContext(NAME, self.options, self.runtime, worker, out, progress, StopRequest())
        with lock_out(context):
            return run_training(context, dataset)

    def generator(self, model: str | None) -> ImageGenerator:
        """Load a model, or a LoRA and its base, to generate images; None for the base alone."""
        from ..generation.generator import open_generator

        return open_generator(model, self.options, self.runtime)


def set_threads(count: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(count)
    with contextlib.suppress(RuntimeError):  # it can be set once, and before anything is computed in parallel
        torch.set_num_interop_threads(1)


def run_training(context: TrainingContext[StyleFlowOptions], dataset: CaptionedDataset) -> TrainedModel:
    """Prepare the data, train, and write the result."""
    options, out = context.options, context.out
    checkpoints = Checkpoints(out / "checkpoints", options.keep_checkpoints, NAME)
    settings = collect_settings(context, dataset)
    prepare_out(context, checkpoints, settings, RULES)
    table = FaceTable.read(dataset)
    model = start_model(context, table)
    data = prepare_faces(table, model.space, model.words, context.runtime.seed, options.held_out)
    describe_data(data, model, context.progress)
    trainable = build_trainable(model, options, context.runtime.seed)
    run_loop(context, trainable, data, checkpoints)
    metrics = summarize_metrics(out)
    with averaged_weights(trainable.optimizer, trainable.average):
        write_result(context, trainable, data, settings, RULES, metrics)
    return TrainedModel(out, metrics)


def start_model(context: TrainingContext[StyleFlowOptions], table: FaceTable) -> StyleModel:
    """The base, or a new model with random weights and a vocabulary of these captions."""
    options, seed = context.options, context.runtime.seed
    if options.base:
        return load_model(find_model(options.base))
    renderer = MobileStyleGan(context.runtime)
    space = StyleSpace.measure(renderer.many(SAMPLES), options.axes)
    texts = (text for texts in table.texts for text in texts)
    words = WordPieces(make_pieces(texts, options.vocabulary), options.context)
    sizes = Sizes(len(words.pieces) + len(SPECIAL), axes=len(space.spread), width=options.width, blocks=options.blocks)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, "weights") % (1 << 63))
        network = StyleFlow(sizes)
    return StyleModel(network, words, space, {"generator": GENERATOR})


def run_loop(
    context: TrainingContext[StyleFlowOptions], model: TrainableFlow, data: FaceData, checkpoints: Checkpoints
) -> None:
    """Train from the last checkpoint, or from the beginning, to the end."""
    options, seed = context.options, context.runtime.seed
    loader = FaceLoader(data, options, seed)
    checkpoint = checkpoints.latest()
    done = checkpoint.step if checkpoint else 0
    log = MetricsLog(context.out, done, tensorboard=options.tensorboard)
    validate = FaceValidator(context, model, data, loader, log)
    with catch_signals(context.stop):
        loop = Loop(context, model, data, loader, checkpoints, log, validate)
        if checkpoint:
            loop.restore(checkpoint)
            context.progress.say(f"resuming after step {done} of {options.steps}")
        try:
            loop.run()
        finally:
            log.close()


def collect_settings(context: TrainingContext[StyleFlowOptions], dataset: CaptionedDataset) -> dict[str, Any]:
    """The content of train.toml: plain data without None."""
    options = context.options.model_dump(mode="json", exclude_none=True)
    if context.options.base:
        path = find_model(context.options.base)
        options |= {"base": str(path.parent.absolute()), "base_sha256": hash_file(path)}
    return {
        "text2face": __version__,
        "trainer": NAME,
        "seed": context.runtime.seed,
        "dtype": "float32",
        "photos_per_step": context.photos_per_step,
        "dataset": describe_dataset(dataset),
        "options": options,
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__)},
    }


def describe_data(data: FaceData, model: StyleModel, progress: Progress) -> None:
    """Report what is trained on."""
    progress.say(f"{data.captions:,} captions, a vocabulary of {len(model.words):,} pieces")
    if data.skipped:
        progress.say(f"{data.skipped} photos have no style vector and are left out")
    held = f", {len(data.held_out)} held out" if len(data.held_out) else ""
    progress.say(f"{len(data.trained)} faces to train on{held}")

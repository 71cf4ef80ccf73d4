"""What `t2f generate`, `sweep` and `compare` share: their options, the generator, how it ends."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import DONE, SOME_FAILED
from .common import plugins_of, store_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..contracts import GenerationRequest, ImageGenerator, Progress
    from ..generation import GenerationResult, ImageSpec

NONE = "none"
"""In the place of a LoRA: the base model alone."""


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.2
    """A side of squares, or width and height."""

    name = "N|WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(width, height) in pixels, both above 0."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", value.strip())
        size = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if min(size) < 1:
            self.fail(f"{value} is no size: write 768, or 768x512 for width and height", param, ctx)
        return size


def generation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that all three take."""
    for option in reversed(
        (
            click.option(
                "--base", metavar="ID|PATH", help="The base model.  [default: the one the LoRA was trained on]"
            ),
            click.option(
                "--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Other noise."
            ),
            click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Steps of denoising."),
            click.option(
                "--resolution", type=Size(), help="Side of the pictures in pixels, or WxH.  [default: the model's own]"
            ),
            click.option(
                "--guidance", type=click.FloatRange(1), default=7.5, show_default=True, help="How much words count."
            ),
            click.option("--negative", default="", metavar="PROMPT", help="What the pictures shall not show."),
            click.option(
                "--lora-scale", "scale", type=float, default=1.0, show_default=True, help="Strength of the LoRA."
            ),
            click.option(
                "--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Pictures at once."
            ),
            click.option(
                "--plugins", default="", metavar="NAME", help="The trainer that draws, where there are several."
            ),
            click.option(
                "--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one of its options."
            ),
            click.option("--device", help="cpu, cuda, cuda:1, mps.  [default: a GPU where there is one]"),
            click.option(
                "--dtype",
                type=click.Choice(["float32", "bfloat16", "float16"]),
                help="Precision of the networks.  [default: bfloat16 on a GPU that has it, else float32]",
            ),
            click.option("--threads", type=click.IntRange(0), default=0, help="Threads on the CPU; 0 for all cores."),
            click.option("--offline", is_flag=True, default=None, help="Fetch no model files."),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class GenerationSession:
    """Everything to draw with. like: a request with all but prompt and seed settled."""

    generator: ImageGenerator
    like: GenerationRequest
    progress: Progress
    batch_size: int

    def cell(self, width: int | None) -> tuple[int, int]:
        """The size of a picture on a sheet: as it is drawn, or of that width."""
        drawn = (self.like.width, self.like.height)
        return (width, max(1, round(width * drawn[1] / drawn[0]))) if width else drawn

    def generate(self, pictures: Sequence[ImageSpec], folder: Path) -> GenerationResult:
        """Draw what is not there yet, and say what could not be drawn and which prompts are too long."""
        from ..generation import generate_images, warn_of_unread

        prompts = [text for picture in pictures for text in (picture.request.prompt, picture.request.negative)]
        warn_of_unread(self.generator, prompts, self.progress)
        try:
            drawn = generate_images(self.generator, pictures, folder, self.batch_size, self.progress)
        except KeyboardInterrupt:
            click.echo("t2f: stopped; the same command goes on from here", err=True)
            raise
        for reason in drawn.reasons:
            self.progress.say(f"no picture: {reason}")
        return drawn


def open_session(ctx: click.Context, model: str, given: dict[str, Any]) -> GenerationSession:
    """Load the base model and the LoRA, and say what there is to know of them."""
    from ..contracts import GenerationRequest, Runtime
    from ..recipe import Recipe
    from .progress import make_progress
    from .train import hardware, trainer_of

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    plugins = plugins_of(ctx)
    said = {} if given["base"] is None else {"base": given["base"]}
    recipe = with_overrides(Recipe.load("starter"), plugins, given)
    registered, options = trainer_of(recipe, plugins, said)
    device, dtype, threads = hardware(given)
    runtime = Runtime(store_of(ctx, offline=given["offline"]), device, dtype, threads, given["seed"])
    progress = make_progress(quiet=bool((ctx.find_root().obj or {}).get("quiet")), unit="image")
    generator = plugins.build(registered, options, runtime).generator(None if model == NONE else model)
    for note in generator.notes:
        progress.say(note)
    width, height = given["resolution"] or generator.size
    like = GenerationRequest(
        "",
        given["seed"],
        width,
        height,
        given["negative"],
        given["steps"],
        given["guidance"],
        0.0 if model == NONE else given["scale"],
    )
    return GenerationSession(generator, like, progress, given["batch_size"])


def with_overrides(recipe: Any, plugins: Any, given: dict[str, Any]) -> Any:
    """The recipe with --plugins and --set."""
    from ..plugins import split_names

    return recipe.with_plugins(plugins, split_names(given["plugins"])).with_settings(given["settings"])


def default_folder(model: str) -> Path:
    """drawings/NAME OF THE LORA."""
    path = Path(model).absolute() if Path(model).exists() else Path(model)
    name = path.stem if path.suffix == ".safetensors" else path.name
    if name == "pytorch_lora_weights" and path.parent.name:
        name = path.parent.name
    return Path("drawings") / (name or NONE)


def code_of(drawn: GenerationResult) -> int:
    """The exit code."""
    return SOME_FAILED if drawn.failed else DONE

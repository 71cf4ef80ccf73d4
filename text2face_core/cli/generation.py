"""Options that `t2f generate`, `sweep` and `compare` share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from . import DONE, SOME_FAILED
from .common import plugins_of, quiet_of, store_of

if TYPE_CHECKING:
    from ..generation import GenerationResult


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.2
    """The side of a square, or width and height."""

    name = "N|WxH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """(width, height) in pixels, both above 0."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"(\d{1,5})(?:[x×](\d{1,5}))?", value.strip())
        size = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        if min(size) < 1:
            self.fail(f"{value} is not a size: write 768, or 768x512 for width and height", param, ctx)
        return size


_OPTIONS = (
    click.option("--base", metavar="ID|PATH", help="Base model.  [default: the one the LoRA was trained on]"),
    click.option(
        "--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Random seed of the noise."
    ),
    click.option(
        "--steps", type=click.IntRange(1), help="Denoising steps.  [default: the model's own, 50 for Stable Diffusion]"
    ),
    click.option("--resolution", type=Size(), help="Side of the images in pixels, or WxH.  [default: the model's own]"),
    click.option(
        "--guidance",
        type=click.FloatRange(1),
        help="Classifier-free guidance scale: how strongly the prompt steers the image.  [default: the model's own, "
        "7.5 for Stable Diffusion]",
    ),
    click.option("--negative", default="", metavar="PROMPT", help="Negative prompt: what the images should not show."),
    click.option("--lora-scale", "scale", type=float, default=1.0, show_default=True, help="Strength of the LoRA."),
    click.option("--batch-size", type=click.IntRange(1), default=4, show_default=True, help="Images at once."),
    click.option("--plugins", default="", metavar="NAME", help="The trainer plugin, if several are installed."),
    click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one of its options."),
    click.option("--device", help="cpu, cuda, cuda:1, mps.  [default: a GPU, if there is one]"),
    click.option(
        "--dtype",
        type=click.Choice(["float32", "bfloat16", "float16"]),
        help="Precision of the networks.  [default: bfloat16 on a GPU that has it, else float32]",
    ),
    click.option(
        "--threads", type=click.IntRange(0), default=0, help="CPU threads; 0: one for each usable core, at most 16."
    ),
    click.option("--offline", is_flag=True, default=None, help="Fetch no model files."),
)


def generation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that all three verbs take; `settings_from` makes settings of them."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def settings_from(ctx: click.Context, given: dict[str, Any]) -> dict[str, Any]:
    """The settings of `library.GenerationSettings`, from the options as given."""
    from .progress import make_progress

    return {
        **given,
        "available": plugins_of(ctx),
        "models": store_of(ctx, offline=given["offline"]),
        "progress": make_progress(quiet=quiet_of(ctx), unit="image"),
    }


def code_of(result: GenerationResult) -> int:
    """The exit code."""
    return SOME_FAILED if result.failed else DONE

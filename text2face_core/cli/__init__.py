"""`t2f`: a module per verb, imported only when it is used, so that `t2f --help` answers at once."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from .._version import __version__
from ..errors import NothingToDo, Text2FaceError
from . import process

VERBS = {
    "run": ("run:run", "Caption photos: find the face, analyse it, write captions, leave a data set and a report."),
    "plan": ("plan:plan", "Estimate what a run will take: hours, disk, model files, tokens."),
    "fuse": ("run:fuse", "Write the captions of a finished run again, with another fuser or other settings."),
    "caption": ("run:fuse", "Another name of fuse."),
    "prompt": ("prompt:prompt", "Show the prompt of a fuser's language model for a photo of a run."),
    "check": ("check:check", "Check what captions mention, miss and invent, compared with their bags of words."),
    "stats": ("stats:stats", "Print the figures of a run's captions: recall, inventions, length, variety, speed."),
    "report": ("report:report", "Write the HTML report of a run again."),
    "repair": ("repair:repair", "Repair a run whose files are damaged."),
    "export": ("export:export", "Export a run as a data set for trainers."),
    "import": ("import_captions:import_", "Read captions that were edited elsewhere back into a run."),
    "faces": ("faces:faces", "Render portraits of people who do not exist, to caption and train on."),
    "train": ("train:train", "Train a text-to-image model on captioned photos."),
    "generate": ("generate:generate", "Generate images of prompts."),
    "sweep": ("sweep:sweep", "Generate one prompt with changing words, as a labelled grid."),
    "compare": ("compare:compare", "Compare images of the base model and of the LoRA, side by side."),
    "evaluate": ("evaluate:evaluate", "Measure whether images show what prompts say, and for whom."),
    "demo": ("demo:demo", "Caption, tune, generate and measure, in a few minutes on a laptop."),
    "settings": ("settings:settings", "List every setting of photos, faces, captions, bag and dataset."),
    "plugins": ("plugins:plugins", "List, show and create plugins."),
    "models": ("models:models", "List, fetch and check model files."),
    "doctor": ("doctor:doctor", "Show what is installed, what is missing, and how to get it."),
}

DONE, SOME_FAILED, WRONG_USAGE, NOTHING_TO_DO, INTERNAL_ERROR, INTERRUPTED = 0, 1, 2, 3, 70, 130


class LazyGroup(click.Group):
    """A group that knows its commands' names and short helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Verbs, in the order in which they are usually needed."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb's module."""
        if cmd_name not in VERBS:
            return None
        module, _, attribute = VERBS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f".{module}", __name__), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list of verbs in `t2f --help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, "--version", prog_name="t2f")
@click.option("-v", "--verbose", count=True, help="Log level: more messages; twice for all of them.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors.")
@click.option("--log-file", type=click.Path(dir_okay=False), help="Log file: all messages with time and place.")
@click.option("--no-plugins", is_flag=True, help="Only built-in plugins.")
@click.pass_context
def cli(ctx: click.Context, verbose: int, quiet: bool, log_file: str | None, no_plugins: bool) -> None:
    """Photos of faces in, accurate captions out.

    \b
    t2f run PHOTOS                     captions, data set and report in runs/PHOTOS
    t2f run PHOTOS --plugins NAME,…    with other plugins (see: t2f plugins list)
    t2f plugins new NAME               start a plugin of your own

    \b
    finding        one observed characteristic of a face, with a value and a score: age = 34
    bag of words   the findings of a photo in words; a caption is asked to say them
    fuser          the plugin that writes captions from bags of words
    recipe         which plugins run and with what options; a TOML file

    Findings are estimates of models and can be wrong, above all about age, gender and ethnicity.
    """
    given = {"verbose": verbose, "quiet": quiet, "log_file": log_file, "no_plugins": no_plugins}
    ctx.obj = {**(ctx.obj or {}), **given}
    if ctx.invoked_subcommand:
        from .common import set_up_logging

        set_up_logging(ctx, verbose, quiet=quiet, log_file=log_file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `t2f` and return its exit code.

    Args:
        arguments: What stands behind `t2f`; by default those of this process, which then belongs to `t2f` alone: after
            an interruption it ends without waiting for its threads.

    Returns:
        0 done, 1 done but some photos failed, 2 wrong usage, 3 nothing to do, 70 internal error, 130 interrupted.
    """
    process.open_streams()
    with process.interruptible(alone=arguments is None):
        try:
            code = _run(sys.argv[1:] if arguments is None else list(arguments), alone=arguments is None)
        except BaseException as error:  # noqa: BLE001  each has its exit code
            code = _code_of(error)
    code = process.flush(code, WRONG_USAGE)
    if arguments is None and code == INTERRUPTED:
        os._exit(code)  # a thread inside a decoder may need minutes to come back
    return code


def _run(arguments: list[str], *, alone: bool) -> int:
    if "_T2F_COMPLETE" in os.environ:
        cli.main(arguments, prog_name="t2f")
    with cli.make_context("t2f", arguments, obj={"alone": alone}) as context:
        result: Any = cli.invoke(context)
    return result if isinstance(result, int) else DONE


def _code_of(error: BaseException) -> int:  # noqa: PLR0911  one for each kind of error
    """Print an error as a single line, and return its exit code."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case SystemExit():
            return error.code if isinstance(error.code, int) else DONE
        case click.ClickException():
            error.show()
            return WRONG_USAGE
        case click.Abort() | KeyboardInterrupt():
            return INTERRUPTED
        case Text2FaceError():
            process.say(str(error))
            return NOTHING_TO_DO if isinstance(error, NothingToDo) else WRONG_USAGE
        case BrokenPipeError():
            return DONE
        case OSError() if process.is_the_systems(error):
            process.say(process.explain(error))
            return WRONG_USAGE
        case _:
            process.report(error)
            return INTERNAL_ERROR

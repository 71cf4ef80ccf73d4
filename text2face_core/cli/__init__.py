"""`t2f`: one verb per module, each imported only when it is used, so that `t2f --help` answers at once."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import Any

import click

from .._version import __version__
from ..errors import NothingToDo, Text2FaceError

VERBS = {
    "run": ("run:run", "Caption photos: find the face, read it, write captions, leave a data set and a report."),
    "fuse": ("run:fuse", "Write the captions of a finished run again, with another fuser or other settings."),
    "prompt": ("prompt:prompt", "Show what a fuser's language model is told for a photo of a run."),
    "check": ("check:check", "Say what captions mention, miss and invent against their bags."),
    "stats": ("stats:stats", "Print the figures of a run's captions: recall, inventions, length, variety, speed."),
    "report": ("report:report", "Make the HTML report of a run again."),
    "export": ("export:export", "Turn a run into a data set that trainers read."),
    "train": ("train:train", "Teach a text-to-image model what captions say."),
    "generate": ("generate:generate", "Draw pictures of prompts."),
    "sweep": ("sweep:sweep", "Draw one prompt with changing words as a labelled grid."),
    "compare": ("compare:compare", "Draw prompts with the base model and with the LoRA, side by side."),
    "plugins": ("plugins:plugins", "List, show and make plugins."),
    "models": ("models:models", "List, fetch and check model files."),
    "doctor": ("doctor:doctor", "Say what is installed, what is missing, and how to get it."),
}

DONE, SOME_FAILED, WRONG_USAGE, NOTHING_TO_DO, INTERRUPTED = 0, 1, 2, 3, 130


class LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps without importing them."""

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
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--log-file", type=click.Path(dir_okay=False), help="Also write everything to this file.")
@click.option("--no-plugins", is_flag=True, help="Use built-in plugins only.")
@click.pass_context
def cli(ctx: click.Context, verbose: int, quiet: bool, log_file: str | None, no_plugins: bool) -> None:
    """Photos of faces in, accurate captions out.

    \b
    t2f run PHOTOS                     captions, data set and report in runs/PHOTOS
    t2f run PHOTOS --plugins NAME,…    with other plugins (see: t2f plugins list)
    t2f plugins new NAME               begin a plugin of your own

    Findings are estimates of models and can be wrong, above all about age, gender and ethnicity.
    """
    ctx.obj = {"verbose": verbose, "quiet": quiet, "log_file": log_file, "no_plugins": no_plugins}
    if ctx.invoked_subcommand:
        from .common import set_up_logging

        set_up_logging(ctx, verbose, quiet=quiet, log_file=log_file)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `t2f` and return its exit code.

    0 done, 1 some photos failed, 2 wrong usage, 3 nothing to do, 130 interrupted.
    """
    try:
        result: Any = cli.main(arguments, prog_name="t2f", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return WRONG_USAGE
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except NothingToDo as error:
        click.echo(f"t2f: {error}", err=True)
        return NOTHING_TO_DO
    except Text2FaceError as error:
        click.echo(f"t2f: {error}", err=True)
        return WRONG_USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return DONE
    return result if isinstance(result, int) else DONE

"""Decide what to do with a training that is already in the result's folder."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from ..errors import RunError
from ..utils import remove_unfinished
from .contact_sheet import SHEET
from .settings import SETTINGS, SettingsRules, compare_settings, read_settings, write_settings

if TYPE_CHECKING:
    from .checkpoints import Checkpoints
    from .context import TrainingContext


def prepare_out(
    context: TrainingContext[Any], checkpoints: Checkpoints, settings: dict[str, Any], rules: SettingsRules
) -> None:
    """Resume, start again or refuse, as `options.resume` says; then write train.toml.

    Raises RunError when that training cannot be resumed with these settings.
    """
    if context.is_main:
        remove_unfinished(checkpoints.folder)
        _check_earlier(context, checkpoints, settings, rules)
        write_settings(context.out, settings)
    context.accelerator.wait_for_everyone()


def _check_earlier(
    context: TrainingContext[Any], checkpoints: Checkpoints, settings: dict[str, Any], rules: SettingsRules
) -> None:
    out, options = context.out, context.options
    before = None if options.resume == "never" else read_settings(out)
    if options.resume == "never":
        checkpoints.clear()
    if before is None and checkpoints.steps():
        raise RunError(
            f"{out} holds checkpoints, but no {SETTINGS} with their settings: put it back, choose another --out, or "
            "start again with --fresh"
        )
    if not checkpoints.steps():
        for name in ("validation", "tensorboard"):
            shutil.rmtree(out / name, ignore_errors=True)
        for name in ("train.jsonl", SHEET):
            (out / name).unlink(missing_ok=True)
    elif before and (changes := compare_settings(before, settings, out, options.resume, rules)):
        context.progress.say(f"resuming with other settings: {'; '.join(changes)}")
    if (steps := checkpoints.steps()) and steps[-1] > options.steps:
        raise RunError(
            f"{out} already holds a training of {steps[-1]} steps, more than the requested {options.steps}: choose "
            "another --out, or start again with --fresh"
        )

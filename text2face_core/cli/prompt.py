"""`t2f prompt`."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import DONE
from .common import plugins_of, settle_trust, trust_option

if TYPE_CHECKING:
    from ..contracts import FusionRequest
    from ..recipe import Part
    from ..records import AnalysisRow, PhotoRef
    from ..run import RunDirectory


@click.command(short_help="Show the prompt of a fuser for a photo of a run.")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--photo", required=True, metavar="ID", help="Photo id, or the name of its file.")
@click.option("--number", type=click.IntRange(0), help="Index of the caption, from 0.  [default: all]")
@click.option("--recipe", help="Recipe to use instead of the run's: a name or a TOML file.")
@click.option(
    "--plugins", default="", metavar="A,B", help="Plugins to use; each replaces the recipe's plugins of its role."
)
@click.option("--set", "settings", multiple=True, metavar="PLUGIN.OPTION=VALUE", help="Set one option.")
@trust_option
@click.pass_context
def prompt(
    ctx: click.Context,
    /,
    out: Path,
    photo: str,
    number: int | None,
    recipe: str | None,
    plugins: str,
    settings: tuple[str, ...],
    trust: bool,
) -> int:
    """Show the bag of words and the exact prompt for each caption of a photo in the run OUT.

    \b
    t2f prompt runs/photos --photo ann.jpg
    t2f prompt runs/photos --photo ann.jpg --number 0 --plugins llamacpp --set llamacpp.prompt=mine.j2

    No model runs and nothing is written. Use this to try a template.
    """
    from ..pipeline import first_request
    from ..plugins import split_names
    from ..recipe import Recipe
    from ..run import RunDirectory

    run = RunDirectory.open(out)
    known = plugins_of(ctx)
    written = Recipe.load(recipe) if recipe else Recipe.parse(run.settings["recipe"], str(run.settings_path))
    chosen = written.with_plugins(known, split_names(plugins)).with_settings(settings)
    where = Recipe.file_of(recipe) if recipe else run.settings_path
    resolved = settle_trust(written, chosen, known, where, trust=trust, ctx=ctx).resolve(known)
    row = _row(run, _find(run.photos(), photo, out))
    captions = resolved.recipe.captions.per_photo
    if number is not None and number >= captions:
        raise click.BadParameter(f"the photo has captions 0 to {captions - 1}", param_hint="--number")
    fuser = resolved.of("fuser")[0]
    for each in range(captions) if number is None else [number]:
        request = first_request(resolved.recipe, resolved.vocabulary, row, each)
        click.echo(_shown(request, fuser))
    return DONE


def _find(photos: list[PhotoRef], wanted: str, out: Path) -> PhotoRef:
    """The photo by its id or the name of its file. Raises RunError with similar names if there is none."""
    from ..errors import RunError
    from ..sources import path_of

    names = {photo.photo_id: path_of(photo.uri).name for photo in photos}
    found = [photo for photo in photos if photo.photo_id == wanted]
    found = found or [photo for photo in photos if names[photo.photo_id] == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(f"{photo.photo_id} ({path_of(photo.uri)})" for photo in found[:5])
        raise RunError(f'{len(found)} photos are called "{wanted}"; give the id of one: {which}')
    near = difflib.get_close_matches(wanted, [*names, *names.values()], n=3)
    near += [f"{photo_id} ({name})" for photo_id, name in list(names.items())[: 0 if near else 3]]
    raise RunError(f'no photo of {out} is called "{wanted}". There are {len(names)}, such as: {", ".join(near)}')


def _row(run: RunDirectory, photo: PhotoRef) -> AnalysisRow:
    """The analysis of the photo. Raises RunError if it has no captions."""
    from ..errors import RunError
    from ..run import read_analysis

    path = run.analysis_path(photo.chunk)
    rows = read_analysis(path) if path.is_file() else []
    row = next((row for row in rows if row.photo_id == photo.photo_id), None)
    if row is None:
        raise RunError(f"{photo.uri} has not been analysed yet; resume the run: t2f run …")
    if row.status != "ok":
        what = "was rejected" if row.status == "rejected" else "failed"
        raise RunError(f"{photo.uri} has no captions because it {what}: {row.reason}")
    return row


def _shown(request: FusionRequest, fuser: Part) -> str:
    component = fuser.registered.component
    bag = [f"  {item.level:5}  {item.name} = {item.value}: {item.phrase}" for item in request.bag.items]
    lines = [f"=== caption {request.number} of {request.photo_id}, {request.style} ===", *(bag or ["  (an empty bag)"])]
    if component.prompt is None:
        return "\n".join([*lines, f"{component.name} has no language model: it writes from this bag.", ""])
    text = component.prompt(fuser.options, request)
    return "\n".join([*lines, f"--- prompt of {component.name} ---", text, ""])

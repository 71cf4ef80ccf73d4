"""Generate images: of prompts, as grids of changing words, and side by side with the base model's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts import GenerationRequest, ImageGenerator, Progress, Runtime
from ..errors import UsageError
from ..generation import (
    GenerationResult,
    ImageSpec,
    Page,
    generate_images,
    make_grid,
    make_pairs,
    open_font,
    plan_cells,
    plan_images,
    plan_pages,
    read_prompts,
    save_sheet,
    warn_of_unread,
)
from ..models import ModelStore
from ..plugins import Plugins
from ..recipe import Recipe
from .session import Silent, override
from .training import choose_hardware, choose_trainer, trainer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

NONE = "none"
"""In the place of a LoRA: the base model alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationSettings:
    """How images are generated.

    Attributes:
        base: The base model's id or folder; by default the model that the LoRA was trained on.
        seed: Random seed of the noise.
        steps: Denoising steps; by default the model's own, 50 for Stable Diffusion.
        resolution: (width, height), or the side of a square, in pixels; by default the model's own.
        guidance: Classifier-free guidance scale: how strongly the prompt steers the image; by default the model's own,
            7.5 for Stable Diffusion.
        negative: Negative prompt: what the images should not show.
        scale: Strength of the LoRA.
        batch_size: Images at once.
        plugins: The trainer whose generator is used, if several are installed.
        settings: As for --set.
        device: "cpu", "cuda", "cuda:1" or "mps"; by default a GPU if there is any.
        dtype: Precision of the networks; by default bfloat16 on a GPU that has it, else float32.
        threads: Threads on the CPU; 0 for all cores.
        offline: Fetch no model files; None for what T2F_OFFLINE says.
        progress: Receives how far the work has come.
        available: The plugins that may be used; by default all that are installed.
        models: Where model files come from.
    """

    base: str | None = None
    seed: int = 0
    steps: int | None = None
    resolution: tuple[int, int] | int | None = None
    guidance: float | None = None
    negative: str = ""
    scale: float = 1.0
    batch_size: int = 4
    plugins: str | Sequence[str] = ()
    settings: Iterable[str] = ()
    device: str | None = None
    dtype: str | None = None
    threads: int = 0
    offline: bool | None = None
    progress: Progress | None = None
    available: Plugins | None = None
    models: ModelStore | None = None


@dataclass(frozen=True, slots=True)
class Sheets:
    """Sheets of labelled images.

    Attributes:
        paths: The file of each sheet.
        images: The images on them.
    """

    paths: tuple[Path, ...]
    images: GenerationResult


class GenerationSession:
    """A base model and a LoRA, loaded, with the settings for every image.

    Args:
        model: A LoRA's folder or file, or its id on the Hugging Face hub; "none" for the base model alone.
        settings: How images are generated.

    Attributes:
        generator: Generates the images.
        like: A request with everything settled except its prompt and seed.

    Raises:
        UsageError: The model is not available, does not fit its base, or a setting is wrong.
    """

    generator: ImageGenerator
    like: GenerationRequest

    def __init__(self, model: str, settings: GenerationSettings) -> None:
        plugins = settings.available or Plugins.load()
        recipe = override(Recipe.load("starter"), plugins, names=settings.plugins, settings=settings.settings)
        given = {} if settings.base is None else {"base": settings.base}
        registered, options = choose_trainer(recipe, plugins, given, default=trainer_of(model, settings.base))
        self.progress = settings.progress or Silent()
        models = settings.models or ModelStore(offline=settings.offline, say=self.progress.say)
        hardware = choose_hardware(device=settings.device, dtype=settings.dtype, threads=settings.threads)
        runtime = Runtime(models, *hardware, settings.seed)
        self.generator = plugins.build(registered, options, runtime).generator(None if model == NONE else model)
        for note in self.generator.notes:
            self.progress.say(note)
        size = settings.resolution or self.generator.size
        width, height = (size, size) if isinstance(size, int) else size
        self.like = GenerationRequest(
            prompt="",
            seed=settings.seed,
            width=width,
            height=height,
            negative=settings.negative,
            steps=settings.steps or self.generator.steps,
            guidance=settings.guidance or self.generator.guidance,
            scale=0.0 if model == NONE else settings.scale,
        )
        self._batch_size = settings.batch_size

    def size_on_sheet(self, width: int | None) -> tuple[int, int]:
        """(width, height) of an image on a sheet: as it is generated, or scaled to `width` pixels."""
        own = (self.like.width, self.like.height)
        return (width, max(1, round(width * own[1] / own[0]))) if width else own

    def generate(self, specs: Sequence[ImageSpec], folder: Path) -> GenerationResult:
        """Generate what is not in `folder` yet; warn about long prompts and about images that have failed."""
        prompts = [text for spec in specs for text in (spec.request.prompt, spec.request.negative)]
        warn_of_unread(self.generator, prompts, self.progress)
        result = generate_images(self.generator, specs, folder, self._batch_size, self.progress)
        for reason in result.reasons:
            self.progress.say(f"no image: {reason}")
        return result


def generate(
    model: str,
    prompts: Sequence[str] = (),
    *,
    out: str | Path | None = None,
    file: str | Path | None = None,
    captions: str | Path | None = None,
    limit: int | None = None,
    per_prompt: int = 1,
    **settings: Any,
) -> GenerationResult:
    """Generate images of prompts, as `t2f generate` does; what is in `out` already is not generated again.

    Args:
        model: A LoRA's folder or file, or its id on the Hugging Face hub; "none" for the base model alone.
        prompts: What the images should show.
        out: The folder of the images; by default drawings/NAME OF THE LORA.
        file: More prompts: a text file with one prompt a line, or .jsonl with "prompt" or "text".
        captions: More prompts: the first caption of each photo of a run.
        limit: Prompts at most.
        per_prompt: Images of each prompt.
        settings: See `GenerationSettings`: steps=20, seed=1, ….

    Returns:
        The file of each image, in order.

    Raises:
        UsageError: The request is wrong, or the model is not available.
        NothingToDo: There are no prompts.

    Example:
        >>> generate("loras/photos", ["A smiling woman."], steps=20).paths  # doctest: +SKIP
        [PosixPath('drawings/photos/00000-00-a-smiling-woman-1f0c9a7e.png')]
    """
    chosen = _settings(settings)
    wanted = _prompts(prompts, file, captions, limit, "generate")
    session = GenerationSession(model, chosen)
    return session.generate(plan_images(wanted, session.like, per_prompt), Path(out or default_folder(model)))


def sweep(
    model: str,
    prompt: str,
    values: Mapping[str, Sequence[str]],
    *,
    seeds: Sequence[int] = (),
    out: str | Path | None = None,
    wrap: int = 0,
    cell: int | None = None,
    font: str | Path | None = None,
    **settings: Any,
) -> Sheets:
    """Generate a prompt with changing words and the same noise, as a labelled grid; see `t2f sweep`.

    Args:
        model: A LoRA's folder or file, or its id on the Hugging Face hub; "none" for the base model alone.
        prompt: With placeholders: "A {age} year old man."
        values: What goes into each placeholder: {"age": ["20", "40"]}. The first two make rows and columns.
        seeds: A row for each of these seeds, instead of the seed in `settings`.
        out: The grid's file; by default drawings/NAME OF THE LORA/sweep.png.
        wrap: Columns next to each other at most; 0 for no limit.
        cell: Width of the images on the grid, in pixels.
        font: A font file for the labels.
        settings: See `GenerationSettings`.

    Raises:
        UsageError: The request is wrong, or the model is not available.

    Example:
        >>> sweep("loras/photos", "A {age} year old man.", {"age": ["20", "40", "60"]}).paths  # doctest: +SKIP
        (PosixPath('drawings/photos/sweep.png'),)
    """
    chosen = _settings(settings)
    found, numbers = plan_pages(prompt, values), list(seeds) or [chosen.seed]
    if len(numbers) > 1 and found[0].rows:
        raise UsageError("seeds make rows, which two lists of values make already: give one list, or one seed")
    letters = _font(font)
    session = GenerationSession(model, chosen)
    target = Path(out or default_folder(model) / "sweep.png")
    target = target if target.suffix.lower() == ".png" else target / "sweep.png"
    plans: list[tuple[Page, tuple[str, ...], list[list[ImageSpec]]]] = []
    first = 0
    for page in found:
        rows, cells = plan_cells(page, session.like, numbers, first)
        plans.append((page, rows, cells))
        first += sum(map(len, page.prompts))
    specs = [spec for _, _, cells in plans for row in cells for spec in row]
    result = session.generate(specs, target.with_suffix(""))
    paths, sheets = iter(result.paths), []
    for number, (page, rows, cells) in enumerate(plans, 1):
        files = [[next(paths) for _ in row] for row in cells]
        title = "\n".join([prompt, page.title]) if page.title else prompt
        sheet = make_grid(files, page.columns, rows, title, size=session.size_on_sheet(cell), wrap=wrap, font=letters)
        path = target if len(plans) == 1 else target.with_stem(f"{target.stem}-{number}")
        save_sheet(sheet, path, files, {"prompt": prompt, "title": page.title, "rows": rows, "columns": page.columns})
        sheets.append(path)
    return Sheets(tuple(sheets), result)


def compare(
    model: str,
    prompts: Sequence[str] = (),
    *,
    file: str | Path | None = None,
    captions: str | Path | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
    pairs: int = 2,
    cell: int | None = None,
    font: str | Path | None = None,
    **settings: Any,
) -> Sheets:
    """Generate each prompt with the base model and with the LoRA from the same noise; see `t2f compare`.

    Args:
        model: A LoRA's folder or file, or its id on the Hugging Face hub.
        prompts: What the images should show.
        file: More prompts, as for `generate`.
        captions: More prompts, as for `generate`.
        limit: Prompts at most.
        out: The folder; by default drawings/NAME OF THE LORA/compare.
        pairs: Pairs next to each other.
        cell: Width of the images on the sheet, in pixels.
        font: A font file for the words.
        settings: See `GenerationSettings`.

    Returns:
        The sheet; of its images the base model's come first.

    Raises:
        UsageError: The request is wrong, or the model is not available.
        NothingToDo: There are no prompts.
    """
    chosen = _settings(settings)
    if model == NONE:
        raise UsageError("a comparison needs a LoRA; for images of the base model alone: t2f generate none …")
    if not chosen.scale:
        raise UsageError("with --lora-scale 0 both images would be the base model's")
    wanted = _prompts(prompts, file, captions, limit, "compare")
    letters = _font(font)
    session = GenerationSession(model, chosen)
    folder = Path(out or default_folder(model) / "compare")
    trained = plan_images(wanted, session.like)
    plain = [replace(one, request=replace(one.request, scale=0.0), mark="base") for one in trained]
    result = session.generate([*plain, *(replace(one, mark="lora") for one in trained)], folder / "pictures")
    cells = list(zip(result.paths[: len(wanted)], result.paths[len(wanted) :], strict=True))
    identity = session.generator.identity(session.like)
    names = (identity.get("base", "base"), identity.get("lora", model))
    texts = [one.text for one in wanted]
    sheet = make_pairs(texts, cells, names, size=session.size_on_sheet(cell), per_row=pairs, font=letters)
    path = folder / "compare.png"
    save_sheet(sheet, path, cells, {"prompt": texts, "columns": names})
    return Sheets((path,), result)


def default_folder(model: str) -> Path:
    """drawings/NAME OF THE LORA."""
    path = Path(model).absolute() if Path(model).exists() else Path(model)
    name = path.stem if path.suffix == ".safetensors" else path.name
    if name == "pytorch_lora_weights" and path.parent.name:
        name = path.parent.name
    return Path("drawings") / (name or NONE)


def _settings(given: Mapping[str, Any]) -> GenerationSettings:
    """Raises UsageError for what no image could be generated with."""
    settings = GenerationSettings(**given)
    size = 1 if settings.resolution is None else settings.resolution
    sides = (size,) if isinstance(size, int) else size
    numbers = (one for one in (settings.steps, settings.guidance) if one is not None)
    if min(*sides, settings.batch_size, *numbers, 1) < 1:
        raise UsageError("resolution, steps, batch_size and guidance must be at least 1")
    return settings


def _prompts(
    given: Sequence[str], file: str | Path | None, captions: str | Path | None, limit: int | None, verb: str
) -> list[Any]:
    if not (given or file or captions):
        raise UsageError(f'no prompts: give some, as in t2f {verb} LORA "A smiling woman.", or --prompts FILE')
    return read_prompts(given, Path(file) if file else None, Path(captions) if captions else None, limit)


def _font(font: str | Path | None) -> Path | None:
    """The font file. Raises UsageError, before any image is generated, if it is not a font."""
    if font is None:
        return None
    open_font(Path(font))
    return Path(font)

"""The whole way in a few minutes: caption photos, tune a small text-to-face model, generate, and measure."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..contracts import Progress
from ..errors import UsageError
from ..evaluation import Measure
from ..models import ModelStore
from ..plugins import Plugins
from ..utils import environment, write_text
from .captions import caption_photos
from .evaluation import EvaluationResult, evaluate
from .images import compare, sweep
from .session import Silent
from .training import train

if TYPE_CHECKING:
    from .images import Sheets

TRAINER = "style_flow"
PAGE = "demo.html"
PROMPTS = (
    "A smiling young woman with long blond hair.",
    "A 70-year-old man with gray hair and glasses.",
    "A man wearing a hat.",
    "A child, smiling, with visible teeth.",
    "A bald man, about 50 years old.",
    "A woman with red hair and bangs.",
)
"""What the first sheet shows: the base beside the tuned model."""
AGES = ("5", "20", "35", "50", "65", "80")
HAIR = ("black", "brown", "blond", "red", "gray")
SIDE = 256


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made.

    Attributes:
        page: The page that shows it.
        headline: The result in a sentence.
        evaluation: All figures.
        seconds: Wall time by stage.
    """

    page: Path
    headline: str
    evaluation: EvaluationResult
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Examples:
    """The data of the demo, in the folder `examples` of the repository.

    Attributes:
        photos: Photos to caption.
        faces: Captioned portraits with latents, to tune on.
        prompts: Captions of other portraits, to measure with.
        base: The base model.
    """

    folder: Path
    photos: Path = field(init=False)
    faces: Path = field(init=False)
    prompts: Path = field(init=False)
    base: Path = field(init=False)

    def __post_init__(self) -> None:
        for name, part in (("photos", "photos"), ("faces", "style-faces"), ("base", "style-base")):
            object.__setattr__(self, name, self.folder / part)
        object.__setattr__(self, "prompts", self.faces / "prompts.jsonl")
        missing = [path for path in (self.photos, self.faces, self.prompts, self.base) if not path.exists()]
        if missing:
            raise UsageError(
                f"{missing[0]} is missing: the demo needs the folder examples of the repository, which is not part of "
                "an installed package. Clone the repository and give --examples"
            )


def find_examples() -> Path:
    """The folder `examples` beside the package in a clone of the repository, or in the working directory."""
    beside = Path(__file__).resolve().parents[2] / "examples"
    return beside if beside.is_dir() else Path("examples")


def run_demo(
    *,
    out: str | Path = "demo",
    examples: str | Path | None = None,
    steps: int | None = None,
    prompts: int = 48,
    threads: int = 0,
    progress: Progress | None = None,
    available: Plugins | None = None,
    models: ModelStore | None = None,
) -> DemoResult:
    """Caption photos, tune a small text-to-face model on captions, generate, measure and write a page, as `t2f demo`.

    Args:
        out: The folder of everything that is made; the same call resumes.
        examples: The repository's folder `examples`; by default that of the clone that is run.
        steps: Optimizer steps of tuning; by default those of the trainer.
        prompts: Held-out captions that adherence is measured with.
        threads: Threads on the CPU; 0 for all cores.
        progress: Receives how far the work has come.
        available: The plugins that may be used; by default all that are installed.
        models: Where model files come from.

    Raises:
        UsageError: The examples are missing, or a package or model file is.
    """
    data = Examples(Path(examples or find_examples()))
    folder, shown = Path(out), progress or Silent()
    plugins = available or Plugins.load()
    common: dict[str, Any] = {"threads": threads, "progress": shown, "available": plugins}
    if models:
        common["models"] = models
    clock = _Clock(shown)
    with clock("captioning the example photos"):
        run = caption_photos([data.photos], out=folder / "run", **common)
    with clock("tuning the model"):
        trained = train(
            data.faces, out=folder / "tuned", plugins=TRAINER, base=str(data.base), steps=steps, seed=0, **common
        )
    drawing = {**common, "base": str(data.base), "plugins": TRAINER, "resolution": SIDE}
    model = str(trained.path)
    with clock("generating"):
        sheets = draw_sheets(model, folder, drawing)
    with clock("measuring"):
        measured = evaluate(
            ["none", model],
            out=folder / "evaluation",
            plan=str(data.prompts),
            labelled_by=[folder / "run"],
            limit=prompts,
            **drawing,
        )
    page = folder / PAGE
    texts = [caption.text for _, captions in run.rows for caption in captions[:1]]
    write_text(page, render_page(folder, measured, sheets, texts, clock.seconds))
    return DemoResult(page, _headline(measured), measured, clock.seconds)


def draw_sheets(model: str, folder: Path, drawing: Mapping[str, Any]) -> dict[str, Sheets]:
    """The base beside the tuned model, and two sweeps: the paper's figures 2, 3 and 4."""
    return {
        "compare": compare(model, PROMPTS, out=folder / "compare", pairs=3, seed=1, **drawing),
        "age": sweep(
            model,
            "A {age}-year-old woman with brown hair.",
            {"age": AGES},
            seeds=(1, 2),
            out=folder / "age.png",
            **drawing,
        ),
        "hair": sweep(
            model,
            "A smiling {who} with {hair} hair.",
            {"who": ("woman", "man"), "hair": HAIR},
            out=folder / "hair.png",
            **{**drawing, "seed": 3},
        ),
    }


@dataclass(frozen=True, slots=True)
class _Row:
    """A finding in the page's table."""

    finding: str
    eyes: str
    before: Measure
    change: Measure
    n: int


class _Clock:
    """Wall time by stage."""

    def __init__(self, progress: Progress) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._stage, self._began = "", 0.0

    def __call__(self, stage: str) -> _Clock:
        self._stage = stage
        return self

    def __enter__(self) -> None:
        self._progress.say(f"{self._stage} …")
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds[self._stage] = time.monotonic() - self._began


def adherence_of(
    measures: Sequence[Measure], name: str = "adherence", finding: str = ""
) -> dict[tuple[str, str], Measure]:
    """By model and eyes."""
    wanted = (name, finding, "")
    return {(one.model, one.eyes): one for one in measures if (one.name, one.finding, one.group) == wanted}


def _headline(result: EvaluationResult) -> str:
    differences = adherence_of(result.measures, "adherence difference")
    found = adherence_of(result.measures)
    parts = []
    for (model, eyes), one in differences.items():
        before = found["base", eyes]
        parts.append(
            f"{eyes} eyes: {100 * before.value:.0f} % → {100 * (before.value + one.value):.0f} % of what captions say, "
            f"{100 * one.value:+.0f} points ({100 * one.low:.0f} to {100 * one.high:.0f})"
        )
        del model
    return "; ".join(parts) or "nothing could be measured"


def render_page(
    folder: Path,
    result: EvaluationResult,
    sheets: Mapping[str, Sheets],
    captions: Sequence[str],
    seconds: Mapping[str, float],
) -> str:
    """The page; images are linked, and so stay where they are."""
    findings = sorted({one.finding for one in result.measures if one.name == "adherence" and one.finding})
    rows: list[_Row] = []
    for finding in findings:
        found = adherence_of(result.measures, finding=finding)
        changes = adherence_of(result.measures, "adherence difference", finding)
        name = finding.replace("_", " ")
        rows += [_Row(name, eyes, found["base", eyes], one, one.n) for (_, eyes), one in changes.items()]
    rows.sort(key=lambda row: (row.eyes, -row.n))
    text: str = (
        environment("demo")
        .get_template("page.html.j2")
        .render(
            headline=_headline(result),
            sentence=result.headline,
            sheets={name: Path(one.paths[0]).relative_to(folder).as_posix() for name, one in sheets.items()},
            captions=list(captions)[:6],
            rows=rows,
            seconds=dict(seconds),
            report=(result.out / "report.html").relative_to(folder).as_posix(),
            run=Path("run/report.html").as_posix(),
            version=__version__,
        )
    )
    return text + "\n"

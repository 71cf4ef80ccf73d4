"""Records of an evaluation: planned prompts, graded images, judgements and measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ..language.fidelity import Mention
from ..records import Bag, Finding, Value

if TYPE_CHECKING:
    from .verdicts import Verdicts

Eyes = Literal["other", "same", "unknown"]
"""Whether a grader shares model files with the models that labelled the training photos.

"other": it shares none. "same": it shares one, or is the same component without model files. "unknown": no labelling
run is known.
"""
ImageStatus = Literal["ok", "no face", "several faces", "rejected", "failed"]

PHOTOS = "photos"
"""In the place of a model: the real photos behind the prompts, the ceiling of what graders can confirm."""


@dataclass(frozen=True, slots=True)
class PlannedPrompt:
    """One prompt of a plan.

    Attributes:
        prompt_id: Unique within the plan; sorted ids are the plan's order.
        text: The prompt.
        mentions: What the text states.
        bag: The findings it was written from; empty if there is no bag.
        source: Where it came from: a photo's id, or an image's path.
        cell: The levels of a balanced plan, such as {"age": "child", "gender": "female"}.
        pair_id: The counterfactual pair it belongs to; empty if none.
        changed: In a pair, the mention that only a single side states.
        states: In a pair, whether this side states it.
        split: "A" or "B": models may be chosen on A and reported on B.
    """

    prompt_id: str
    text: str
    mentions: tuple[Mention, ...] = ()
    bag: Bag = field(default=Bag(()))
    source: str = ""
    cell: Mapping[str, str] = field(default_factory=dict)
    pair_id: str = ""
    changed: Mention | None = None
    states: bool = False
    split: str = "A"


@dataclass(frozen=True, slots=True)
class GradedImage:
    """One image with what the graders found on it.

    Attributes:
        image_id: Unique within the evaluation.
        prompt_id: The prompt that it was generated from.
        model: The model's name in this evaluation.
        seed: The seed of its noise; -1 if unknown.
        path: Where the image file is.
        sha256: Of the file; empty if it is missing.
        status: "ok" if it shows exactly one usable face.
        reason: Why it is not ok.
        faces: How many faces the detector found; -1 if it could not look.
        findings: What graders found, each with its source.
        box: The face, x0 y0 x1 y1 in pixels; empty if there is none.
        landmarks: Its five landmarks, x y each, in pixels; empty if there is none.
    """

    image_id: str
    prompt_id: str
    model: str
    seed: int
    path: str
    sha256: str = ""
    status: ImageStatus = "ok"
    reason: str = ""
    faces: int = 1
    findings: tuple[Finding, ...] = ()
    box: tuple[float, ...] = ()
    landmarks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Grader:
    """An extractor that grades.

    Attributes:
        name: The component's name.
        provides: Canonical names of the findings that it can observe.
        eyes: Whether it is independent of the labelling models.
        artifacts: sha256 of its model files by name.
        lineage: Data sets that its networks were trained on, as declared.
        shared: Data sets that it shares with the labelling models.
        licences: Licences of its model files.
        silent: Findings that it declares, but never reported in this evaluation.
        decides: Of findings whose values it can only tell in part, the values that it judges.
    """

    name: str
    provides: tuple[str, ...]
    eyes: Eyes = "unknown"
    artifacts: Mapping[str, str] = field(default_factory=dict)
    lineage: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    decides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A grader's verdict on a statement of a prompt, for an image.

    Attributes:
        image_id: The image.
        prompt_id: Its prompt.
        model: Its model.
        finding: The finding that is judged.
        wanted: What the prompt states, in words: "female", "29 to 39".
        states: Whether the prompt states it; False for the other side of a counterfactual pair.
        grader: The extractor that judged.
        eyes: Whether it is independent of the labelling models.
        seen: What it observed; None if it abstained or there is no usable face.
        score: How sure it was, 0 to 1.
        agrees: Whether what it observed is what is stated; False without a usable face, None if it abstained.
        off: For ages, signed years from the stated age to the observed age; None otherwise.
        form: For ages: "number", "bracket" or "word".
    """

    image_id: str
    prompt_id: str
    model: str
    finding: str
    wanted: str
    states: bool
    grader: str
    eyes: Eyes
    seen: Value | None
    score: float
    agrees: bool | None
    off: float | None = None
    form: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure with its interval.

    Attributes:
        name: What is measured, such as "adherence".
        value: The estimate; NaN if it could not be computed.
        low: Lower end of the 95 % interval; NaN if there is none.
        high: Upper end.
        n: How many units it rests on: prompts, images or pairs, as `of` says.
        model: The model, or "a - b" for a difference.
        finding: The finding it is about; empty for all.
        group: The group of people that prompts name, such as "female"; empty for all.
        eyes: Which graders: "other", "same", "unknown"; empty if no grader is involved.
        better: "higher", "lower" or "nearer" (to the row named in `baseline`); empty if neither is better.
        unit: "share", "years", "distance", "cosine", "count".
        p: Of a test against no difference; NaN if none was made.
        p_adjusted: The same, corrected for the number of findings tested.
        note: What a reader should know, in words.
        space: The feature space of an embedder; empty if none is involved.
    """

    name: str
    value: float
    low: float = float("nan")
    high: float = float("nan")
    n: int = 0
    model: str = ""
    finding: str = ""
    group: str = ""
    eyes: str = ""
    better: str = ""
    unit: str = "share"
    p: float = float("nan")
    p_adjusted: float = float("nan")
    note: str = ""
    space: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything that metrics read.

    Attributes:
        prompts: The plan, by prompt id.
        images: All images, model by model in the order of `models`.
        judgements: Every verdict.
        graders: Who judged.
        models: Names of the models in the order given; the others are compared with the first.
        verdicts: By (model, eyes): every image judged for every statement of the plan.
    """

    prompts: Mapping[str, PlannedPrompt]
    images: tuple[GradedImage, ...]
    judgements: tuple[Judgement, ...]
    graders: tuple[Grader, ...]
    models: tuple[str, ...]
    verdicts: Mapping[tuple[str, str], Verdicts] = field(default_factory=dict)

    def images_of(self, model: str) -> list[GradedImage]:
        """The images of a model."""
        return [image for image in self.images if image.model == model]

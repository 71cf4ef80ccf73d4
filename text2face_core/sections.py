"""The sections of a recipe, but for [bag] and [dataset], which belong to what they set."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator

from .contracts import Options

if TYPE_CHECKING:
    from .images import DecodeLimits

LEAST_TOKENS = 8
EFFORT = frozenset({"max_seconds", "max_memory"})
"""Settings of [photos] that do not change the analysis of other photos, so that a run may resume with other values."""
WORDING = ("prefix", "suffix", "template", "replace", "forbid")
"""Settings of [captions] that apply when data sets are written; changing them does not write captions again."""
SECTIONS = ("photos", "faces", "captions", "bag", "dataset", "evaluation")


class PhotoRule(Options):
    """Limits on the photos that are decoded."""

    max_megapixels: float = Field(120.0, gt=0, description="larger photos are refused before they are decoded")
    min_side: int = Field(32, ge=1, description="photos with a shorter side, in pixels, are refused")
    max_seconds: float = Field(
        30.0, gt=0, le=86_400, description="CPU time to decode a photo; one that takes longer fails"
    )
    max_memory: int = Field(
        1000, ge=64, le=1_000_000, description="MB of memory to decode a photo; one that takes more fails (Linux)"
    )

    def limits(self) -> DecodeLimits:
        """What a photo may be, and what decoding it may take."""
        from .images import DecodeLimits

        return DecodeLimits(
            max_pixels=int(self.max_megapixels * 1e6),
            min_side=self.min_side,
            max_seconds=self.max_seconds,
            max_memory=self.max_memory * 1_000_000,
        )


class FaceRule(Options):
    """Choice of a photo's face, and the faces that are refused."""

    choose: Literal["only", "largest", "central"] = Field(
        "only", description="which face is used; only: photos with several faces are rejected"
    )
    min_size: float = Field(
        0.0, ge=0, description="shorter side of the face's box, in pixels, below which it is refused"
    )
    whole: bool = Field(True, description="refuse faces whose eyes, nose or mouth lie outside the photo")
    upright: bool = Field(True, description="refuse faces that lie on their side or upside down")


class SourceRule(Options):
    """A place with photos, and what holds for them alone."""

    place: str = Field(description="as on the command line: a folder, tars, an address such as ffhq:data/ffhq")
    faces: dict[str, Any] = Field({}, description="settings of [faces] that differ for its photos")

    @field_validator("faces")
    @classmethod
    def _rules_of_faces(cls, faces: dict[str, Any]) -> dict[str, Any]:
        return FaceRule.model_validate(faces).model_dump(mode="json", include=set(faces))

    @property
    def prefix(self) -> str:
        """What the addresses of its photos begin with."""
        found = re.match(r"([a-z][\w+.-]+:)?(.*)", self.place, re.DOTALL)
        scheme, path = (found[1] or "", found[2]) if found else ("", self.place)
        fixed = re.split(r"[*?{\[]", path)[0]
        return scheme + (fixed if fixed.startswith("//") else str(Path(fixed).absolute()))


class CaptionSettings(Options):
    """Number, styles and required quality of captions.

    A caption is refused for its shape (see `language/shape.py`), for its length, if it repeats another caption, and for
    what it misses or invents. The fuser is then asked again, and finally the fallback writes the caption.
    """

    per_photo: int = Field(4, ge=1, le=64, description="captions per photo; fewer if no more different ones are found")
    styles: dict[str, float] = Field(
        {"short": 0.5, "long": 0.5},
        description="share of each style: short, long, tags, or another style of the fuser",
    )
    retries: int = Field(3, ge=0, le=100, description="how often the fuser is asked again after a refused caption")
    candidates: int = Field(1, ge=1, le=64, description="texts requested at once, of which the first good text is kept")
    name_missed: bool = Field(True, description="name what was left out when asking again")
    fallback: str = Field(
        "phrasebook", description="fuser that writes captions whose tries were all refused; empty: keep the best try"
    )
    max_tokens: int = Field(
        77, ge=0, le=100_000, description="most CLIP tokens of a caption, with start and end; 0: no limit, and no count"
    )
    check: bool | Literal["missed"] = Field(
        True,
        description="refuse captions that miss or invent something; missed: only those that miss something, as a fuser "
        "that sees the photo may mention more than was found; both are recorded in any case",
    )

    words: dict[str, Annotated[int, Field(ge=6)]] = Field(
        {"short": 12, "long": 40},
        description="most words of a caption by style: what has no room is left out of its bag; age and gender stay",
    )
    allow: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], ...] = Field(
        (), description="words that captions may use in addition to the findings, such as the trigger word of a fuser"
    )
    prefix: str = Field("", description="trigger word or other text before each caption of a data set, verbatim")
    suffix: str = Field("", description="text after each caption of a data set, verbatim")
    template: str = Field(
        "{caption}", description='form of each caption of a data set, such as "ohwx person, {caption}"'
    )
    replace: dict[str, str] = Field({}, description='words to replace in a data set, such as woman = "lady"')
    forbid: tuple[str, ...] = Field((), description="captions with any of these words are left out of a data set")

    @field_validator("template")
    @classmethod
    def _one_slot(cls, template: str) -> str:
        if template.count("{caption}") != 1:
            raise ValueError('must have {caption} once, as in "ohwx person, {caption}"')
        return template

    @field_validator("styles")
    @classmethod
    def _some_share(cls, styles: dict[str, float]) -> dict[str, float]:
        shares = styles.values()
        if not all(map(math.isfinite, shares)) or min(shares, default=-1.0) < 0 or sum(shares) <= 0:
            raise ValueError("shares must not be negative, and at least one must be above 0")
        return styles

    @field_validator("max_tokens")
    @classmethod
    def _some_words(cls, most: int) -> int:
        if 0 < most < LEAST_TOKENS:
            raise ValueError(f"captions need at least {LEAST_TOKENS} tokens; 0 means no limit")
        return most


class EvaluationSettings(Options):
    """Who grades generated images."""

    graders: tuple[str, ...] = Field(
        (),
        description="extractors that grade generated images in t2f evaluate; empty: the extractors of the recipe. "
        "Choose others than those that labelled the photos",
    )
    settings: tuple[str, ...] = Field(
        (), description='settings that apply only when grading, such as "people.ethnicity=true"'
    )
    metrics: tuple[str, ...] = Field(
        (), description="further metrics and embedders of t2f evaluate, such as inception or faceres.identity"
    )

"""The filter and the extractor: from answers to rejections and findings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from text2face_core import Extractor, Filter, Finding, Rejection

from ._encoder import encoder
from ._questions import Answer, Question, load

if TYPE_CHECKING:
    from text2face_core import Portrait, Runtime

    from . import ClipOptions, MouthOptions, RealOptions


class _Asker:
    """A component's questions, and the encoder that it shares with others."""

    def __init__(self, options: ClipOptions, runtime: Runtime, names: Sequence[str]) -> None:
        asked = load(options.prompts, names)
        self._encoder = encoder(options, runtime)
        self._questions = {name: Question(one, self._encoder.texts) for name, one in asked.items()}

    def __call__(self, portraits: Sequence[Portrait]) -> list[dict[str, Answer]]:
        """Answers for each portrait, by question."""
        columns = [one.answers(self._encoder.images(portraits, one.view)) for one in self._questions.values()]
        return [dict(zip(self._questions, row, strict=True)) for row in zip(*columns, strict=True)]


class Real(Filter):
    """Rejects pictures that are not photos of a real person, and photos with text over them."""

    def __init__(self, options: RealOptions, runtime: Runtime) -> None:
        self._options = options
        self._ask = _Asker(options, runtime, ("not_real", "overlaid_text"))

    def judge(self, portraits: Sequence[Portrait]) -> list[Rejection | None]:
        """Judge portraits; a rejection names the most probable class and its probability."""
        return [self._judge(answers) for answers in self._ask(portraits)] if portraits else []

    def _judge(self, answers: dict[str, Answer]) -> Rejection | None:
        not_real, text = answers["not_real"], answers["overlaid_text"]
        if self._options.not_real <= not_real.probability and self._options.not_real < 1:
            return Rejection(f"not a real person: probably {not_real.what} ({not_real.probability:.3f})")
        if self._options.overlaid_text <= text.probability and self._options.overlaid_text < 1:
            return Rejection(f"text over the photo: probably {text.what} ({text.probability:.3f})")
        return None


class Mouth(Extractor):
    """Reports whether teeth or the tongue are visible, if that is clear enough either way.

    The score is the probability of the reported value; the detail "probability" is the probability of being visible.
    """

    def __init__(self, options: MouthOptions, runtime: Runtime) -> None:
        self._least = {"teeth": options.teeth, "tongue": options.tongue}
        self._ask = _Asker(options, runtime, tuple(self._least))

    def extract(self, portraits: Sequence[Portrait]) -> list[list[Finding]]:
        """Find teeth_visible and tongue_visible. Raises DegenerateFace if the box has no extent."""
        return [self._findings(answers) for answers in self._ask(portraits)] if portraits else []

    def _findings(self, answers: dict[str, Answer]) -> list[Finding]:
        findings = []
        for name, answer in answers.items():
            seen = answer.probability >= 0.5
            score = round(answer.probability if seen else 1 - answer.probability, 3)
            if score >= self._least[name]:
                findings.append(Finding(f"{name}_visible", seen, score, detail={"probability": answer.probability}))
        return findings

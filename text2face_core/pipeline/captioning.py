"""From findings to captions: ask a fuser, read what it wrote, ask again where that is not good enough, else fall back.

What becomes of a photo depends on nothing but its own requests, so that captions are the same for any batch, chunk and
order, and after a restart.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ..contracts import FusionRequest, Runtime
from ..errors import FuserError
from ..language import draw_bag, flaw, tidied, token_counter, unknown_names
from ..language.fidelity import Verdict, check_caption
from ..records import AnalysisRow, Caption, CaptionRow
from ..utils import random_stream, stream_seed
from .stage import Clock, Failure, Stage

if TYPE_CHECKING:
    from ..language import Vocabulary
    from ..plugins import Plugins
    from ..recipe import Part, Recipe, Resolved

log = logging.getLogger(__name__)

STYLES = ("long", "short", "tags")
"""Ways to say the same, in ever fewer tokens."""

_VARIANTS = 4  # texts that the fallback is asked for at once
_MANY = 8  # photos: where a fuser fails on every one of so many, the fault is not the photos'
_NAMED = 6  # findings that are named where a text misses or invents many
_REASON = 200  # letters of an error that are kept with a caption


@dataclass(frozen=True, slots=True)
class Attempt:
    """A text of the right shape, read.

    length: why it is too long. copies: whether the photo has it already. wrong: what speaks against it of what it
    misses and invents, ("missed", "age") or ("invented", "other").
    """

    text: str
    fuser: str
    style: str
    tokens: int
    verdict: Verdict
    length: str
    copies: bool
    wrong: tuple[tuple[str, str], ...]

    @property
    def faults(self) -> tuple[bool, bool, int]:
        """The smaller, the better."""
        return bool(self.length), self.copies, len(self.wrong)

    @property
    def refusal(self) -> str:
        """Why it is refused, in a few words; empty where it is kept."""
        names: dict[str, list[str]] = {}
        for what, name in dict.fromkeys(self.wrong):
            names.setdefault(what, []).append(name)
        said = [f"{what} {_few(listed)}" for what, listed in names.items()]
        return "; ".join(filter(None, [self.length, "said before" if self.copies else "", *said]))


@dataclass(slots=True)
class Draft:
    """One caption in the making: what is asked next, how often was asked, why what came was refused."""

    request: FusionRequest
    tries: int = 0
    refusals: list[str] = field(default_factory=list)
    best: Attempt | None = None
    kept: Attempt | None = None

    def refuse(self, reason: str, best: Attempt | None = None) -> None:
        """Note why a try came to nothing, and its text if that is the best so far."""
        self.refusals.append(reason)
        if best and (self.best is None or best.faults < self.best.faults):
            self.best = best

    def caption(self, text: Attempt) -> Caption:
        """The record of the text that is kept."""
        said = text.verdict
        return Caption(
            text=text.text,
            fuser=text.fuser,
            style=text.style,
            tries=self.tries,
            bag=self.request.bag,
            mentioned=said.mentioned,
            missed=said.missed,
            invented=said.invented,
            tokens=text.tokens,
            refusals=tuple(self.refusals),
        )


def first_request(recipe: Recipe, vocabulary: Vocabulary, row: AnalysisRow, number: int) -> FusionRequest:
    """What is asked first for one caption of a photo, from its findings; always the same."""
    stream = random_stream(recipe.seed, row.photo_id, "bag", number)
    bag = draw_bag(row.findings, vocabulary, recipe.bag, stream)
    styles = recipe.captions.styles
    style = stream.choices(list(styles), list(styles.values()))[0]
    seed = stream_seed(recipe.seed, row.photo_id, "fuser", number, 0)
    return FusionRequest(row.photo_id, row.uri, number, bag, style, seed, recipe.captions.candidates)


class _Writer:
    """A fuser, and what its model is told."""

    def __init__(self, part: Part, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        built = plugins.build(part.registered, part.options, runtime)
        self.name = part.registered.name
        self.fuse: Stage[FusionRequest, list[str]] = Stage(self.name, built.fuse, clock)
        self._prompt, self._options = part.registered.component.prompt, part.options

    def told(self, request: FusionRequest) -> str:
        """The prompt less the words that a caption is to repeat; empty for a fuser that asks no model."""
        if self._prompt is None:
            return ""
        text = self._prompt(self._options, request)
        for item in request.bag.items:
            text = text.replace(item.phrase, "\n")
        return text


class Captioning:
    """bag → fuser → shape, length, fidelity → again, or the fallback."""

    def __init__(self, resolved: Resolved, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        self._recipe, self._settings = resolved.recipe, resolved.recipe.captions
        self._vocabulary = resolved.vocabulary
        self._tokens = token_counter(runtime.models) if self._settings.max_tokens else None
        writers = [_Writer(part, plugins, runtime, clock) for part in resolved.of("fuser")]
        self._fuser = writers[0]
        self._fallback = writers[-1] if self._settings.fallback else None
        self._unknown: set[str] = set()
        self._warned_of_none = False

    @property
    def fuser(self) -> str:
        """The name of the fuser that is asked first."""
        return self._fuser.name

    def __call__(self, rows: Sequence[AnalysisRow]) -> list[CaptionRow]:
        """One row per analysed photo, in order; only photos that are "ok" have captions.

        Raises FuserError where the fuser has no answer for anybody.
        """
        accepted = [row for row in rows if row.status == "ok"]
        self._warn_of_unknown(accepted)
        drafts = [
            Draft(first_request(self._recipe, self._vocabulary, row, number))
            for row in accepted
            for number in range(self._settings.per_photo)
        ]
        taken: dict[str, set[str]] = defaultdict(set)
        for turn in range(self._settings.retries + 1):
            unsettled = [draft for draft in drafts if not draft.kept]
            answers = self._fuser.fuse([draft.request for draft in unsettled])
            if not turn:
                self._stop_if_dead(answers, len(accepted))
            for draft, texts in zip(unsettled, answers, strict=True):
                self._judge(draft, texts, taken[draft.request.photo_id], turn)
        self._fall_back([draft for draft in drafts if not draft.kept], taken)
        captions: dict[str, list[Caption]] = {row.photo_id: [] for row in rows}
        for draft in drafts:
            if draft.kept:
                captions[draft.request.photo_id].append(draft.caption(draft.kept))
        self._warn_of_none([draft for draft in drafts if not captions[draft.request.photo_id]])
        return [CaptionRow(row.photo_id, tuple(captions[row.photo_id])) for row in rows]

    def _warn_of_unknown(self, rows: Sequence[AnalysisRow]) -> None:
        names = {name for row in rows for name in unknown_names(row.findings, self._vocabulary)}
        for name in sorted(names - self._unknown):
            log.warning('captions will not say "%s": the vocabulary has no words for it (see t2f_vocabulary)', name)
        self._unknown |= names

    def _warn_of_none(self, drafts: Sequence[Draft]) -> None:
        """Say once that a photo is left without; `t2f stats` counts them."""
        if drafts and not self._warned_of_none:
            self._warned_of_none = True
            text = "%s gets no caption, and others may get none: no text for it could be kept (%s). "
            text += "captions.fallback names a fuser that writes then"
            log.warning(text, drafts[0].request.uri, drafts[0].refusals[-1])

    def _stop_if_dead(self, answers: Sequence[list[str] | Failure], photos: int) -> None:
        """Else a fault of the fuser would leave a run of any size to the fallback."""
        if photos < _MANY or any(not isinstance(texts, Failure) and any(texts) for texts in answers):
            return
        first = answers[0].reason if isinstance(answers[0], Failure) else f"{self.fuser}: no answer"
        raise FuserError(f"no caption could be had for any of {photos} photos, so the run stops here. {first}")

    # --- what is asked ---

    def _again(self, request: FusionRequest, turn: int, refused: Attempt | None) -> FusionRequest:
        """The same with a new seed; shorter where the text was too long, naming what any try so far left out."""
        left_out = {*request.missed, *(refused.verdict.missed if refused and self._settings.name_missed else ())}
        missed = tuple(name for name in dict.fromkeys(request.bag.names) if name in left_out)
        style = "short" if refused and refused.length and request.style == "long" else request.style
        seed = self._seed("fuser", request.photo_id, request.number, turn)
        return replace(request, style=style, seed=seed, missed=missed)

    def _seed(self, purpose: str, photo_id: str, number: int, turn: int) -> int:
        return stream_seed(self._recipe.seed, photo_id, purpose, number, turn)

    # --- what came ---

    def _judge(self, draft: Draft, texts: list[str] | Failure, taken: set[str], turn: int) -> None:
        """Keep the first text that nothing is wrong with, or say why there is none and what is asked next."""
        attempts, refusal = self._read(draft, texts, self._fuser, taken)
        for attempt in attempts:
            if not attempt.refusal:
                self._keep(draft, attempt, taken)
                return
        best = min(attempts, key=lambda attempt: attempt.faults, default=None)
        draft.refuse(best.refusal if best else refusal, best)
        draft.request = self._again(draft.request, turn + 1, best)

    def _read(
        self, draft: Draft, texts: list[str] | Failure, writer: _Writer, taken: set[str]
    ) -> tuple[list[Attempt], str]:
        """The texts that are of the right shape, and what is wrong with the first that is not."""
        draft.tries += 1
        if isinstance(texts, Failure):
            return [], texts.reason[:_REASON]
        request, attempts, flaws = draft.request, [], []
        told = writer.told(request)
        for text in map(tidied, texts):
            if refused := flaw(text, told, request.style):
                flaws.append(refused)
                continue
            tokens, most = self._tokens.count(text) if self._tokens else 0, self._settings.max_tokens
            length = f"over {most} tokens ({tokens})" if tokens > most else ""
            verdict = check_caption(text, request.bag, self._vocabulary)
            wrong = _wrong(verdict, self._settings.check)
            copies = _same(text) in taken
            attempts.append(Attempt(text, writer.name, request.style, tokens, verdict, length, copies, wrong))
        return attempts, next(iter(flaws), "no answer")

    @staticmethod
    def _keep(draft: Draft, attempt: Attempt, taken: set[str]) -> None:
        draft.kept = attempt
        taken.add(_same(attempt.text))

    # --- what is left ---

    def _fall_back(self, drafts: Sequence[Draft], taken: dict[str, set[str]]) -> None:
        """Let the fallback write these, in ever shorter styles while its texts are too long; else keep the best try."""
        waiting = [self._handed_over(draft) for draft in drafts] if self._fallback else []
        while self._fallback and waiting:
            answers = self._fallback.fuse([draft.request for draft in waiting])
            shorter = []
            for draft, texts in zip(waiting, answers, strict=True):
                attempts, refusal = self._read(draft, texts, self._fallback, taken[draft.request.photo_id])
                best = min(attempts, key=lambda attempt: attempt.faults, default=None)
                draft.best = best or draft.best
                if best and not best.length:
                    if not best.copies:
                        self._keep(draft, best, taken[draft.request.photo_id])
                    continue
                draft.refuse(best.length if best else refusal)
                if draft.request.style != STYLES[-1]:
                    style = STYLES[STYLES.index(draft.request.style) + 1]
                    draft.request = replace(draft.request, style=style)
                    shorter.append(draft)
            waiting = shorter
        for draft in drafts:
            best, said = draft.best, taken[draft.request.photo_id]
            if best and not draft.kept and _same(best.text) not in said and (self._fallback or not best.length):
                self._keep(draft, best, said)

    def _handed_over(self, draft: Draft) -> Draft:
        request = draft.request
        style = request.style if request.style in STYLES else STYLES[0]
        seed = self._seed("fallback", request.photo_id, request.number, 0)
        draft.request = replace(request, style=style, seed=seed, count=_VARIANTS, missed=())
        return draft


def _wrong(verdict: Verdict, rule: bool | Literal["missed"]) -> tuple[tuple[str, str], ...]:
    missed = [("missed", name) for name in verdict.missed] if rule else []
    invented = [("invented", name) for name in verdict.invented] if rule is True else []
    return (*missed, *invented)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names if more <= 1 else [*names[:_NAMED], f"{more} more"])


def _same(text: str) -> str:
    """Equal for captions that differ in nothing but case, blanks and signs at the end."""
    return " ".join(text.casefold().split()).rstrip(".!, ")

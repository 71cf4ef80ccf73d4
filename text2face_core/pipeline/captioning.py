"""Captioning: ask the fuser, check its texts, retry with what was missed, and fall back to another fuser.

The captions of a photo depend only on its own requests, so they are the same for any batch, chunk and order, and after
a restart.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from ..contracts import FusionRequest, Runtime
from ..errors import FuserError
from ..language import draw_bag, find_flaw, tidy_text, token_counter, trim_bag, unknown_names
from ..language.fidelity import Fidelity, check_caption, find_language_flaw, spans
from ..plugins import check_texts
from ..records import AnalysisRow, Caption, CaptionRow
from ..utils import random_stream, stream_seed
from .refusals import RefusalWatch
from .stage import Clock, Failure, Stage

if TYPE_CHECKING:
    from ..language import Vocabulary
    from ..plugins import Plugins
    from ..recipe import Part, Recipe, Resolved

log = logging.getLogger(__name__)

STYLES = ("long", "short", "tags")
"""Styles of captions, from most to fewest tokens."""

_VARIANTS = 4  # texts that the fallback writes per request
_MANY = 8  # photos: if a fuser fails on all of this many, the fuser is at fault
_NAMED = 6  # most findings that a refusal lists
_REASON = 200  # characters of an error that are kept with a caption


@dataclass(frozen=True, slots=True)
class Attempt:
    """A well-formed text of a fuser, checked.

    length: why it is too long, or "". copies: whether the photo has this caption already. wrong: findings that it
    misses or invents against the setting `captions.check`: ("missed", "age") or ("invented", "other").
    """

    text: str
    fuser: str
    style: str
    tokens: int
    fidelity: Fidelity
    length: str
    copies: bool
    wrong: tuple[tuple[str, str], ...]

    @property
    def faults(self) -> tuple[bool, bool, int]:
        """Sort key: the best text has the smallest."""
        return bool(self.length), self.copies, len(self.wrong)

    @property
    def refusal(self) -> str:
        """Why it is refused, in a few words; empty if it is acceptable."""
        names: dict[str, list[str]] = {}
        for what, name in dict.fromkeys(self.wrong):
            names.setdefault(what, []).append(name)
        reasons = [f"{what} {_few(listed)}" for what, listed in names.items()]
        return "; ".join(filter(None, [self.length, "duplicate" if self.copies else "", *reasons]))


@dataclass(slots=True)
class Draft:
    """A caption in progress: its next request, the number of tries, and why they were refused."""

    request: FusionRequest
    tries: int = 0
    refusals: list[str] = field(default_factory=list)
    best: Attempt | None = None
    kept: Attempt | None = None

    def refuse(self, reason: str, best: Attempt | None = None) -> None:
        """Record why a try was refused, and its text if that is the best so far."""
        self.refusals.append(reason)
        if best and (self.best is None or best.faults < self.best.faults):
            self.best = best

    def caption(self, text: Attempt) -> Caption:
        """The record of the accepted text."""
        fidelity = text.fidelity
        return Caption(
            text=text.text,
            fuser=text.fuser,
            style=text.style,
            tries=self.tries,
            bag=self.request.bag,
            mentioned=fidelity.mentioned,
            missed=fidelity.missed,
            invented=fidelity.invented,
            tokens=text.tokens,
            refusals=tuple(self.refusals),
        )


def first_request(recipe: Recipe, vocabulary: Vocabulary, row: AnalysisRow, number: int) -> FusionRequest:
    """The first request for a caption of a photo; deterministic."""
    stream = random_stream(recipe.seed, row.photo_id, "bag", number)
    bag = draw_bag(row.findings, vocabulary, recipe.bag, stream)
    styles = recipe.captions.styles
    style = stream.choices(list(styles), list(styles.values()))[0]
    if style in recipe.captions.words:
        bag = trim_bag(bag, vocabulary, recipe.captions.words[style])
    seed = stream_seed(recipe.seed, row.photo_id, "fuser", number, 0)
    return FusionRequest(row.photo_id, row.uri, number, bag, style, seed, recipe.captions.candidates)


class _Writer:
    """A fuser of the run, and the prompts of its model."""

    def __init__(self, part: Part, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        built = plugins.build(part.registered, part.options, runtime)
        self.name = part.registered.name
        self.fuse: Stage[FusionRequest, list[str]] = Stage(self.name, built.fuse, clock, check_texts)
        self._prompt, self._options = part.registered.component.prompt, part.options

    def render_prompt(self, request: FusionRequest) -> str:
        """The prompt without the phrases of the bag; empty for a fuser without a model."""
        if self._prompt is None:
            return ""
        text = self._prompt(self._options, request)
        for item in request.bag.items:
            text = text.replace(item.phrase, "\n")
        return text


class Captioning:
    """Bag, fuser, checks of form, length and fidelity, then a retry or the fallback."""

    def __init__(self, resolved: Resolved, plugins: Plugins, runtime: Runtime, clock: Clock) -> None:
        self._recipe, self._settings = resolved.recipe, resolved.recipe.captions
        self._vocabulary = resolved.vocabulary
        self._tokens = token_counter(runtime.models) if self._settings.max_tokens else None
        writers = [_Writer(part, plugins, runtime, clock) for part in resolved.of("fuser")]
        self._fuser = writers[0]
        self._fallback = writers[-1] if self._settings.fallback else None
        self._unknown: set[str] = set()
        self._watch = RefusalWatch(self._fuser.name)
        self._warned_of_no_caption = False

    @property
    def fuser(self) -> str:
        """The name of the main fuser."""
        return self._fuser.name

    def __call__(self, rows: Sequence[AnalysisRow]) -> list[CaptionRow]:
        """One row per analysed photo, in order; only photos with status "ok" have captions.

        Raises FuserError if the fuser fails for all photos.
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
            self._watch.warn()
        self._fall_back([draft for draft in drafts if not draft.kept], taken)
        captions: dict[str, list[Caption]] = {row.photo_id: [] for row in rows}
        for draft in drafts:
            if draft.kept:
                captions[draft.request.photo_id].append(draft.caption(draft.kept))
        self._warn_of_no_caption([draft for draft in drafts if not captions[draft.request.photo_id]])
        return [CaptionRow(row.photo_id, tuple(captions[row.photo_id])) for row in rows]

    def _warn_of_unknown(self, rows: Sequence[AnalysisRow]) -> None:
        names = {name for row in rows for name in unknown_names(row.findings, self._vocabulary)}
        for name in sorted(names - self._unknown):
            log.warning('captions will not mention "%s": the vocabulary has no words for it (see t2f_vocabulary)', name)
        self._unknown |= names

    def _warn_of_no_caption(self, drafts: Sequence[Draft]) -> None:
        """Warn once that a photo has no caption; `t2f stats` counts them."""
        if drafts and not self._warned_of_no_caption:
            self._warned_of_no_caption = True
            text = "%s has no caption, and others may have none: every text for it was refused (%s). "
            text += "Set captions.fallback to a fuser that writes one in this case"
            log.warning(text, drafts[0].request.uri, drafts[0].refusals[-1])

    def _stop_if_dead(self, answers: Sequence[list[str] | Failure], photos: int) -> None:
        """Stop if the fuser fails on every photo; otherwise the fallback would write the whole run."""
        if photos < _MANY or any(not isinstance(texts, Failure) and any(texts) for texts in answers):
            return
        first = answers[0].reason if isinstance(answers[0], Failure) else f"{self.fuser}: no answer"
        raise FuserError(f"no caption for any of {photos} photos, so the run stops. {first}")

    # --- requests ---

    def _again(self, request: FusionRequest, turn: int, refused: Attempt | None) -> FusionRequest:
        """The next request: a new seed, a shorter style if the text was too long, and everything missed so far."""
        left_out = {*request.missed, *(refused.fidelity.missed if refused and self._settings.name_missed else ())}
        missed = tuple(name for name in dict.fromkeys(request.bag.names) if name in left_out)
        style = "short" if refused and refused.length and request.style == "long" else request.style
        seed = self._seed("fuser", request.photo_id, request.number, turn)
        return replace(request, style=style, seed=seed, missed=missed)

    def _seed(self, purpose: str, photo_id: str, number: int, turn: int) -> int:
        return stream_seed(self._recipe.seed, photo_id, purpose, number, turn)

    # --- answers ---

    def _judge(self, draft: Draft, texts: list[str] | Failure, taken: set[str], turn: int) -> None:
        """Keep the first acceptable text; otherwise record the refusal and prepare the next request."""
        attempts, refusal = self._read(draft, texts, self._fuser, taken)
        for attempt in attempts:
            if not attempt.refusal:
                self._watch.accept()
                self._keep(draft, attempt, taken)
                return
            self._note_refusal(draft.request, attempt)
        if not attempts:
            self._watch.refuse([refusal])
        best = min(attempts, key=lambda attempt: attempt.faults, default=None)
        draft.refuse(best.refusal if best else refusal, best)
        draft.request = self._again(draft.request, turn + 1, best)

    def _note_refusal(self, request: FusionRequest, attempt: Attempt) -> None:
        """Count why a text was refused, and the words that it invents."""
        if self._watch.warned:
            return
        reasons = [f"{what} {name}" for what, name in attempt.wrong]
        reasons += ["too long"] * bool(attempt.length) + ["duplicate"] * attempt.copies
        words: list[str] = []
        if any(what == "invented" for what, _ in attempt.wrong):
            found = spans(attempt.text, request.bag, self._vocabulary, self._settings.allow)
            words = [attempt.text[one.start : one.end].lower() for one in found if one.kind == "invented"]
        self._watch.refuse(reasons, words)

    def _read(
        self, draft: Draft, texts: list[str] | Failure, writer: _Writer, taken: set[str]
    ) -> tuple[list[Attempt], str]:
        """The well-formed texts, and the flaw of the first that is malformed."""
        draft.tries += 1
        if isinstance(texts, Failure):
            return [], texts.reason[:_REASON]
        request, attempts, flaws = draft.request, [], []
        prompt = writer.render_prompt(request)
        for text in map(tidy_text, texts):
            if refused := find_flaw(text, prompt, request.style) or find_language_flaw(text, self._vocabulary):
                flaws.append(refused)
                continue
            tokens, most = self._tokens.count(text) if self._tokens else 0, self._settings.max_tokens
            length = f"over {most} tokens ({tokens})" if tokens > most else ""
            fidelity = check_caption(text, request.bag, self._vocabulary, self._settings.allow)
            wrong = _wrong(fidelity, self._settings.check)
            copies = _same(text) in taken
            attempts.append(Attempt(text, writer.name, request.style, tokens, fidelity, length, copies, wrong))
        return attempts, next(iter(flaws), "no answer")

    @staticmethod
    def _keep(draft: Draft, attempt: Attempt, taken: set[str]) -> None:
        draft.kept = attempt
        taken.add(_same(attempt.text))

    # --- fallback ---

    def _fall_back(self, drafts: Sequence[Draft], taken: dict[str, set[str]]) -> None:
        """Let the fallback write these, in shorter styles if its texts are too long; else keep the best try."""
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
            best, kept = draft.best, taken[draft.request.photo_id]
            if best and not draft.kept and _same(best.text) not in kept and (self._fallback or not best.length):
                self._keep(draft, best, kept)

    def _handed_over(self, draft: Draft) -> Draft:
        request = draft.request
        style = request.style if request.style in STYLES else STYLES[0]
        seed = self._seed("fallback", request.photo_id, request.number, 0)
        draft.request = replace(request, style=style, seed=seed, count=_VARIANTS, missed=())
        return draft


def _wrong(fidelity: Fidelity, rule: bool | Literal["missed"]) -> tuple[tuple[str, str], ...]:
    missed = [("missed", name) for name in fidelity.missed] if rule else []
    invented = [("invented", name) for name in fidelity.invented] if rule is True else []
    return (*missed, *invented)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names if more <= 1 else [*names[:_NAMED], f"{more} more"])


def _same(text: str) -> str:
    """A text that is equal for captions that differ only in case, spaces and final punctuation."""
    return " ".join(text.casefold().split()).rstrip(".!, ")

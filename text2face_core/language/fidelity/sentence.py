"""The words of a text in their order, and which noun a quality is said of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .lexicon import Kind, Lexeme

_BEFORE_NOUNS = {Kind.QUALITY, Kind.DEGREE, Kind.WORD, Kind.AGE}
_GOES_ON = {*_BEFORE_NOUNS, Kind.NOUN, Kind.UNKNOWN}
_BEFORE_QUALITIES = {*_GOES_ON, Kind.LINK, Kind.COMMA, Kind.JOINT, Kind.ARTICLE, Kind.PLAIN, Kind.DENIAL}
_BETWEEN_NOUNS = {Kind.JOINT, Kind.OWNER, Kind.ARTICLE}
_WHICH = {"which", "that"}
_AFTER_ITS_NOUN = ("of ", "to ", "down ", "at ", "past ", "over ", "below ", "above ", "beyond ", "reach", "touch")
"""How qualities begin that no noun follows: "hair down to her shoulders"."""
_VERBS = frozenset({"looks", "smiles", "grins", "laughs", "smirks", "stares", "glances", "frames", "features"})
"""Nouns by their looks; after a quality of the noun before they are what somebody does: "with lips ajar looks"."""
_TURNED = frozenset(
    {"open", "close", "closed", "shut", "part", "narrow", "widened", "purse", "press", "lifted", "arch"}
)
_TURNED |= {"opened", "opening", "narrowed", "narrowing", "widening", "parted", "pursed", "pressed", "raised", "arched"}
"""Qualities that are done to a noun: "shuts her eyes"."""
_HELPED = {Kind.PLAIN, Kind.LINK, Kind.DEGREE, Kind.QUALITY}
_NO_VERBS = {"of", "in", "as", ":", "="}
_FURTHEST = 14  # words between a noun and a quality said of it


@dataclass(frozen=True, slots=True)
class Heads:
    """Nouns that a quality may belong to, by place, likeliest first.

    alone: the first is certain. crossed: a comma or "and" lies before the one ahead. lost: an unknown noun takes it.
    """

    nouns: tuple[int, ...] = ()
    alone: bool = False
    crossed: bool = False
    lost: bool = False


@dataclass(slots=True)
class Words:
    """A text as lexemes. places: the token that each begins at, and at last the number of tokens."""

    tokens: Sequence[str]
    lexemes: list[Lexeme]
    kinds: list[Kind]
    places: list[int]

    def heads(self, at: int) -> Heads:
        """Nouns that the quality at `at` may belong to: before them, or after them with a verb or without."""
        lexeme = self.lexemes[at]
        ahead = Heads() if lexeme.text.startswith(_AFTER_ITS_NOUN) else self.ahead(at)
        if ahead.lost or ahead.alone:
            return ahead
        behind, linked, crossed = self._behind(at)
        if behind is None:
            return ahead
        owned = self._owned(behind)
        before = self._coordinate(behind, -1)
        if owned is not None:
            behind, before = owned, (behind, *self._coordinate(owned, -1), *before)
        if not ahead.nouns:
            return Heads((behind, *before), alone=linked, crossed=crossed and not linked)
        return Heads((behind, *ahead.nouns, *before) if linked else (*ahead.nouns, behind), crossed=True)

    def ahead(self, at: int) -> Heads:
        """The noun that follows: "brown hair", "long, wavy hair"."""
        kinds, count = self.kinds, min(len(self.kinds), at + _FURTHEST)
        crossed, place = False, self._step_over(at)
        while place < count:
            kind = kinds[place]
            following = kinds[place + 1] if place + 1 < count else Kind.BREAK
            if kind is Kind.NOUN and self.tokens[self.places[place]] in _VERBS and self._follows_a_noun(at):
                break
            if kind is Kind.NOUN or (kind is Kind.AGE and self._is_noun(place, following)):
                if crossed:
                    return Heads((place,), crossed=True)
                return Heads((place, *self._coordinate(place, 1)), alone=True)
            if kind is Kind.UNKNOWN:
                if following not in _GOES_ON and not self.lexemes[place].text.endswith("ly"):
                    return Heads(lost=not crossed)
            elif kind is Kind.COMMA or kind is Kind.JOINT:
                if following is Kind.JOINT and place + 2 < count:
                    place += 1
                    following = kinds[place + 1]
                if following not in _BEFORE_NOUNS and following is not Kind.UNKNOWN:
                    break
                crossed = True
            elif kind not in _BEFORE_NOUNS:
                break
            place += 1
        return Heads()

    def _step_over(self, at: int) -> int:
        """The place from which the noun is looked for, past "of" and "her": "pale of skin", "shuts her eyes"."""
        place, kinds = at + 1, self.kinds
        if place + 1 >= len(kinds):
            return place
        if self.lexemes[place].text == "of" and kinds[place] is Kind.LINK:
            past = place + 1 + (kinds[place + 1] in {Kind.OWNER, Kind.ARTICLE})
            return past if past < len(kinds) and kinds[past] is Kind.NOUN else place
        turned = self.lexemes[at].text in _TURNED and kinds[place] is Kind.OWNER and kinds[place + 1] is Kind.NOUN
        if not turned or not at:
            return place + 1 if turned else place
        before = self.lexemes[at - 1].noun
        done = before is not None and before.meaning(self.lexemes[at].text) is not None  # "his mouth open, her eyes"
        return place if done or kinds[at - 1] in {Kind.LINK, Kind.DEGREE} else place + 1

    def _follows_a_noun(self, at: int) -> bool:
        """Whether a noun, and nothing but qualities and "and", stands before."""
        while at and self.kinds[at - 1] in {Kind.QUALITY, Kind.DEGREE, Kind.LINK, Kind.JOINT, Kind.AGE}:
            at -= 1
        return at > 0 and self.kinds[at - 1] is Kind.NOUN

    def _owned(self, owner: int) -> int | None:
        """What belongs to this noun: the face in "the face in this photo"."""
        place = owner - 1
        while place > 0 and self.kinds[place] in {*_BEFORE_NOUNS, Kind.ARTICLE, Kind.OWNER}:
            place -= 1
        of = place > 0 and self.lexemes[place].text in {"of", "in"} and self.kinds[place - 1] is Kind.NOUN
        return place - 1 if of else None

    def is_owned(self, noun: int) -> bool:
        """Whether it is somebody's: "his wife", "whose wife"."""
        return noun > 0 and (self.kinds[noun - 1] is Kind.OWNER or self.lexemes[noun - 1].text == "whose")

    def _is_noun(self, place: int, following: Kind) -> bool:
        """Whether a word of age stands for a person: "a white teenager", but not "a white teenage girl"."""
        return self.lexemes[place].noun is not None and following not in _BEFORE_NOUNS and following is not Kind.NOUN

    def _behind(self, at: int) -> tuple[int | None, bool, bool]:
        """(noun that comes before, whether a verb or colon joins it, whether a comma or "and" parts it)."""
        linked = verb = crossed = False
        for place in range(at - 1, max(-1, at - _FURTHEST), -1):
            kind = self.kinds[place]
            if kind is Kind.NOUN:
                return place, linked, crossed
            if kind is Kind.LINK or (kind is Kind.STOP and self._helps_a_verb(place)):
                linked = True
                verb = verb or self.lexemes[place].text not in _NO_VERBS
            elif kind is Kind.COMMA or kind is Kind.JOINT:
                if verb and self.lexemes[place + 1].text not in _WHICH:
                    break  # "lips, is chubby": the lips are not
                crossed = True
            elif kind not in _BEFORE_QUALITIES:
                break
        return None, False, False

    def _helps_a_verb(self, place: int) -> bool:
        """Whether this is the "has" of "her mouth has fallen open"."""
        has = self.lexemes[place].text in {"has", "have", "had"} and place > 0 and place + 1 < len(self.kinds)
        return has and self.kinds[place - 1] is Kind.NOUN and self.kinds[place + 1] in _HELPED

    def stands_alone(self, at: int) -> bool:
        """Whether this is all there is between two commas."""
        after = self.kinds[at + 1] if at + 1 < len(self.kinds) else Kind.BREAK
        ends = {Kind.COMMA, Kind.BREAK}
        return after in ends and (at == 0 or self.kinds[at - 1] in ends)

    def _coordinate(self, noun: int, step: int) -> tuple[int, ...]:
        """The noun that shares a quality with this one: "a big nose and mouth"."""
        place, joined = noun + step, False
        while 0 <= place < len(self.kinds) and self.kinds[place] in _BETWEEN_NOUNS:
            joined = joined or self.kinds[place] is Kind.JOINT
            place += step
        return (place,) if joined and 0 <= place < len(self.kinds) and self.kinds[place] is Kind.NOUN else ()

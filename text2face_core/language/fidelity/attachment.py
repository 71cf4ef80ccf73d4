"""Modifier attachment: which head noun each modifier of a text belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .lexemes import Lexeme, WordClass

_BEFORE_NOUNS = {WordClass.MODIFIER, WordClass.INTENSIFIER, WordClass.TERM, WordClass.AGE}
_IN_NOUN_PHRASE = {*_BEFORE_NOUNS, WordClass.NOUN, WordClass.UNKNOWN}
_BEFORE_MODIFIERS = {
    *_IN_NOUN_PHRASE,
    WordClass.COPULA,
    WordClass.COMMA,
    WordClass.CONJUNCTION,
    WordClass.DETERMINER,
    WordClass.FILLER,
    WordClass.NEGATION,
}
_BETWEEN_NOUNS = {WordClass.CONJUNCTION, WordClass.POSSESSIVE, WordClass.DETERMINER}
_RELATIVE = {"which", "that"}
_POSTPOSED = ("of ", "to ", "down ", "at ", "past ", "over ", "below ", "above ", "beyond ", "reach", "touch")
"""First words of modifiers that follow their noun: "hair down to her shoulders"."""
_VERB_FORMS = frozenset({"looks", "smiles", "grins", "laughs", "smirks", "stares", "glances", "frames", "features"})
"""Noun forms that are verbs after a noun and its modifier: "with lips ajar looks"."""
_TRANSITIVE = frozenset(
    {"open", "close", "closed", "shut", "part", "narrow", "widened", "purse", "press", "lifted", "arch"}
)
_TRANSITIVE |= {
    "opened",
    "opening",
    "narrowed",
    "narrowing",
    "widening",
    "parted",
    "pursed",
    "pressed",
    "raised",
    "arched",
}
"""Modifiers that can be verbs with the noun as their object: "shuts her eyes"."""
_AFTER_AUXILIARY = {WordClass.FILLER, WordClass.COPULA, WordClass.INTENSIFIER, WordClass.MODIFIER}
_COPULAS_WITHOUT_VERB = {"of", "in", "as", ":", "="}
_FURTHEST = 14  # most words between a noun and its modifier


@dataclass(frozen=True, slots=True)
class Heads:
    """Candidate head nouns of a modifier.

    Attributes:
        nouns: positions, likeliest first.
        alone: whether the first is certain. "brown hair".
        crossed: whether a comma or "and" stands between. "black, wavy hair".
        lost: whether an unknown noun takes the modifier. "brown satchel".
    """

    nouns: tuple[int, ...] = ()
    alone: bool = False
    crossed: bool = False
    lost: bool = False


@dataclass(slots=True)
class LexedText:
    """A text as lexemes.

    Attributes:
        tokens: words and marks.
        lexemes: a lexeme for each word or phrase.
        classes: their word classes.
        positions: the token at which each lexeme begins; at the end, the number of tokens.
    """

    tokens: Sequence[str]
    lexemes: list[Lexeme]
    classes: list[WordClass]
    positions: list[int]

    def heads(self, at: int) -> Heads:
        """Candidate head nouns of the modifier at `at`: the noun that follows, and the noun before it."""
        lexeme = self.lexemes[at]
        ahead = Heads() if lexeme.text.startswith(_POSTPOSED) else self.ahead(at)
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
        """The head noun that follows: "brown hair", "long, wavy hair"."""
        classes, count = self.classes, min(len(self.classes), at + _FURTHEST)
        crossed, place = False, self._step_over(at)
        while place < count:
            word_class = classes[place]
            following = classes[place + 1] if place + 1 < count else WordClass.SENTENCE_END
            if (
                word_class is WordClass.NOUN
                and self.tokens[self.positions[place]] in _VERB_FORMS
                and self._follows_a_noun(at)
            ):
                break
            if word_class is WordClass.NOUN or (word_class is WordClass.AGE and self._is_noun(place, following)):
                if crossed:
                    return Heads((place,), crossed=True)
                return Heads((place, *self._coordinate(place, 1)), alone=True)
            if word_class is WordClass.UNKNOWN:
                if following not in _IN_NOUN_PHRASE and not self.lexemes[place].text.endswith("ly"):
                    return Heads(lost=not crossed)
            elif word_class is WordClass.COMMA or word_class is WordClass.CONJUNCTION:
                if following is WordClass.CONJUNCTION and place + 2 < count:
                    place += 1
                    following = classes[place + 1]
                if following not in _BEFORE_NOUNS and following is not WordClass.UNKNOWN:
                    break
                crossed = True
            elif word_class not in _BEFORE_NOUNS:
                break
            place += 1
        return Heads()

    def _step_over(self, at: int) -> int:
        """Where the search for the noun begins, past "of" and "her": "pale of skin", "shuts her eyes"."""
        place, classes = at + 1, self.classes
        if place + 1 >= len(classes):
            return place
        if self.lexemes[place].text == "of" and classes[place] is WordClass.COPULA:
            past = place + 1 + (classes[place + 1] in {WordClass.POSSESSIVE, WordClass.DETERMINER})
            return past if past < len(classes) and classes[past] is WordClass.NOUN else place
        turned = (
            self.lexemes[at].text in _TRANSITIVE
            and classes[place] is WordClass.POSSESSIVE
            and classes[place + 1] is WordClass.NOUN
        )
        if not turned or not at:
            return place + 1 if turned else place
        before = self.lexemes[at - 1].noun
        done = before is not None and before.meaning(self.lexemes[at].text) is not None  # "his mouth open, her eyes"
        return place if done or classes[at - 1] in {WordClass.COPULA, WordClass.INTENSIFIER} else place + 1

    def _follows_a_noun(self, at: int) -> bool:
        """Whether a noun comes before, with only modifiers and "and" between."""
        while at and self.classes[at - 1] in {
            WordClass.MODIFIER,
            WordClass.INTENSIFIER,
            WordClass.COPULA,
            WordClass.CONJUNCTION,
            WordClass.AGE,
        }:
            at -= 1
        return at > 0 and self.classes[at - 1] is WordClass.NOUN

    def _owned(self, owner: int) -> int | None:
        """The noun that this noun is a complement of: the face in "the face in this photo"."""
        place = owner - 1
        while place > 0 and self.classes[place] in {*_BEFORE_NOUNS, WordClass.DETERMINER, WordClass.POSSESSIVE}:
            place -= 1
        of = place > 0 and self.lexemes[place].text in {"of", "in"} and self.classes[place - 1] is WordClass.NOUN
        return place - 1 if of else None

    def is_owned(self, noun: int) -> bool:
        """Whether a possessive stands before it: "his wife", "whose wife"."""
        return noun > 0 and (self.classes[noun - 1] is WordClass.POSSESSIVE or self.lexemes[noun - 1].text == "whose")

    def _is_noun(self, place: int, following: WordClass) -> bool:
        """Whether a word of age is a noun: "a white teenager", but not "a white teenage girl"."""
        return (
            self.lexemes[place].noun is not None and following not in _BEFORE_NOUNS and following is not WordClass.NOUN
        )

    def _behind(self, at: int) -> tuple[int | None, bool, bool]:
        """(the noun before, whether a verb or colon joins it, whether a comma or "and" separates it)."""
        linked = verb = crossed = False
        for place in range(at - 1, max(-1, at - _FURTHEST), -1):
            word_class = self.classes[place]
            if word_class is WordClass.NOUN:
                return place, linked, crossed
            if word_class is WordClass.COPULA or (word_class is WordClass.CLAUSE and self._is_auxiliary(place)):
                linked = True
                verb = verb or self.lexemes[place].text not in _COPULAS_WITHOUT_VERB
            elif word_class is WordClass.COMMA or word_class is WordClass.CONJUNCTION:
                if verb and self.lexemes[place + 1].text not in _RELATIVE:
                    break  # "lips, is chubby": the lips are not
                crossed = True
            elif word_class not in _BEFORE_MODIFIERS:
                break
        return None, False, False

    def _is_auxiliary(self, place: int) -> bool:
        """Whether this is an auxiliary: the "has" of "her mouth has fallen open"."""
        has = self.lexemes[place].text in {"has", "have", "had"} and place > 0 and place + 1 < len(self.classes)
        return has and self.classes[place - 1] is WordClass.NOUN and self.classes[place + 1] in _AFTER_AUXILIARY

    def stands_alone(self, at: int) -> bool:
        """Whether the modifier is all that stands between two commas."""
        after = self.classes[at + 1] if at + 1 < len(self.classes) else WordClass.SENTENCE_END
        ends = {WordClass.COMMA, WordClass.SENTENCE_END}
        return after in ends and (at == 0 or self.classes[at - 1] in ends)

    def _coordinate(self, noun: int, step: int) -> tuple[int, ...]:
        """The noun that shares a modifier with this noun: "a big nose and mouth"."""
        place, joined = noun + step, False
        while 0 <= place < len(self.classes) and self.classes[place] in _BETWEEN_NOUNS:
            joined = joined or self.classes[place] is WordClass.CONJUNCTION
            place += step
        return (place,) if joined and 0 <= place < len(self.classes) and self.classes[place] is WordClass.NOUN else ()

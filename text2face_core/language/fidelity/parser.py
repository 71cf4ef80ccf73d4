"""Parse a text into statements: a claim for each of its words that means something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .ages import NUMBER_WORDS, read_age
from .attachment import Heads, LexedText
from .lexemes import OTHER, Claim, Lexeme, Listed, WordClass, split_words
from .lexicon import Lexicon
from .negation import negated_positions
from .people import extra_people

_FILLER = Lexeme(WordClass.FILLER, "")
_AFTER_BARE = {
    WordClass.SENTENCE_END,
    WordClass.COMMA,
    WordClass.CONJUNCTION,
    WordClass.MODIFIER,
    WordClass.INTENSIFIER,
}
_CLOTHING_VERBS = {"wearing", "wears", "wear", "wore", "in", "dressed", "clad"}
_ENGLISH_ENDING = re.compile(r"(?:ing|ed|ly|ness|ful|less|ous|ive|able|ment|ance|ence|tion|ity|ship)$")
_NOT_ENGLISH = {WordClass.FOREIGN, WordClass.UNKNOWN}
_MARKS = {WordClass.COMMA, WordClass.SENTENCE_END}
_CONTENT = {WordClass.NOUN, WordClass.MODIFIER, WordClass.TERM, WordClass.AGE}


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim at its place in a text.

    Attributes:
        claim: what is stated.
        start, end: the tokens that say it, from and to.
        negated: whether it is denied. "no glasses".
        tentative: it counts if the bag agrees, and is ignored otherwise.
        literal: it counts only if the bag's own phrase contains this word.
        word: the token of the word itself, if `start` is that of its noun.
    """

    claim: Claim
    start: int
    end: int
    negated: bool = False
    tentative: bool = False
    literal: str = ""
    word: int = -1

    @property
    def said_at(self) -> int:
        """The token of the word that makes the claim."""
        return self.start if self.word < 0 else self.word


class Parser:
    """A parser for a lexicon, and optionally for further phrases of a bag."""

    def __init__(self, lexicon: Lexicon, own: Iterable[Lexeme] = ()) -> None:
        self.lexicon = lexicon
        self._own: dict[str, list[Listed]] = {}
        for lexeme in own:
            phrase = tuple(split_words(lexeme.text))
            self._own.setdefault(phrase[0], []).append((phrase, lexeme))

    def parse(self, tokens: Sequence[str]) -> list[Statement]:
        """All statements of a text, from left to right."""
        text = self._look_up(tokens)
        self._blank_cut_word(text)
        if WordClass.FOREIGN in text.classes or WordClass.UNKNOWN in text.classes:
            self._blank_foreign(text)
        negated = negated_positions(text, self.lexicon.postposed_negation)
        talk = self._talk(text)
        statements: list[Statement] = []
        replaced: set[int] = set()
        for at, word_class in enumerate(text.classes):
            lexeme = text.lexemes[at]
            if word_class is WordClass.AGE and lexeme.text == "young":
                lexeme = self._young(text, at)
            if lexeme.claims and lexeme.claims[0].not_said_of and self._means_something_else(text, at):
                statements.append(self._statement(text, at, OTHER, negated))
            elif word_class is WordClass.MODIFIER:
                statements += self._modifier(text, at, negated, replaced)
            elif word_class is not WordClass.UNKNOWN:
                statements += [self._statement(text, at, claim, negated) for claim in lexeme.claims]
            elif at not in negated and at not in talk:
                statements.append(self._statement(text, at, OTHER, negated))
            for claim in lexeme.embedded:
                statements.append(self._statement(text, at, claim, negated))
        statements += [self._statement(text, at, OTHER, set()) for at in extra_people(text, self.lexicon, talk)]
        if replaced:
            starts = {text.positions[at] for at in replaced}
            own = {claim for at in replaced for claim in text.lexemes[at].claims}
            statements = [one for one in statements if one.start not in starts or one.claim not in own]
        return sorted(statements, key=lambda one: one.start)

    # --- words ---

    def _look_up(self, tokens: Sequence[str]) -> LexedText:
        """The lexemes of a text; the longest phrase wins."""
        phrases, own = self.lexicon.phrases, self._own
        lexemes: list[Lexeme] = []
        positions: list[int] = []
        at, count = 0, len(tokens)
        while at < count:
            word, length, lexeme = tokens[at], 1, None
            following = tokens[at + 1] if at + 1 < count else ""
            listed_here = phrases.get((word, following), ())
            for phrase, listed in (*own[word], *listed_here) if word in own else listed_here:
                if tuple(tokens[at : at + len(phrase)]) == phrase:
                    length, lexeme = len(phrase), listed
                    break
            else:
                if word[0].isdigit() or word in NUMBER_WORDS:
                    age = read_age(tokens, at)
                    if age:
                        length = age[1] - at
                        lexeme = Lexeme(WordClass.AGE, word, (Claim(invents="age", age=age[0]),))
                lexeme = lexeme or self._word(tokens, at)
            lexemes.append(lexeme)
            positions.append(at)
            at += length
        positions.append(count)
        return LexedText(tokens, lexemes, [lexeme.word_class for lexeme in lexemes], positions)

    def _word(self, tokens: Sequence[str], at: int) -> Lexeme:
        """The lexeme of a token; "a pretty big nose" and "aged 34" ignore "pretty" and "aged"."""
        word, following = tokens[at], tokens[at + 1 : at + 4]
        lexeme = self.lexicon.word(word)
        if word == "pretty" and following:
            next_one = self.lexicon.word(following[0])
            if next_one.word_class is WordClass.MODIFIER and not self.lexicon.nouns["person"].meaning(next_one.text):
                return _FILLER
        if word == "aged" and any(one[0].isdigit() or one in NUMBER_WORDS for one in following):
            return _FILLER
        return lexeme

    def _young(self, text: LexedText, at: int) -> Lexeme:
        """The lexeme of "young", or that of "young woman" for "young Black woman"."""
        heads = text.ahead(at)
        whole = self.lexicon.find(f"young {text.lexemes[heads.nouns[0]].text}") if heads.nouns else None
        return whole if whole and whole.word_class is WordClass.AGE else text.lexemes[at]

    @staticmethod
    def _blank_cut_word(text: LexedText) -> None:
        """Ignore a last word in which the text was cut off: "stubble, stubble, stub"."""
        last = text.tokens[-1] if text.tokens else ""
        if text.classes[-1:] == [WordClass.UNKNOWN] and any(token.startswith(last) for token in text.tokens[:-1]):
            text.lexemes[-1], text.classes[-1] = _FILLER, WordClass.FILLER

    def _blank_foreign(self, text: LexedText) -> None:
        """Ignore every word of a sentence in another language."""
        ends = [
            at
            for at, word_class in enumerate(text.classes)
            if word_class is WordClass.SENTENCE_END and text.lexemes[at].text != "but"
        ]
        start = 0
        for end in (*ends, len(text.classes)):
            if self._is_foreign(text.classes[start:end], text.tokens[text.positions[start] : text.positions[end]]):
                text.lexemes[start:end] = [_FILLER] * (end - start)
                text.classes[start:end] = [WordClass.FILLER] * (end - start)
            start = end + 1

    def language_flaw(self, tokens: Sequence[str]) -> str:
        """Why the words are not English to the end: a sentence in another language, or a word that is cut off."""
        text = self._look_up(tokens)
        ends = [at for at, word_class in enumerate(text.classes) if word_class is WordClass.SENTENCE_END]
        start = 0
        for end in (*ends, len(text.classes)):
            classes = text.classes[start:end]
            said = [one for one in classes if one not in _MARKS]
            short = len(said) > 1 and WordClass.FOREIGN in said and set(said) <= _NOT_ENGLISH
            if short or self._is_foreign(classes, text.tokens[text.positions[start] : text.positions[end]]):
                return "not English"
            start = end + 1
        if self._has_foreign_words(text):
            return "not English"
        last = text.tokens[-1] if text.tokens else ""
        cut = text.classes[-1:] == [WordClass.UNKNOWN] and any(
            token.startswith(last) and token != last for token in text.tokens[:-1]
        )
        return "unfinished" if cut else ""

    def _has_foreign_words(self, text: LexedText) -> bool:
        """Whether an English sentence holds listed foreign words: two in a row, or a word with foreign letters."""
        strange = [
            word_class in _NOT_ENGLISH or text.tokens[start] == "un"
            for word_class, start in zip(text.classes, text.positions, strict=False)
        ]
        for at, word_class in enumerate(text.classes):
            word = text.tokens[text.positions[at]]
            if word_class is WordClass.FOREIGN and self.lexicon.find(word) is not None:
                near = strange[max(0, at - 1) : at] + strange[at + 1 : at + 2]
                if any(near) or not word.isascii():
                    return True
        return False

    def _is_foreign(self, classes: Sequence[WordClass], tokens: Sequence[str]) -> bool:
        foreign = classes.count(WordClass.FOREIGN)
        strange = foreign + classes.count(WordClass.UNKNOWN)
        endings = sum(bool(_ENGLISH_ENDING.search(token)) for token in tokens)
        mostly = strange > 2 and strange * 2 > len(tokens) and endings * 2 < strange
        if foreign < 2 and not mostly:
            return False
        english = (
            sum(token in self.lexicon.english for token in tokens)
            + sum(word_class in _CONTENT for word_class in classes) // 2
        )
        return foreign > english or (foreign > 1 and strange > 2 * english) or (mostly and not english)

    def _talk(self, text: LexedText) -> set[int]:
        """Positions of all words in sentences about the task."""
        talk, found = self.lexicon.talk, set[int]()
        if talk.isdisjoint(text.tokens):
            return found
        start = 0
        for end in [
            *(at for at, word_class in enumerate(text.classes) if word_class is WordClass.SENTENCE_END),
            len(text.classes),
        ]:
            if not talk.isdisjoint(text.tokens[text.positions[start] : text.positions[end]]):
                found.update(range(start, end))
            start = end
        return found

    # --- claims ---

    @staticmethod
    def _statement(text: LexedText, at: int, claim: Claim, negated: set[int]) -> Statement:
        return Statement(claim, text.positions[at], text.positions[at + 1], at in negated)

    def _modifier(self, text: LexedText, at: int, negated: set[int], replaced: set[int]) -> Iterator[Statement]:
        """Statements of a modifier about its head nouns, or by itself if none of them gives it a meaning."""
        lexeme, heads = text.lexemes[at], text.heads(at)
        start, end = text.positions[at], text.positions[at + 1]
        understood, person = False, self.lexicon.nouns["person"]
        own = (lexeme.claims or person.meaning(lexeme.text) or ()) if text.stands_alone(at) else ()
        for number, head in enumerate(heads.nouns):
            noun = text.lexemes[head].noun
            meaning = noun.meaning(lexeme.text) if noun else None
            if meaning is None:
                continue
            if head < at and noun is not None and person in (noun, noun.inherits) and text.lexemes[at - 1].text == "in":
                meaning = (OTHER,)  # "a man in white"
            if number and heads.alone and meaning == (OTHER,):  # "brown hair and eyes"
                yield self._statement(text, head, OTHER, negated)
            for claim in meaning:
                if claim.overrides_noun and not understood:
                    replaced.add(head)
                others = heads.nouns[number + 1 :] if heads.crossed and not understood else ()
                either = self._either(text, others, lexeme.text, claim)
                for other in () if understood else own:  # "closed eyes, Black, big lips"
                    either = either.or_mentions(other)
                first, last = min(start, text.positions[head]), max(end, text.positions[head + 1])
                yield Statement(either, first, last, at in negated, tentative=understood, word=start)
            understood = True
        if not understood:
            yield from self._by_itself(text, at, heads, negated)

    @staticmethod
    def _either(text: LexedText, others: Sequence[int], modifier: str, claim: Claim) -> Claim:
        """The claim of a modifier about a noun or, alternatively, about others: "wavy hair, black, light skin"."""
        for head in others:
            noun = text.lexemes[head].noun
            for other in (noun.meaning(modifier) if noun else None) or ():
                claim = claim.or_mentions(other)
        return claim

    def _by_itself(self, text: LexedText, at: int, heads: Heads, negated: set[int]) -> Iterator[Statement]:
        lexeme = text.lexemes[at]
        claims: Sequence[Claim] = lexeme.claims
        if not claims and heads.lost:
            return
        if not claims and not heads.alone:
            claims = self.lexicon.nouns["person"].meaning(lexeme.text) or ()
        if claims:
            for claim in claims:
                yield self._statement(text, at, claim, negated)
        elif lexeme.of_any_noun and (heads.crossed or (not heads.nouns and self._is_bare(text, at))):
            literal = lexeme.text if heads.nouns else ""
            yield Statement(
                lexeme.of_any_noun, text.positions[at], text.positions[at + 1], at in negated, literal=literal
            )
        elif not lexeme.is_optional:
            yield self._statement(text, at, OTHER, negated)

    @staticmethod
    def _is_bare(text: LexedText, at: int) -> bool:
        """Whether a modifier is an entry of a list ("woman, brown, 34"), unlike "wearing red" or "full of"."""
        following = text.classes[at + 1] if at + 1 < len(text.classes) else WordClass.SENTENCE_END
        worn = at > 0 and text.lexemes[at - 1].text in _CLOTHING_VERBS
        return following in _AFTER_BARE and not worn

    @staticmethod
    def _means_something_else(text: LexedText, at: int) -> bool:
        """Whether a word is attached to a noun of which it means something else."""
        not_said_of = text.lexemes[at].claims[0].not_said_of
        if "owner" in not_said_of and text.is_owned(at):
            return True  # "his wife" is another person
        heads = text.ahead(at) if text.classes[at] is WordClass.AGE else text.heads(at)
        noun = text.lexemes[heads.nouns[0]].noun if heads.alone else None
        return (heads.lost and "*" in not_said_of) or (noun is not None and noun.name in not_said_of)

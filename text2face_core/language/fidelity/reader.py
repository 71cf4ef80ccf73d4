"""What a text says: a claim for each of its words that means something."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .ages import NUMBER_WORDS, read_age
from .lexicon import OTHER, Claim, Kind, Lexeme, Lexicon, Listed, merged, split_words
from .negation import denied_places
from .sentence import Heads, Words

_PLAIN = Lexeme(Kind.PLAIN, "")
_AFTER_LOOSE = {Kind.BREAK, Kind.COMMA, Kind.JOINT, Kind.QUALITY, Kind.DEGREE}
_WORN = {"wearing", "wears", "wear", "wore", "in", "dressed", "clad"}
_ENGLISH_ENDING = re.compile(r"(?:ing|ed|ly|ness|ful|less|ous|ive|able|ment|ance|ence|tion|ity|ship)$")
_MEANT = {Kind.NOUN, Kind.QUALITY, Kind.WORD, Kind.AGE}


@dataclass(frozen=True, slots=True)
class Said:
    """One claim, where it stands (tokens from, to), and whether it is denied.

    doubtful: counted where the bag agrees, and otherwise taken for nothing. literal: counted only where the bag's own
    phrase has this word.
    """

    claim: Claim
    start: int
    end: int
    denied: bool = False
    doubtful: bool = False
    literal: str = ""


class Reader:
    """Reads texts with the words of one lexicon, and with further phrases of one bag."""

    def __init__(self, lexicon: Lexicon, own: Iterable[Lexeme] = ()) -> None:
        self.lexicon = lexicon
        self._own: dict[str, list[Listed]] = {}
        for lexeme in own:
            phrase = tuple(split_words(lexeme.text))
            self._own.setdefault(phrase[0], []).append((phrase, lexeme))

    def read(self, tokens: Sequence[str]) -> list[Said]:
        """All claims, from left to right."""
        words = self._look_up(tokens)
        self._blank_cut_word(words)
        if Kind.FOREIGN in words.kinds or Kind.UNKNOWN in words.kinds:
            self._blank_foreign(words)
        denied = denied_places(words, self.lexicon.after_denial)
        talk = self._talk(words)
        said: list[Said] = []
        replaced: set[int] = set()
        for at, kind in enumerate(words.kinds):
            lexeme = words.lexemes[at]
            if kind is Kind.AGE and lexeme.text == "young":
                lexeme = self._young(words, at)
            if lexeme.claims and lexeme.claims[0].not_of and self._means_else(words, at):
                said.append(self._said(words, at, OTHER, denied))
            elif kind is Kind.QUALITY:
                said += self._quality(words, at, denied, replaced)
            elif kind is not Kind.UNKNOWN:
                said += [self._said(words, at, claim, denied) for claim in lexeme.claims]
            elif at not in denied and at not in talk:
                said.append(self._said(words, at, OTHER, denied))
            for claim in lexeme.within:
                said.append(self._said(words, at, claim, denied))
        if replaced:
            starts = {words.places[at] for at in replaced}
            own = {claim for at in replaced for claim in words.lexemes[at].claims}
            said = [one for one in said if one.start not in starts or one.claim not in own]
        return sorted(said, key=lambda one: one.start)

    # --- words ---

    def _look_up(self, tokens: Sequence[str]) -> Words:
        """The lexemes of a text; the longest phrase wins."""
        phrases, own = self.lexicon.phrases, self._own
        lexemes: list[Lexeme] = []
        places: list[int] = []
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
                        lexeme = Lexeme(Kind.AGE, word, (Claim(invents="age", age=age[0]),))
                lexeme = lexeme or self._word(tokens, at)
            lexemes.append(lexeme)
            places.append(at)
            at += length
        places.append(count)
        return Words(tokens, lexemes, [lexeme.kind for lexeme in lexemes], places)

    def _word(self, tokens: Sequence[str], at: int) -> Lexeme:
        """The lexeme of one token; "a pretty big nose" and "aged 34" say nothing by "pretty" and "aged"."""
        word, following = tokens[at], tokens[at + 1 : at + 4]
        lexeme = self.lexicon.word(word)
        if word == "pretty" and following:
            next_one = self.lexicon.word(following[0])
            if next_one.kind is Kind.QUALITY and not self.lexicon.nouns["person"].meaning(next_one.text):
                return _PLAIN
        if word == "aged" and any(one[0].isdigit() or one in NUMBER_WORDS for one in following):
            return _PLAIN
        return lexeme

    def _young(self, words: Words, at: int) -> Lexeme:
        """The lexeme of "young", or that of "young woman" for "young Black woman"."""
        heads = words.ahead(at)
        whole = self.lexicon.find(f"young {words.lexemes[heads.nouns[0]].text}") if heads.nouns else None
        return whole if whole and whole.kind is Kind.AGE else words.lexemes[at]

    @staticmethod
    def _blank_cut_word(words: Words) -> None:
        """Take the last word for nothing where the text was cut in it: "stubble, stubble, stub"."""
        last = words.tokens[-1] if words.tokens else ""
        if words.kinds[-1:] == [Kind.UNKNOWN] and any(token.startswith(last) for token in words.tokens[:-1]):
            words.lexemes[-1], words.kinds[-1] = _PLAIN, Kind.PLAIN

    def _blank_foreign(self, words: Words) -> None:
        """Take every word of a sentence in another language for nothing."""
        ends = [at for at, kind in enumerate(words.kinds) if kind is Kind.BREAK and words.lexemes[at].text != "but"]
        start = 0
        for end in (*ends, len(words.kinds)):
            if self._is_foreign(words.kinds[start:end], words.tokens[words.places[start] : words.places[end]]):
                words.lexemes[start:end] = [_PLAIN] * (end - start)
                words.kinds[start:end] = [Kind.PLAIN] * (end - start)
            start = end + 1

    def _is_foreign(self, kinds: Sequence[Kind], tokens: Sequence[str]) -> bool:
        foreign = kinds.count(Kind.FOREIGN)
        strange = foreign + kinds.count(Kind.UNKNOWN)
        endings = sum(bool(_ENGLISH_ENDING.search(token)) for token in tokens)
        mostly = strange > 2 and strange * 2 > len(tokens) and endings * 2 < strange
        if foreign < 2 and not mostly:
            return False
        english = sum(token in self.lexicon.english for token in tokens) + sum(kind in _MEANT for kind in kinds) // 2
        return foreign > english or (foreign > 1 and strange > 2 * english) or (mostly and not english)

    def _talk(self, words: Words) -> set[int]:
        """Places of all words in sentences about the task."""
        talk, found = self.lexicon.talk, set[int]()
        if talk.isdisjoint(words.tokens):
            return found
        start = 0
        for end in [*(at for at, kind in enumerate(words.kinds) if kind is Kind.BREAK), len(words.kinds)]:
            if not talk.isdisjoint(words.tokens[words.places[start] : words.places[end]]):
                found.update(range(start, end))
            start = end
        return found

    # --- claims ---

    @staticmethod
    def _said(words: Words, at: int, claim: Claim, denied: set[int]) -> Said:
        return Said(claim, words.places[at], words.places[at + 1], at in denied)

    def _quality(self, words: Words, at: int, denied: set[int], replaced: set[int]) -> Iterator[Said]:
        """What a quality says of the nouns that it may belong to; by itself, where it means something without them."""
        lexeme, heads = words.lexemes[at], words.heads(at)
        start, end = words.places[at], words.places[at + 1]
        understood, person = False, self.lexicon.nouns["person"]
        own = (lexeme.claims or person.meaning(lexeme.text) or ()) if words.stands_alone(at) else ()
        for number, head in enumerate(heads.nouns):
            noun = words.lexemes[head].noun
            meaning = noun.meaning(lexeme.text) if noun else None
            if meaning is None:
                continue
            if head < at and noun is not None and person in (noun, noun.like) and words.lexemes[at - 1].text == "in":
                meaning = (OTHER,)  # "a man in white"
            if number and heads.alone and meaning == (OTHER,):  # "brown hair and eyes"
                yield self._said(words, head, OTHER, denied)
            for claim in meaning:
                if claim.instead and not understood:
                    replaced.add(head)
                others = heads.nouns[number + 1 :] if heads.crossed and not understood else ()
                either = self._either(words, others, lexeme.text, claim)
                for other in () if understood else own:  # "closed eyes, Black, big lips"
                    either = merged(either, other)
                first, last = min(start, words.places[head]), max(end, words.places[head + 1])
                yield Said(either, first, last, at in denied, doubtful=understood)
            understood = True
        if not understood:
            yield from self._by_itself(words, at, heads, denied)

    @staticmethod
    def _either(words: Words, others: Sequence[int], quality: str, claim: Claim) -> Claim:
        """A claim that a quality makes of one noun or of others: "wavy hair, black, light skin"."""
        for head in others:
            noun = words.lexemes[head].noun
            for other in (noun.meaning(quality) if noun else None) or ():
                claim = merged(claim, other)
        return claim

    def _by_itself(self, words: Words, at: int, heads: Heads, denied: set[int]) -> Iterator[Said]:
        lexeme = words.lexemes[at]
        claims: Sequence[Claim] = lexeme.claims
        if not claims and heads.lost:
            return
        if not claims and not heads.alone:
            claims = self.lexicon.nouns["person"].meaning(lexeme.text) or ()
        if claims:
            for claim in claims:
                yield self._said(words, at, claim, denied)
        elif lexeme.anywhere and (heads.crossed or (not heads.nouns and self._is_loose(words, at))):
            literal = lexeme.text if heads.nouns else ""
            yield Said(lexeme.anywhere, words.places[at], words.places[at + 1], at in denied, literal=literal)
        elif not lexeme.weak:
            yield self._said(words, at, OTHER, denied)

    @staticmethod
    def _is_loose(words: Words, at: int) -> bool:
        """Whether a quality stands by itself as in a list ("woman, brown, 34"), unlike "wearing red" or "full of"."""
        following = words.kinds[at + 1] if at + 1 < len(words.kinds) else Kind.BREAK
        worn = at > 0 and words.lexemes[at - 1].text in _WORN
        return following in _AFTER_LOOSE and not worn

    @staticmethod
    def _means_else(words: Words, at: int) -> bool:
        """Whether words are said of a noun of which they mean something else."""
        not_of = words.lexemes[at].claims[0].not_of
        if "owner" in not_of and words.is_owned(at):
            return True  # "his wife" is somebody else
        heads = words.ahead(at) if words.kinds[at] is Kind.AGE else words.heads(at)
        noun = words.lexemes[heads.nouns[0]].noun if heads.alone else None
        return (heads.lost and "*" in not_of) or (noun is not None and noun.name in not_of)

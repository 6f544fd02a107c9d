"""What the words of a search are read as: other forms of them, words that sound or look nearly the same.

A word that listings know counts with its family (same stem) and with what begins with it. One that nobody
knows is read as the words that sound the same (« boutik », boutique) or are a slip or two away (« facutre »,
facture), the nearest ones. docs/search.md tells it with examples.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice

from rapidfuzz import process
from rapidfuzz.distance import OSA
from sqlalchemy import func, select

from marketplace.extensions import db
from marketplace.models import SearchWord, Skill, SkillWord, WordKind
from marketplace.services import skills
from marketplace.services.text import fold, fold_place, stem

# Words of a search that count; further ones are left out.
TERMS_MAX = 8
# Words that one word may be read as.
FORMS_MAX = 12
_PREFIX_MIN = 4
# Slips forgiven, by the least number of letters: a letter missing, too much, changed, or two swapped.
_SLIPS = ((8, 2), (4, 1))
_NAMED_BY = (WordKind.SYNONYM, WordKind.BRAND)
# The words that PostgreSQL's French leaves out, and what people say when they ask.
EMPTY_WORDS = frozenset(
    fold(
        """au aux avec ce ces dans de des du elle en et eux il je la le les leur lui ma mais me même mes moi
        mon ne nos notre nous on ou par pas pour qu que qui sa se ses son sur ta te tes toi ton tu un une
        vos votre vous c d j l à m n s t y été étée étées étés étant étante étants étantes suis es est
        sommes êtes sont serai seras sera serons serez seront serais serait serions seriez seraient étais
        était étions étiez étaient fus fut fûmes fûtes furent sois soit soyons soyez soient fusse fusses
        fût fussions fussiez fussent ayant ayante ayantes ayants eu eue eues eus ai as avons avez ont
        aurai auras aura aurons aurez auront aurais aurait aurions auriez auraient avais avait avions
        aviez avaient eut eûmes eûtes eurent aie aies ait ayons ayez aient eusse eusses eût eussions
        eussiez eussent veux voudrais voudrions voulons souhaite aimerais aimerions cherche cherchons
        besoin quelqu quelque quelques comment faire"""
    ).split()
)
# How a folded word sounds in French, near enough: the later rules read what the former leave.
_SOUNDS = tuple(
    (re.compile(written), heard)
    for written, heard in (
        ("ph", "f"), ("qu|[ck](?![eiyh])|q", "k"), ("c(?=[eiy])", "s"), ("gu(?=[eiy])|g(?![eiy])", "g"),
        ("g(?=[eiy])", "j"), ("eaux?|aux?", "o"), ("ai|ei|oe|ay", "e"), ("y", "i"), ("(?<!c)h", ""),
        (r"(.)\1+", r"\1"), ("(?<=[aeiou])s(?=[aeiou])", "z"), ("(?:e|es|s|x|t|d|ent)$", ""),
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Term:
    """A word that is searched for. `forms`: the words of listings it is read as, none when nobody knows it.

    `skills`: the ids of those that it names. `is_corrected`: the word itself is nowhere.
    """

    written: str
    forms: tuple[str, ...]
    skills: frozenset[int]
    is_corrected: bool


def read(words: str) -> list[Term]:
    """Return what is searched for, TERMS_MAX words at most; nothing when the words say nothing."""
    written = list(dict.fromkeys(word for word in fold_place(words).split() if _says_something(word)))
    if not written:
        return []
    lexicon = _lexicon()
    known = (_known_words(), lexicon.words)
    read_as = {word: _read_as(word, known) for word in written[:TERMS_MAX]}
    stems = {word: {stem(form) for form in (word, *forms)} for word, (forms, _) in read_as.items()}
    named = lexicon.named_by(stems)
    return [Term(word, forms, named[word], corrected) for word, (forms, corrected) in read_as.items()]


class Vocabulary:
    """Words to read others as. Looking for a beginning takes their logarithm; for a slip, all of them."""

    def __init__(self, words: Iterable[str]) -> None:
        self.words = sorted(set(words))

    def forms(self, word: str) -> Iterator[str]:
        """Yield the words of the same stem, and those that begin with the word."""
        wanted, start = stem(word), bisect_left(self.words, word[:_PREFIX_MIN])
        for other in islice(self.words, start, None):
            if not other.startswith(word[:_PREFIX_MIN]):
                return
            begins = len(word) >= _PREFIX_MIN and other.startswith(word)
            if other == word or begins or stem(other) == wanted:
                yield other

    def near(self, word: str) -> Iterator[tuple[int, str]]:
        """Yield the words a few slips away, by how they are written or by how they sound, with the slips."""
        for written, others in ((word, self.words), (sound(word), self._sounds)):
            most = next((slips for length, slips in _SLIPS if len(written) >= length), None)
            if most is not None:
                found = process.extract(written, others, scorer=OSA.distance, score_cutoff=most, limit=None)
                yield from ((slips, self.words[row]) for _, slips, row in found)

    @cached_property
    def _sounds(self) -> list[str]:
        return [sound(word) for word in self.words]


@dataclass(frozen=True, slots=True)
class _Lexicon:
    """What names a skill: each word of its label alone, a synonym or a brand when all its words are there."""

    words: Vocabulary
    by_stem: Mapping[str, Sequence[tuple[frozenset[str], int]]]

    def named_by(self, stems: Mapping[str, set[str]]) -> dict[str, frozenset[int]]:
        """Return the skills that each word, known by its stems, names together with the others."""
        asked = set().union(*stems.values())
        return {
            word: frozenset(
                skill for own in mine for phrase, skill in self.by_stem.get(own, ()) if phrase <= asked
            )
            for word, mine in stems.items()
        }


@lru_cache(maxsize=200_000)
def sound(word: str) -> str:
    """Return about how a folded word sounds in French: « boutik » and « boutique » alike."""
    for written, heard in _SOUNDS:
        word = written.sub(heard, word)
    return word


def _read_as(word: str, known: Sequence[Vocabulary]) -> tuple[tuple[str, ...], bool]:
    """Return the words that a word is read as, and whether it is corrected."""
    forms = [form for vocabulary in known for form in vocabulary.forms(word)]
    if forms or not word.isalpha():
        others = (form for form in forms if form != word)
        return tuple(dict.fromkeys((word, *others)))[:FORMS_MAX], False
    near = [found for vocabulary in known for found in vocabulary.near(word)]
    least = min((slips for slips, _ in near), default=0)
    guesses = sorted({guess for slips, guess in near if slips == least})
    forms = [form for guess in guesses for vocabulary in known for form in (guess, *vocabulary.forms(guess))]
    return tuple(dict.fromkeys(forms))[:FORMS_MAX], True


def _says_something(word: str) -> bool:
    return word not in EMPTY_WORDS and (len(word) > 1 or word.isdigit())


def _known_words() -> Vocabulary:
    """Return the words of listings, read again when some came or went."""
    count, last = db.session.execute(select(func.count(), func.max(SearchWord.id))).one()
    return _read_words(str(db.engine.url), count, last)


@lru_cache(maxsize=4)
def _read_words(_database: str, _count: int, _last: int | None) -> Vocabulary:
    words = db.session.scalar(select(func.aggregate_strings(SearchWord.word, ",")))
    return Vocabulary(words.split(",") if words else ())


def _lexicon() -> _Lexicon:
    """Return what names the skills, read again when a word or a label has changed."""
    return _read_lexicon(str(db.engine.url), skills.version())


@lru_cache(maxsize=4)
def _read_lexicon(_database: str, _version: skills.Version) -> _Lexicon:
    current = Skill.retired_at.is_(None)
    named = select(SkillWord.text, SkillWord.skill_id).join(Skill, SkillWord.skill_id == Skill.id)
    found = db.session.execute(named.where(SkillWord.kind.in_(_NAMED_BY), current))
    phrases = [(_content(text), skill) for text, skill in found]
    for label, skill in db.session.execute(select(Skill.label, Skill.id).where(current)):
        phrases += [([word], skill) for word in _content(label)]
    by_stem: dict[str, list[tuple[frozenset[str], int]]] = defaultdict(list)
    for words, skill in phrases:
        stems = frozenset(stem(word) for word in words)
        for own in stems:
            by_stem[own].append((stems, skill))
    return _Lexicon(Vocabulary(word for words, _ in phrases for word in words if word.isalpha()), by_stem)


def _content(text: str) -> list[str]:
    return [word for word in fold(text).split() if _says_something(word)]

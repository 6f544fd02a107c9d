"""From a sentence to skills: an index over short labelled phrases. Pure: no database, no clock.

A sentence is read as stems, pairs of stems, and pieces of words of 3 or 4 letters, weighted by TF-IDF. Three
views add up: a multinomial naive Bayes over stems, one over pieces, and the likeness to the nearest phrase.
docs/skills.md tells why these, what else was tried, and with what result.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import snowballstemmer
from numpy.typing import NDArray
from rapidfuzz import fuzz, process
from scipy import sparse

from marketplace.services.text import fold

# Chosen on the tuning sentences of tests/benchmarks/skills alone.
PIECES_WEIGHT, NEAREST_WEIGHT = 0.5, 4.0
STEM_SMOOTHING, PIECE_SMOOTHING = 0.1, 0.05
PIECE_LENGTHS = (3, 4)
# A word seen nowhere is read as the known word most like it, from this likeness on (rapidfuzz, 0–100).
TYPO_LENGTH_MIN, TYPO_LIKENESS_MIN = 5, 80
# « jai », « lordinateur », « quon »: an apostrophe that was not typed.
ELIDED = ("qu", "j", "l", "d", "n", "m", "s", "t", "c")
AFTER_ELISION = frozenset("aeiouyh")
DECIDING_WORDS, DECIDING_SHARE = 4, 0.3
# More than a title and a first paragraph only costs time.
WORDS_MAX = 300
# Their pieces say nothing; as whole words, and in pairs, they do: « sans papier », « pas payé ».
EMPTY_WORDS = frozenset(
    fold(
        """je j tu il elle on nous vous ils elles me m te t se s le la les l un une des du de d a à
        au aux et ou où en y ce c cet cette ces mon ma mes ton ta tes son sa ses notre nos votre
        vos leur leurs que qu qui quoi dont est suis es sommes sont ai as avons avez ont ne n pas
        plus pour par sur dans avec sans si mais donc car ça cela être avoir fait faire veux
        voudrais aimerais faut très tout tous toute toutes comme quand comment"""
    ).split()
)
FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Hit:
    """A skill that a sentence may mean. `score`: its probability; `words`: those that decided."""

    row: int
    score: float
    words: tuple[str, ...]


class SkillIndex:
    """Built once from (row of the skill, phrase) pairs; searching changes nothing, so threads may share it.

    Building is linear in the letters of the phrases; a search in those of the sentence plus the index itself.
    """

    def __init__(self, phrases: Sequence[tuple[int, str]], *, skills: int) -> None:
        by_skill = sorted(phrases, key=lambda phrase: phrase[0])
        owner = np.array([row for row, _ in by_skill], np.int64)
        read = [fold(text).split() for _, text in by_skill]
        self._stems = _Features(
            [_stem_terms([_stem(word) for word in words]) for words in read], owner, skills, STEM_SMOOTHING
        )
        self._pieces = _Features([_piece_terms(words) for words in read], owner, skills, PIECE_SMOOTHING)
        self._owners, self._first = np.unique(owner, return_index=True)
        self._skills = skills
        self._known = frozenset(word for words in read for word in words) | EMPTY_WORDS
        self._guesses = sorted(word for word in self._known if len(word) >= TYPO_LENGTH_MIN)

    def search(self, text: str, *, limit: int) -> list[Hit]:
        """Return the likeliest skills, best first; none when no word of `text` tells anything."""
        typed = fold(text).split()[:WORDS_MAX]
        words = [self._understood(word) for word in typed]
        if not (self._known - EMPTY_WORDS).intersection(words):
            return []
        stemmed = [_stem(word) for word in words]
        stems = self._stems.read(_stem_terms(stemmed))
        pieces = self._pieces.read(_piece_terms(words))
        bayes = self._stems.bayes(stems) + PIECES_WEIGHT * self._pieces.bayes(pieces)
        scores = bayes + NEAREST_WEIGHT * self._nearest(stems, pieces)
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        best = np.argsort(-chances, kind="stable")[:limit]
        told = self._told(words, stemmed)
        return [Hit(int(row), float(chances[row]), _deciding(typed, told[:, row])) for row in best]

    def _understood(self, word: str) -> str:
        """Return the known word that somebody meant, or the word as it is."""
        if word in self._known or not word.isalpha():
            return word
        for elided in ELIDED:
            rest = word.removeprefix(elided)
            if rest != word and rest[:1] in AFTER_ELISION and rest in self._known:
                return rest
        if len(word) < TYPO_LENGTH_MIN:
            return word
        found = process.extractOne(word, self._guesses, scorer=fuzz.ratio, score_cutoff=TYPO_LIKENESS_MIN)
        return found[0] if found else word

    def _nearest(self, stems: "_Read", pieces: "_Read") -> FloatArray:
        """Return for each skill the cosine to its nearest phrase, over both kinds of features."""
        likeness = (self._stems.likeness(stems) + self._pieces.likeness(pieces)) / 2
        nearest = np.zeros(self._skills, np.float32)
        nearest[self._owners] = np.maximum.reduceat(likeness, self._first)
        return nearest

    def _told(self, words: Sequence[str], stemmed: Sequence[str]) -> FloatArray:
        """Return what each word alone says for each skill, against its average; shape (words, skills)."""
        told = np.stack(
            [
                self._stems.bayes(self._stems.read([f"w:{stem}"]))
                + PIECES_WEIGHT * self._pieces.bayes(self._pieces.read(_piece_terms([word])))
                for word, stem in zip(words, stemmed, strict=True)
            ]
        )
        relative: FloatArray = told - told.mean(axis=1, keepdims=True)
        return relative


@dataclass(frozen=True, slots=True)
class _Read:
    """The known terms of a text: their columns, and their TF-IDF values, of length 1 together."""

    columns: NDArray[np.int64]
    values: FloatArray


class _Features:
    """One kind of features of the phrases: TF-IDF rows of unit length, and Bayes weights of each skill.

    The weights, of shape (features, skills), are log P(feature | skill) of the multinomial model with
    additive `smoothing`, whose counts are the TF-IDF values (Rennie et al. 2003, "Tackling the poor
    assumptions of naive Bayes text classifiers").
    """

    def __init__(
        self, phrases: Sequence[Sequence[str]], owner: NDArray[np.int64], skills: int, smoothing: float
    ) -> None:
        self._number: dict[str, int] = {}
        for terms in phrases:
            for term in terms:
                self._number.setdefault(term, len(self._number))
        found = Counter(term for terms in phrases for term in set(terms))
        frequency = np.array([found[term] for term in self._number], np.float32)
        self._idf = np.log((1 + len(phrases)) / (1 + frequency)) + 1
        rows = [self.read(terms) for terms in phrases]
        starts = np.cumsum([0, *(len(row.columns) for row in rows)])
        columns, values = (
            np.concatenate(parts) for parts in zip(*((r.columns, r.values) for r in rows), strict=True)
        )
        self._phrases = sparse.csr_array((values, columns, starts), shape=(len(phrases), len(self._number)))
        member = sparse.csr_array(
            (np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(skills, len(owner))
        )
        totals = (member @ self._phrases).toarray() + smoothing
        self._weights = np.log(totals / totals.sum(axis=1, keepdims=True)).T.astype(np.float32, order="C")

    def read(self, terms: Sequence[str]) -> _Read:
        counts = Counter(self._number[term] for term in terms if term in self._number)
        columns = np.fromiter(counts, np.int64, len(counts))
        values = (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * self._idf[columns]
        return _Read(columns, values / max(float(np.linalg.norm(values)), 1e-9))

    def bayes(self, read: _Read) -> FloatArray:
        """Return the log-likelihood of the text for each skill."""
        told: FloatArray = read.values @ self._weights[read.columns]
        return told

    def likeness(self, read: _Read) -> FloatArray:
        """Return the cosine of the text to each phrase."""
        row = np.zeros(len(self._number), np.float32)
        row[read.columns] = read.values
        cosine: FloatArray = self._phrases @ row
        return cosine


@lru_cache(maxsize=20_000)
def _stem(word: str) -> str:
    # A stemmer holds the word it works on, and threads share the index: one for each call.
    return str(snowballstemmer.stemmer("french").stemWord(word))


def _stem_terms(stems: Sequence[str]) -> list[str]:
    return [f"w:{stem}" for stem in stems] + [f"b:{one} {other}" for one, other in pairwise(stems)]


def _piece_terms(words: Sequence[str]) -> list[str]:
    return [piece for word in words if word not in EMPTY_WORDS for piece in _pieces_of(word)]


@lru_cache(maxsize=20_000)
def _pieces_of(word: str) -> tuple[str, ...]:
    edged = f" {word} "
    return tuple(
        edged[start : start + length] for length in PIECE_LENGTHS for start in range(len(edged) - length + 1)
    )


def _deciding(typed: Sequence[str], told: FloatArray) -> tuple[str, ...]:
    """Return the words that said most for a skill, in the order of the sentence."""
    meaning = [(value, place) for place, value in enumerate(told.tolist()) if typed[place] not in EMPTY_WORDS]
    strongest = sorted(meaning, reverse=True)[:DECIDING_WORDS]
    kept = sorted(
        place for value, place in strongest if value > DECIDING_SHARE * strongest[0][0] and value > 0
    )
    return tuple(dict.fromkeys(typed[place] for place in kept))

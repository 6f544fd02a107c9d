"""From a sentence to skills: an index over short labelled phrases. Pure: no database, no clock."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log

import snowballstemmer
from rapidfuzz import fuzz, process

from marketplace.services.text import fold

_STEMMER = snowballstemmer.stemmer("french")
_TYPO_LENGTH, _TYPO_RATIO = 5, 82


@dataclass(frozen=True, slots=True)
class Hit:
    """A skill that a sentence means: its row, its score in [0, 1] and the words that decided."""

    row: int
    score: float
    words: tuple[str, ...]


class SkillIndex:
    def __init__(self, phrases: Iterable[tuple[int, str]]) -> None:
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for row, text in phrases:
            for term in set(_terms(text)):
                counts[term][row] += 1
        skills = len({row for rows in counts.values() for row in rows})
        self._weight = {
            term: {row: log(1 + skills / len(rows)) * n / (n + 1) for row, n in rows.items()}
            for term, rows in counts.items()
        }
        self._known = list(counts)

    def search(self, text: str, *, limit: int) -> list[Hit]:
        score: Counter[int] = Counter()
        words: dict[int, list[tuple[float, str]]] = defaultdict(list)
        for written, term, trust in self._read(text):
            for row, weight in self._weight[term].items():
                score[row] += trust * weight
                words[row].append((trust * weight, written))
        total = sum(score.values()) or 1.0
        return [
            Hit(row, round(value / total, 4), _best(words[row])) for row, value in score.most_common(limit)
        ]

    def _read(self, text: str) -> Iterable[tuple[str, str, float]]:
        for written in dict.fromkeys(fold(text).split()):
            term = _STEMMER.stemWord(written)
            if term in self._weight:
                yield written, term, 1.0
            elif len(term) >= _TYPO_LENGTH:
                found = process.extractOne(term, self._known, scorer=fuzz.ratio, score_cutoff=_TYPO_RATIO)
                if found:
                    yield written, found[0], 0.7


def _terms(text: str) -> list[str]:
    return [_STEMMER.stemWord(word) for word in fold(text).split() if len(word) > 1]


def _best(words: Sequence[tuple[float, str]]) -> tuple[str, ...]:
    return tuple(word for _, word in sorted(words, reverse=True)[:3])

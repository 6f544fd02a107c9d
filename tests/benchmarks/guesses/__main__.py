"""`python -m tests.benchmarks.guesses [--errors]`: how often the guessed level and trade are right."""

import csv
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from marketplace.models import ListingKind, Sector
from marketplace.services import guesses, sectors

SENTENCES = Path(__file__).with_name("sentences.csv")
PARTS = ("tuning", "held_out")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`level` and `sector` empty: a reader could not tell, so nothing must be guessed."""

    kind: ListingKind
    level: str
    sector: str
    text: str


@dataclass(frozen=True, slots=True)
class Score:
    """`known`: sentences that tell; `spoken`: guesses made; `right`: guesses that agree with the label."""

    known: int
    spoken: int
    right: int

    @property
    def precision(self) -> float:
        return self.right / self.spoken if self.spoken else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.known if self.known else 0.0


def sentences(part: str) -> list[Sentence]:
    with SENTENCES.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter=";") if row["part"] == part]
    return [Sentence(ListingKind(row["kind"]), row["level"], row["sector"], row["text"]) for row in rows]


def level_of(sentence: Sentence) -> str:
    guess = guesses.level(sentence.kind, sentence.text)
    return str(guess.level) if guess else ""


def sector_of(sentence: Sentence) -> str:
    with patch.object(sectors, "get", lambda code: Sector(code=code)):  # the rules need no database
        guess = guesses.sector(sentence.text)
    return guess.sector.code if guess else ""


GUESSERS: dict[str, Callable[[Sentence], str]] = {"level": level_of, "sector": sector_of}


def score(what: str, part: str) -> Score:
    told = [(getattr(sentence, what), GUESSERS[what](sentence)) for sentence in sentences(part)]
    return Score(
        known=sum(bool(label) for label, _ in told),
        spoken=sum(bool(guess) for _, guess in told),
        right=sum(label == guess != "" for label, guess in told),
    )


def errors(what: str, part: str) -> Iterator[str]:
    for sentence in sentences(part):
        label, guess = getattr(sentence, what), GUESSERS[what](sentence)
        if label != guess:
            yield f"{label or '–':>6} {guess or '–':>6}  {sentence.kind}: {sentence.text}"


if __name__ == "__main__":
    for part in PARTS:
        for what in GUESSERS:
            told = score(what, part)
            print(f"{part:<9} {what:<7} {told}  precision {told.precision:.1%}  recall {told.recall:.1%}")
            if "--errors" in sys.argv:
                print(*errors(what, part), sep="\n")

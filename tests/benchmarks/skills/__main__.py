"""Measure the suggestion of skills: on kept sentences, by cross-validation, with typos; speed and memory.

    python -m tests.benchmarks.skills [--errors]

`--errors` lists the tuning sentences whose first skill is wrong. The kept ones are never listed: vocabulary
and parameters must not be fitted to them.
"""

import csv
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from time import perf_counter, process_time

from marketplace.services.reference import SEEDS
from marketplace.services.skill_index import SkillIndex
from marketplace.services.skills import CONFIDENCE_MIN
from marketplace.services.text import fold
from tests.benchmarks.memory import peak_mebibytes

SENTENCES = Path(__file__).parent / "sentences.csv"
FOLDS = 5
TYPO_SHARE, TYPO_LENGTH_MIN = 0.35, 5
Phrases = list[tuple[int, str]]


def main() -> None:
    slugs, words, situations = vocabulary()
    tuning, held_out = (sentences(slugs, part) for part in ("tuning", "held_out"))
    before = peak_mebibytes()
    started = process_time()
    index = SkillIndex(words + situations, skills=len(slugs))
    print(
        f"{len(words) + len(situations)} phrases; built in {process_time() - started:.2f} s of processor time"
    )
    _report("kept apart", index, held_out)
    _report("kept apart, with typos", index, [(row, with_typos(text)) for row, text in held_out])
    _report("tuning", index, tuning)
    _cross_validate(words, situations, len(slugs))
    _speed(index, [text for _, text in tuning + held_out])
    print(f"memory of the index: {peak_mebibytes() - before:.0f} MB more at the peak")
    if "--errors" in sys.argv:
        _errors(index, slugs, tuning)


def vocabulary() -> tuple[list[str], Phrases, Phrases]:
    """Return the slugs, the phrases that are no situations (with the labels), and the situations."""
    skills = _rows(SEEDS / "skills.csv")
    row_of = {skill["slug"]: row for row, skill in enumerate(skills)}
    told = {row["slug"]: row["description"] for row in _rows(SEEDS / "skill_descriptions.csv")}
    words = [
        (row_of[skill["slug"]], text) for skill in skills for text in (skill["label"], told[skill["slug"]])
    ]
    situations = []
    for row in _rows(SEEDS / "skill_words.csv"):
        (situations if row["kind"] == "situation" else words).append((row_of[row["slug"]], row["text"]))
    return list(row_of), words, situations


def sentences(slugs: Sequence[str], part: str) -> Phrases:
    return [(slugs.index(row["slug"]), row["text"]) for row in _rows(SENTENCES) if row["part"] == part]


def with_typos(text: str) -> str:
    """Return the text without accents, a third of its longer words with a letter lost, doubled or swapped."""
    dice = Random(text)
    return " ".join(_mistyped(word, dice) for word in fold(text).split())


def right(index: SkillIndex, cases: Phrases) -> tuple[float, float, float]:
    """Return how often the right skill is first, among three, and how often no guess is made."""
    first = three = silent = 0
    for row, text in cases:
        found = index.search(text, limit=3)
        sure = bool(found) and found[0].score >= CONFIDENCE_MIN
        silent += not sure
        first += sure and found[0].row == row
        three += sure and row in [hit.row for hit in found]
    return first / len(cases), three / len(cases), silent / len(cases)


def _report(name: str, index: SkillIndex, cases: Phrases) -> None:
    _print(name, len(cases), right(index, cases))


def _cross_validate(words: Phrases, situations: Phrases, skills: int) -> None:
    """Each fifth of the situations is asked of an index that never saw it: the hardest measure."""
    shuffled = Random(0).sample(situations, len(situations))
    results = []
    for fold_number in range(FOLDS):
        asked = shuffled[fold_number::FOLDS]
        known = [phrase for place, phrase in enumerate(shuffled) if place % FOLDS != fold_number]
        results.append(right(SkillIndex(words + known, skills=skills), asked))
    _print(
        "situations, 5 folds", len(situations), [sum(values) / FOLDS for values in zip(*results, strict=True)]
    )


def _print(name: str, cases: int, shares: Sequence[float]) -> None:
    first, three, silent = shares
    print(f"{name:<24} {cases:>5} first {first:.1%}, among three {three:.1%}, no guess {silent:.1%}")


def _speed(index: SkillIndex, texts: Sequence[str]) -> None:
    started, used = perf_counter(), process_time()
    for text in texts:
        index.search(text, limit=5)
    elapsed, used = perf_counter() - started, process_time() - used
    each, processor = (seconds / len(texts) * 1000 for seconds in (elapsed, used))
    print(f"a sentence takes {each:.2f} ms, {processor:.2f} ms of processor time")


def _errors(index: SkillIndex, slugs: Sequence[str], cases: Phrases) -> None:
    for row, text in cases:
        found = index.search(text, limit=3)
        if not found or found[0].row != row:
            print(f"{slugs[row]}: {[(slugs[hit.row], round(hit.score, 2)) for hit in found]} | {text}")


def _mistyped(word: str, dice: Random) -> str:
    if len(word) < TYPO_LENGTH_MIN or dice.random() > TYPO_SHARE:
        return word
    place = dice.randrange(1, len(word) - 1)
    before, letter, following = word[:place], word[place], word[place + 1 :]
    return dice.choice(
        (
            before + following,
            before + letter + letter + following,
            before + following[:1] + letter + following[1:],
        )
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


if __name__ == "__main__":
    main()

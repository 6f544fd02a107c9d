"""Finding an activity (a subclass of NAF rev. 2) from what somebody typed: its code, label or words."""

import re

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Sector
from marketplace.services.text import fold

_CODE = re.compile(r"(?P<start>\d{2})\.?(?P<end>\d{2}[A-Z])(?![A-Z0-9])", re.ASCII)
# « coiffeur » must find « Coiffure »: words count as the same when they begin alike.
_SHORTEST_STEM, _ENDING = 4, 3
_EMPTY_WORDS = frozenset(
    {"a", "au", "aux", "d", "de", "des", "du", "en", "et", "l", "la", "le", "les", "un", "une"}
)


def subclasses() -> list[Sector]:
    """Return the 732 activities that a structure can have, by code."""
    return list(db.session.scalars(select(Sector).where(Sector.level == "subclass").order_by(Sector.code)))


def get(code: str) -> Sector | None:
    return db.session.scalar(select(Sector).where(Sector.code == code, Sector.level == "subclass"))


def resolve(text: str) -> list[Sector]:
    """Return the activities that `text` may mean, closest first: one when it is clear, or none."""
    code = _CODE.match(text.strip().upper())
    if code:
        found = get(f"{code['start']}.{code['end']}")
        return [found] if found else []
    words = [word for word in fold(text).split() if word not in _EMPTY_WORDS]
    if not words:
        return []
    labels = {sector: fold(sector.label) for sector in subclasses()}
    exact = [sector for sector, label in labels.items() if label == fold(text)]
    return exact or _by_words(words, labels)


def said(sector: Sector) -> str:
    """Return « 10.71C – Boulangerie et boulangerie-pâtisserie », which resolve() understands."""
    return f"{sector.code} – {sector.label}"


def _by_words(words: list[str], labels: dict[Sector, str]) -> list[Sector]:
    stems = [word[: max(_SHORTEST_STEM, len(word) - _ENDING)] for word in words]
    found = [
        sector
        for sector, label in labels.items()
        if all(any(known.startswith(stem) for known in label.split()) for stem in stems)
    ]
    # Labels that hold the very words come first, then the short ones: they say little else.
    return sorted(
        found, key=lambda s: (-sum(word in labels[s].split() for word in words), len(labels[s]), s.code)
    )

"""Finding an activity (a subclass of NAF rev. 2) from what somebody typed: its code, label or words."""

import re

from sqlalchemy import select

from marketplace.extensions import db
from marketplace.models import Sector
from marketplace.services.text import fold

_CODE = re.compile(r"(?P<start>\d{2})\.?(?P<end>\d{2}[A-Z])(?![A-Z0-9])", re.ASCII)
# « coiffeur » must find « Coiffure »: failing whole words, their beginnings are compared.
_SHORTEST_STEM, _ENDING = 4, 3
_EMPTY_WORDS = frozenset(["au", "aux", "de", "des", "du", "en", "et", "la", "le", "les", "pour", "sur", "un"])
# What trades are called every day, where the official label says it otherwise.
EVERYDAY = {
    "agence immobiliere": "68.31Z",
    "architecte": "71.11Z",
    "association": "94.99Z",
    "auto ecole": "85.53Z",
    "bar": "56.30Z",
    "bijouterie": "47.77Z",
    "boucher": "47.22Z",
    "boucherie": "47.22Z",
    "boulanger": "10.71C",
    "boulangerie": "10.71C",
    "boulangerie patisserie": "10.71C",
    "cafe": "56.30Z",
    "camping": "55.30Z",
    "carreleur": "43.33Z",
    "caviste": "47.25Z",
    "charpentier": "43.91A",
    "chauffagiste": "43.22B",
    "chaussures": "47.72A",
    "coiffeur": "96.02A",
    "coiffeuse": "96.02A",
    "comptable": "69.20Z",
    "concessionnaire": "45.11Z",
    "couvreur": "43.91B",
    "creche": "88.91A",
    "dentiste": "86.23Z",
    "droguerie": "47.52A",
    "electricien": "43.21A",
    "epicerie": "47.11B",
    "estheticienne": "96.02B",
    "esthetique": "96.02B",
    "expert comptable": "69.20Z",
    "fleuriste": "47.76Z",
    "formateur": "85.59A",
    "fromagerie": "47.29Z",
    "garage": "45.20A",
    "garagiste": "45.20A",
    "gite": "55.20Z",
    "hotel": "55.10Z",
    "informaticien": "62.02A",
    "jardinerie": "47.76Z",
    "kebab": "56.10C",
    "librairie": "47.61Z",
    "macon": "43.99C",
    "mairie": "84.11Z",
    "maraicher": "01.13Z",
    "medecin": "86.21Z",
    "menuisier": "43.32A",
    "opticien": "47.78A",
    "organisme de formation": "85.59A",
    "parfumerie": "47.75Z",
    "patisserie": "10.71D",
    "patissier": "10.71D",
    "paysagiste": "81.30Z",
    "peintre": "43.34Z",
    "pharmacie": "47.73Z",
    "pizzeria": "56.10C",
    "platrier": "43.31Z",
    "plombier": "43.22A",
    "poissonnerie": "47.23Z",
    "pressing": "96.01B",
    "primeur": "47.21Z",
    "quincaillerie": "47.52A",
    "restaurant": "56.10A",
    "restaurateur": "56.10A",
    "salle de sport": "93.13Z",
    "serrurier": "43.32B",
    "snack": "56.10C",
    "superette": "47.11C",
    "taxi": "49.32Z",
    "vetements": "47.71Z",
    "viticulteur": "01.21Z",
}


def subclasses() -> list[Sector]:
    """Return the 732 activities that a structure can have, by code."""
    return list(db.session.scalars(select(Sector).where(Sector.level == "subclass").order_by(Sector.code)))


def get(code: str) -> Sector | None:
    return db.session.scalar(select(Sector).where(Sector.code == code, Sector.level == "subclass"))


def resolve(text: str) -> list[Sector]:
    """Return the activities that `text` may mean, closest first: one when it is clear, or none."""
    code = _CODE.match(text.strip().upper())
    if code:
        return _known(f"{code['start']}.{code['end']}")
    if fold(text) in EVERYDAY:
        return _known(EVERYDAY[fold(text)])
    words = [word for word in fold(text).split() if len(word) > 1 and word not in _EMPTY_WORDS]
    labels = {sector: fold(sector.label) for sector in subclasses()} if words else {}
    exact = [sector for sector, label in labels.items() if label == fold(text)]
    return exact or _by_beginnings(words, labels) or _by_beginnings([_stem(word) for word in words], labels)


def said(sector: Sector) -> str:
    """Return « 10.71C – Boulangerie et boulangerie-pâtisserie », which resolve() understands."""
    return f"{sector.code} – {sector.label}"


def _known(code: str) -> list[Sector]:
    found = get(code)
    return [found] if found else []


def _stem(word: str) -> str:
    return word[: max(_SHORTEST_STEM, len(word) - _ENDING)]


def _by_beginnings(starts: list[str], labels: dict[Sector, str]) -> list[Sector]:
    """Return the activities whose label has a word beginning with each of `starts`, shortest label first."""
    found = [
        sector
        for sector, label in labels.items()
        if all(any(word.startswith(start) for word in label.split()) for start in starts)
    ]
    return sorted(found, key=lambda sector: (len(labels[sector]), sector.code))

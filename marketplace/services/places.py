"""Finding a commune from what somebody typed: a name, the start of one, a postcode, an INSEE code."""

import re

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import selectinload
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import Commune, Postcode
from marketplace.services.text import fold_place

SUGGESTIONS = 8
# Communes that share one postcode: 46 at most in the reference.
_CHOICES = 60
_LONGEST = 80
_INSEE = re.compile(r"\d[\dAB]\d{3}", re.ASCII)
_POSTCODE_START = re.compile(r"\d{2,5}", re.ASCII)
# « Cesson-Sévigné (35510) », « Saint-Denis 93 », « 35510 Cesson-Sévigné ».
_NAME_AND_CODE = re.compile(r"(?P<name>.*?\D)\s*\(?(?P<code>\d{2,5})\)?", re.ASCII)
_CODE_AND_NAME = re.compile(r"(?P<code>\d{5})\s+(?P<name>.+)", re.ASCII)


def suggest(text: str, *, limit: int = SUGGESTIONS) -> list[Commune]:
    """Return the communes that `text` may mean, most people first; empty for nothing useful."""
    text = _tidy(text)
    if _POSTCODE_START.fullmatch(text):
        return _communes(_has_postcode(text), limit=limit)
    name, code = _split(text)
    if not name:
        return []
    return _communes(Commune.search_name.startswith(name), *_of_code(code), limit=limit)


def resolve(text: str) -> list[Commune]:
    """Return the communes that `text` means exactly: one when it is clear, several to choose from, or none.

    An INSEE code, a postcode, a whole name, with or without a postcode or a department's number. A name that
    is only the start of some counts as these.
    """
    text = _tidy(text)
    if _INSEE.fullmatch(text.upper()):
        # A code can be both: the postcode is what people know.
        by_postcode = suggest(text, limit=_CHOICES)
        return by_postcode or _communes(Commune.insee == text.upper(), limit=1)
    name, code = _split(text)
    exact = _communes(Commune.search_name == name, *_of_code(code), limit=_CHOICES)
    return exact or suggest(text)


def get(insee: str) -> Commune | None:
    query = select(Commune).where(Commune.insee == insee).options(selectinload(Commune.postcodes))
    return db.session.scalar(query)


def said(commune: Commune) -> str:
    """Return « Cesson-Sévigné (35510) », which resolve() understands. Needs commune.postcodes loaded."""
    return f"{commune.name} ({commune.postcodes[0].code})" if commune.postcodes else commune.name


def _tidy(text: str) -> str:
    return " ".join(text.split())[:_LONGEST]


def _split(text: str) -> tuple[str, str]:
    """Return the folded name and the code beside it, either may be empty."""
    found = _CODE_AND_NAME.fullmatch(text) or _NAME_AND_CODE.fullmatch(text)
    return (fold_place(found["name"]), found["code"]) if found else (fold_place(text), "")


def _of_code(code: str) -> list[ColumnElement[bool]]:
    return [or_(_has_postcode(code), Commune.insee == code)] if code else []


def _has_postcode(start: str) -> ColumnElement[bool]:
    return exists().where(Postcode.commune_insee == Commune.insee, Postcode.code.startswith(start))


def _communes(*conditions: ColumnElement[bool], limit: int) -> list[Commune]:
    query = (
        select(Commune)
        .where(*conditions)
        .order_by(Commune.population.desc(), Commune.insee)
        .limit(limit)
        .options(selectinload(Commune.postcodes))
    )
    return list(db.session.scalars(query))

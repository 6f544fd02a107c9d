"""Finding a commune from what somebody typed: a name, the start of one, a postcode, an INSEE code."""

import re

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import selectinload
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import Commune, Postcode
from marketplace.services.text import fold_place

SUGGESTIONS = 8
_WITH_POSTCODE = re.compile(r"^(?P<name>.+?)\s*\(?(?P<code>\d{5})\)?$")


def suggest(text: str, *, limit: int = SUGGESTIONS) -> list[Commune]:
    """Return the communes that `text` may mean, most people first; empty for nothing useful."""
    text = " ".join(text.split())[:80]
    if re.fullmatch(r"\d{2,5}", text):
        condition = exists().where(Postcode.commune_insee == Commune.insee, Postcode.code.startswith(text))
        return _communes(condition, limit=limit)
    named = _WITH_POSTCODE.match(text)
    folded = fold_place(named["name"] if named else text)
    if not folded:
        return []
    conditions: list[ColumnElement[bool]] = [Commune.search_name.startswith(folded)]
    if named:
        conditions.append(
            or_(
                exists().where(Postcode.commune_insee == Commune.insee, Postcode.code == named["code"]),
                Commune.insee == named["code"],
            )
        )
    return _communes(*conditions, limit=limit)


def resolve(text: str) -> list[Commune]:
    """Return the communes that `text` means exactly: one when it is clear, several to choose from, or none.

    An INSEE code, a postcode, "Name (postcode)" or a whole name. A name that is the start of a single commune
    counts as that commune.
    """
    text = " ".join(text.split())[:80]
    if re.fullmatch(r"\d[\dAB]\d{3}", text):
        by_insee = _communes(Commune.insee == text, limit=1)
        by_postcode = suggest(text, limit=50) if text.isdigit() else []
        # A code can be both: the postcode is what people know.
        return by_postcode or by_insee
    found = suggest(text, limit=50)
    named = _WITH_POSTCODE.match(text)
    folded = fold_place(named["name"] if named else text)
    return [commune for commune in found if commune.search_name == folded] or found[:SUGGESTIONS]


def get(insee: str) -> Commune | None:
    query = select(Commune).where(Commune.insee == insee).options(selectinload(Commune.postcodes))
    return db.session.scalar(query)


def said(commune: Commune) -> str:
    """Return « Cesson-Sévigné (35510) », which resolve() understands. Needs commune.postcodes loaded."""
    return f"{commune.name} ({commune.postcodes[0].code})" if commune.postcodes else commune.name


def _communes(*conditions: ColumnElement[bool], limit: int) -> list[Commune]:
    query = (
        select(Commune)
        .where(*conditions)
        .order_by(Commune.population.desc(), Commune.insee)
        .limit(limit)
        .options(selectinload(Commune.postcodes))
    )
    return list(db.session.scalars(query))

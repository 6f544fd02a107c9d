"""Structures as the desk sees them: finding one, and what helps to suspend or restore it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import Commune, Listing, ListingState, ModerationDecision, Organisation, User
from marketplace.services import moderation, rights
from marketplace.services.errors import NotAllowed, NotFound
from marketplace.services.paging import Page, page_of
from marketplace.services.text import fold

STRUCTURES_PAGE = 20
WORDS_MAX = 100
_SIREN_LENGTH = 9


@dataclass(frozen=True, slots=True)
class StructureReview:
    """A structure as its moderator reads it. `is_own`: somebody else decides.

    `to_take_back`: the suspension that holds, if there is one; `listings`: how many are in each state.
    """

    organisation: Organisation
    listings: dict[ListingState, int]
    history: Sequence[ModerationDecision]
    to_take_back: ModerationDecision | None
    is_own: bool


def structures(*, by: User, words: str = "", suspended: bool = False, page: int) -> Page[Organisation]:
    """Return one page of the structures of the person's territories, by name.

    `words`: all of them in the name, accents apart, or the first digits of the SIRET. Raises NotAllowed for
    no moderator.
    """
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    query = (
        select(Organisation)
        .join(Commune, Commune.insee == Organisation.commune_insee)
        .where(rights.moderated_in(Commune.territory_siren, by), *_saying(words[:WORDS_MAX]))
        .options(joinedload(Organisation.commune), joinedload(Organisation.sector))
        .order_by(Organisation.name, Organisation.id)
    )
    if suspended:
        query = query.where(Organisation.suspended_at.is_not(None))
    return page_of(query, number=page, size=STRUCTURES_PAGE)


def review(organisation_id: int, *, by: User) -> StructureReview:
    """Return the structure with what its moderator needs. Raises NotFound outside their territories."""
    organisation = db.session.scalar(
        select(Organisation)
        .where(Organisation.id == organisation_id)
        .options(
            joinedload(Organisation.commune).joinedload(Commune.territory), joinedload(Organisation.sector)
        )
    )
    if organisation is None or not rights.moderates(by, organisation.commune.territory_siren):
        raise NotFound(f"organisation {organisation_id}")
    past = moderation.history(organisation_id=organisation_id)
    last = past[0] if past else None
    return StructureReview(
        organisation=organisation,
        listings=_by_state(organisation_id),
        history=past,
        to_take_back=last if last and last.is_adverse and organisation.suspended_at else None,
        is_own=rights.speaks_for(by, organisation_id),
    )


def _by_state(organisation_id: int) -> dict[ListingState, int]:
    sent = (Listing.organisation_id == organisation_id) & (Listing.state != ListingState.DRAFT)
    counted = select(Listing.state, func.count()).where(sent).group_by(Listing.state)
    found = {state: number for state, number in db.session.execute(counted)}
    return {state: found[state] for state in ListingState if state in found}


def _saying(words: str) -> list[ColumnElement[bool]]:
    digits = re.sub(r"\s", "", words)
    if digits.isascii() and digits.isdigit() and len(digits) >= _SIREN_LENGTH:
        return [Organisation.siret.startswith(digits, autoescape=True)]
    return [Organisation.name.ilike(_skeleton(word)) for word in fold(words).split()]


def _skeleton(word: str) -> str:
    """Return a pattern that the word passes with any accents: databases differ on what they fold."""
    return f"%{re.sub('[aceinouy]', '_', re.sub('oe|ae', '%', word))}%"

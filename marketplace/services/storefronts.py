"""What everybody may read of a structure: what it is, where, and what it has online. Nobody's name."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import Listing, ListingKind, ListingState, Match, MatchState, Organisation
from marketplace.services.errors import NotFound
from marketplace.services.listings import SHOWN

# More than a structure has at a time; the lists of the site page through the rest.
LISTINGS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Storefront:
    """`given`, `received`: completed exchanges in which the structure helped, or was helped."""

    organisation: Organisation
    needs: Sequence[Listing]
    offers: Sequence[Listing]
    given: int
    received: int


def show(organisation_id: int) -> Storefront:
    """Return the structure's public face. Raises NotFound when there is none, or it is suspended."""
    organisation = db.session.get(
        Organisation,
        organisation_id,
        options=[joinedload(Organisation.sector), joinedload(Organisation.commune)],
        populate_existing=True,  # without it a row already in the session keeps them unloaded
    )
    if organisation is None or organisation.suspended_at is not None:
        raise NotFound(f"organisation {organisation_id}")
    listings = _published(organisation_id)
    return Storefront(
        organisation=organisation,
        needs=[listing for listing in listings if listing.kind is ListingKind.NEED],
        offers=[listing for listing in listings if listing.kind is ListingKind.OFFER],
        given=_completed(Match.offer_organisation_id == organisation_id),
        received=_completed(Match.need_organisation_id == organisation_id),
    )


def _published(organisation_id: int) -> Sequence[Listing]:
    query = (
        select(Listing)
        .where(Listing.organisation_id == organisation_id, Listing.state == ListingState.PUBLISHED)
        .order_by(Listing.published_at.desc(), Listing.id.desc())
        .limit(LISTINGS_SHOWN)
        .options(*SHOWN)
    )
    return db.session.scalars(query).all()


def _completed(condition: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(Match).where(Match.state == MatchState.COMPLETED, condition)
    return db.session.scalar(query) or 0

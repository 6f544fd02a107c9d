"""Who may do what: every right of the site is asked here."""

from collections.abc import Iterable

from flask import current_app
from sqlalchemy import exists, false, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import (
    Listing,
    ListingState,
    Match,
    Membership,
    MembershipRole,
    MembershipState,
    Organisation,
    Territory,
    TerritoryRole,
    TerritoryRoleKind,
    User,
)
from marketplace.services.errors import NotAllowed, NotFound

# States in which anybody may read a listing.
PUBLIC_STATES = (ListingState.PUBLISHED,)


def organisation_ids(user: User) -> list[int]:
    """Return the structures that the person speaks for."""
    query = select(Membership.organisation_id).where(
        Membership.user_id == user.id, Membership.state == MembershipState.ACTIVE
    )
    return list(db.session.scalars(query))


def speaks_for(user: User, organisation_id: int) -> bool:
    return organisation_id in organisation_ids(user)


def manages(user: User, organisation_id: int) -> bool:
    query = select(
        exists().where(
            Membership.user_id == user.id,
            Membership.organisation_id == organisation_id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role == MembershipRole.MANAGER,
        )
    )
    return bool(db.session.scalar(query))


def holds_role(user: User) -> bool:
    """Say whether the person is the national administrator or has a role in a territory, sleeping or not."""
    return user.is_admin or bool(db.session.scalar(select(exists().where(TerritoryRole.user_id == user.id))))


def needs_second_factor(user: User) -> bool:
    """Say whether the person's role asks for a second factor; never in a demonstration."""
    config = current_app.config
    return config["TWO_FACTOR_REQUIRED"] and not config["DEMONSTRATION"] and holds_role(user)


def lacks_second_factor(user: User) -> bool:
    """Say whether the person's role sleeps until they set up the second factor that it asks for."""
    return user.second_factor_at is None and needs_second_factor(user)


def territories_moderated(user: User) -> list[str]:
    """Return the SIREN of each territory that the person moderates by a role, while it does not sleep."""
    query = select(TerritoryRole.territory_siren).where(TerritoryRole.user_id == user.id)
    sirens = list(db.session.scalars(query))
    return [] if sirens and lacks_second_factor(user) else sirens


def is_moderator(user: User) -> bool:
    return is_administrator(user) or bool(territories_moderated(user))


def is_administrator(user: User) -> bool:
    """Say whether the person may do now what the national administrator does."""
    return user.is_admin and not lacks_second_factor(user)


def require_administrator(user: User) -> None:
    """Raise NotAllowed unless the person may act as the national administrator."""
    if not is_administrator(user):
        raise NotAllowed("not the national administrator")


def moderates(user: User, territory_siren: str | None) -> bool:
    """Say whether the person decides on listings of this territory.

    The national administrator decides everywhere, and alone where there is no intercommunality.
    """
    here = territory_siren is not None and territory_siren in territories_moderated(user)
    return here or is_administrator(user)


def heads(user: User, territory_siren: str) -> bool:
    """Say whether the person is in charge of the territory: its team, its settings."""
    role = db.session.get(TerritoryRole, (user.id, territory_siren))
    here = role is not None and role.role is TerritoryRoleKind.HEAD and not lacks_second_factor(user)
    return here or is_administrator(user)


def require_head(user: User, territory_siren: str) -> None:
    """Raise NotFound for who does not moderate there, NotAllowed for who does and is not in charge."""
    if not moderates(user, territory_siren):
        raise NotFound(f"territory {territory_siren}")
    if not heads(user, territory_siren):
        raise NotAllowed("not in charge of the territory")


def moderated_listings(user: User) -> ColumnElement[bool]:
    """Return the condition that keeps the listings that the person may moderate."""
    if is_administrator(user):
        return Listing.id.is_not(None)
    sirens = territories_moderated(user)
    return Listing.territory_siren.in_(sirens) if sirens else false()


def moderated_in(column: InstrumentedAttribute[str | None], user: User) -> ColumnElement[bool]:
    """Return the condition that keeps the rows whose territory (`column`) the person moderates."""
    return true() if is_administrator(user) else column.in_(territories_moderated(user))


def moderated_by_nation(user: User) -> ColumnElement[bool]:
    """Return the condition that keeps listings nobody nearer moderates: no open territory."""
    closed = ~exists().where(Territory.siren == Listing.territory_siren, Territory.is_open)
    return or_(Listing.territory_siren.is_(None), closed) if is_administrator(user) else false()


def require_confirmed(user: User) -> None:
    """Raise NotAllowed unless the person's mail address is confirmed."""
    if not user.is_confirmed:
        raise NotAllowed("the mail address is not confirmed")


def require_speaker(user: User, organisation_id: int) -> Organisation:
    """Return the structure. Raises NotFound when they do not speak for it, NotAllowed if it is suspended."""
    organisation = db.session.get(Organisation, organisation_id)
    if organisation is None or not speaks_for(user, organisation_id):
        raise NotFound(f"organisation {organisation_id}")
    require_confirmed(user)
    if organisation.suspended_at is not None:
        raise NotAllowed("the organisation is suspended")
    return organisation


def is_suspended(organisation_id: int) -> bool:
    organisation = db.session.get(Organisation, organisation_id)
    return organisation is not None and organisation.suspended_at is not None


def require_moderator(user: User, listing: Listing) -> None:
    """Raise NotFound unless the person moderates the listing's territory: elsewhere it must not even show."""
    if not moderates(user, listing.territory_siren):
        raise NotFound(f"listing {listing.id}")


def sees_listing(user: User | None, listing: Listing) -> bool:
    """A published listing is for all, unless its structure is suspended.

    The others are for its structure, its counterpart and, once they were sent, its moderators.
    """
    if listing.state in PUBLIC_STATES and not is_suspended(listing.organisation_id):
        return True
    if user is None:
        return False
    return (
        speaks_for(user, listing.organisation_id)
        or (listing.state is not ListingState.DRAFT and moderates(user, listing.territory_siren))
        or _is_counterpart(organisation_ids(user), listing)
    )


def _is_counterpart(organisations: Iterable[int], listing: Listing) -> bool:
    mine = list(organisations)
    query = select(
        exists().where(
            or_(Match.need_id == listing.id, Match.offer_id == listing.id),
            or_(Match.need_organisation_id.in_(mine), Match.offer_organisation_id.in_(mine)),
        )
    )
    return bool(mine) and bool(db.session.scalar(query))

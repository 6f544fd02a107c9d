"""Logging in by an identity provider: whose account it is, and what follows from where the person works."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from marketplace import clock
from marketplace.adapters.proconnect import Claims
from marketplace.extensions import db
from marketplace.models import (
    ExternalIdentity,
    Membership,
    MembershipState,
    Territory,
    TerritoryRole,
    TerritoryRoleKind,
    User,
)
from marketplace.services import accounts, organisations
from marketplace.services.errors import FieldError, TooManyAttempts
from marketplace.services.work import Work, unit_of_work

NAME_MAX, EMAIL_MAX = 120, 254


class Place(StrEnum):
    """What the SIRET that the provider gave led to."""

    NONE = "none"
    MEMBER = "member"
    ASKED = "asked"
    TO_CREATE = "to_create"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Who came, and where they stand with the structure of `siret`."""

    user: User
    siret: str
    place: Place


def log_in(claims: Claims) -> Arrival:
    """Return the account of the person, opened when they have none, and join their structure by its rules.

    An agent of an intercommunality is proposed to its head as a moderator, and becomes none by this. Raises
    FieldError("email") for an address that cannot be one of ours.
    """
    try:
        identity = _identify(claims)
    except IntegrityError:  # the same person, twice at once: now the identity is there
        identity = _identify(claims)
    user = db.session.get_one(User, identity.user_id)
    siret = _siret(claims)
    if not siret:
        return Arrival(user, "", Place.NONE)
    _propose_moderator(identity.id, siret)
    return Arrival(db.session.get_one(User, identity.user_id), siret, _join(user, siret))


def _identify(claims: Claims) -> ExternalIdentity:
    """Return the identity of the person, tied to an account: by its subject, else by its mail address."""
    with unit_of_work() as work:
        known = select(ExternalIdentity).where(
            ExternalIdentity.issuer == claims.issuer, ExternalIdentity.subject == claims.subject
        )
        identity = work.session.scalar(known.with_for_update())
        if identity is None:
            user = _account(work, claims)
            identity = work.add(
                ExternalIdentity(issuer=claims.issuer, subject=claims.subject, user_id=user.id)
            )
            work.audit("user.identity_linked", user, by=user, after={"issuer": claims.issuer})
        identity.last_login_at = clock.now()
    return identity


def _account(work: Work, claims: Claims) -> User:
    email = accounts.clean_email(claims.email)
    if not email.isascii() or len(email) > EMAIL_MAX:
        raise FieldError("email", "ProConnect donne une adresse mail que nous ne pouvons pas utiliser.")
    user = accounts.by_email(email)
    if user is None:
        # No password: one can be chosen by « Mot de passe oublié ».
        user = work.add(
            User(
                email=email,
                name=claims.name[:NAME_MAX],
                password_hash="",
                email_confirmed_at=clock.now(),
            )
        )
        work.audit("user.signed_up", user, by=user)
        return user
    if user.is_confirmed:
        work.mail("identity_linked", to=user)
    else:
        # Whoever signed up with this address never proved that it is theirs: their password must not stay.
        user.password_hash, user.email_confirmed_at = "", clock.now()
        user.session_version += 1
    return user


def _join(user: User, siret: str) -> Place:
    """Join the structure as anybody would: ask where it is known; whoever creates it manages it."""
    organisation = organisations.by_siret(siret)
    if organisation is None:
        return Place.TO_CREATE
    membership = db.session.scalar(
        select(Membership).where(Membership.user_id == user.id, Membership.organisation_id == organisation.id)
    )
    if membership is not None:  # asked once: who left or was refused is not asked for again at each login
        return Place.MEMBER if membership.state is MembershipState.ACTIVE else Place.NONE
    try:
        organisations.ask_to_join(siret, by=user)
    except (FieldError, TooManyAttempts):
        return Place.NONE
    return Place.ASKED


def _propose_moderator(identity_id: int, siret: str) -> None:
    """Tell the head of the territory, once, that somebody of theirs came."""
    with unit_of_work() as work:
        identity = work.lock(ExternalIdentity, identity_id)
        territory = work.session.get(Territory, siret[:9])
        if territory is None or not territory.is_open or identity.proposed_to_siren == territory.siren:
            return
        if work.session.get(TerritoryRole, (identity.user_id, territory.siren)) is not None:
            return
        identity.proposed_to_siren = territory.siren
        agent = work.session.get_one(User, identity.user_id)
        work.mail("moderator_proposed", to=_heads(territory.siren), agent=agent, territory=territory)
        work.audit("territory.moderator_proposed", agent, by=None, territory=territory.siren)


def _heads(siren: str) -> list[User]:
    """Return who heads the territory, or the national administrators where nobody does."""
    roles = select(TerritoryRole).where(
        TerritoryRole.territory_siren == siren, TerritoryRole.role == TerritoryRoleKind.HEAD
    )
    heads = [role.user for role in db.session.scalars(roles.options(joinedload(TerritoryRole.user)))]
    return heads or list(db.session.scalars(select(User).where(User.is_admin)))


def _siret(claims: Claims) -> str:
    try:
        return organisations.clean_siret(claims.siret)
    except FieldError:
        return ""

"""Structures: create by SIRET, ask to join, decide who speaks for them."""

from dataclasses import dataclass

from flask import current_app
from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement
from stdnum.exceptions import ValidationError
from stdnum.fr import siret as siret_number

from marketplace import clock
from marketplace.adapters import geocoding, register
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingState,
    Membership,
    MembershipRole,
    MembershipState,
    Organisation,
    OrganisationKind,
    Sector,
    SizeClass,
    TerritoryRole,
    User,
)
from marketplace.services import rights, throttle, tokens
from marketplace.services.errors import AlreadyDecided, FieldError, NotFound, OutsideSilent, TooManyAttempts
from marketplace.services.text import fold_place
from marketplace.services.work import unit_of_work

SIRET_MESSAGE = "Ce SIRET n’existe pas : vérifiez les 14 chiffres."
ALREADY_ASKED = "Vous avez déjà demandé à rejoindre cette structure."


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationSheet:
    """What a person says of their structure, or what the register says of it."""

    name: str
    sector_code: str
    commune_insee: str
    address: str = ""
    kind: OrganisationKind = OrganisationKind.FIRM
    size_class: SizeClass = SizeClass.MICRO


def clean_siret(text: str) -> str:
    """Return the 14 digits. Raises FieldError("siret") when they are none (Luhn, La Poste's exception)."""
    try:
        return str(siret_number.validate(text))
    except ValidationError as error:
        raise FieldError("siret", SIRET_MESSAGE) from error


def by_siret(siret: str) -> Organisation | None:
    query = select(Organisation).where(Organisation.siret == siret).options(joinedload(Organisation.commune))
    return db.session.scalar(query)


def find_in_register(siret: str, *, address: str) -> OrganisationSheet | None:
    """Return what the company register says; None: not configured, not there, or asked too often.

    `address`: the network address that asks, for the limit on calls made for it. Raises OutsideSilent.
    """
    if not current_app.config["REGISTER_URL"]:
        return None
    try:
        throttle.count_attempt(f"register:{address}", limit=60, seconds=tokens.HOUR)
        found = register.find(siret, register.from_config(current_app.config))
    except TooManyAttempts:
        return None
    except register.RegisterUnavailable as error:
        current_app.logger.warning("company register unavailable: %s", error)
        raise OutsideSilent("the company register") from error
    if found is None:
        return None
    known_commune = db.session.get(Commune, found.commune_insee) is not None
    known_sector = db.session.get(Sector, found.naf) is not None
    return OrganisationSheet(
        name=found.name[:120],
        sector_code=found.naf if known_sector else "",
        commune_insee=found.commune_insee if known_commune else "",
        address=found.address[:200],
        kind=OrganisationKind(found.kind),
        size_class=SizeClass(found.size_class),
    )


def create(siret: str, sheet: OrganisationSheet, *, by: User) -> Organisation:
    """Create the structure; whoever creates it is its manager.

    Raises FieldError (siret, sector, commune), NotAllowed when the address of `by` is not confirmed.
    """
    rights.require_confirmed(by)
    siret = clean_siret(siret)
    point = _locate(sheet)
    taken = FieldError("siret", "Cette structure est déjà inscrite : demandez à la rejoindre.")
    try:
        with unit_of_work() as work:
            if by_siret(siret) is not None:
                raise taken
            _require_known(sheet)
            organisation = Organisation(siret=siret, lat=point[0], lon=point[1])
            _fill(organisation, sheet)
            work.add(organisation)
            work.add(
                Membership(
                    user_id=by.id,
                    organisation_id=organisation.id,
                    role=MembershipRole.MANAGER,
                    state=MembershipState.ACTIVE,
                    decided_at=clock.now(),
                )
            )
            work.audit(
                "organisation.created", organisation, by=by, after={"siret": siret, "name": sheet.name}
            )
    except IntegrityError as error:  # somebody created it between our look and our write
        raise taken from error
    return organisation


def is_placed_roughly(organisation: Organisation) -> bool:
    """Say whether its address was looked for and not found, so that its commune's point stands for it."""
    commune = db.session.get_one(Commune, organisation.commune_insee)
    same = (organisation.lat, organisation.lon) == (commune.lat, commune.lon)
    return bool(current_app.config["BAN_DOMAIN"] and organisation.address) and same


def ask_to_join(siret: str, *, by: User) -> Membership:
    """Ask to speak for a structure already here. Its managers decide, else its territory's moderators.

    Raises FieldError("siret") when it is not here, suspended or already asked, TooManyAttempts.
    """
    rights.require_confirmed(by)
    siret = clean_siret(siret)
    throttle.count_attempt(f"join:{by.id}", limit=20, seconds=tokens.DAY)
    try:
        return _ask_to_join(siret, by=by)
    except IntegrityError as error:  # asked twice at once
        raise FieldError("siret", ALREADY_ASKED) from error


def decide_membership(membership_id: int, *, accept: bool, by: User) -> Membership:
    """Accept or refuse somebody else's request.

    Raises NotFound unless `by` may decide it, AlreadyDecided when it was.
    """
    with unit_of_work() as work:
        membership = work.lock(Membership, membership_id)
        organisation = work.session.get_one(
            Organisation,
            membership.organisation_id,
            options=[joinedload(Organisation.commune)],
            populate_existing=True,  # without it a row already in the session keeps its commune unloaded
        )
        if membership.user_id == by.id or not _may_decide(by, organisation):
            raise NotFound(f"membership {membership_id}")
        if membership.state is not MembershipState.REQUESTED:
            raise AlreadyDecided(membership.state)
        membership.state = MembershipState.ACTIVE if accept else MembershipState.REFUSED
        membership.decided_at, membership.decided_by_id = clock.now(), by.id
        if accept and not _managers(organisation):
            membership.role = MembershipRole.MANAGER
        user = work.session.get_one(User, membership.user_id)
        work.audit(f"membership.{membership.state}", membership, by=by)
        work.mail("membership_decided", to=user, organisation=organisation, accepted=accept)
    return membership


def leave(organisation_id: int, *, by: User) -> None:
    """Stop speaking for a structure, or take one's request back.

    Raises NotFound, FieldError when nobody would be left to answer for its listings.
    """
    with unit_of_work() as work:
        work.lock(Organisation, organisation_id)  # two who leave at once must see each other
        membership = _membership(by, organisation_id)
        if membership is None or membership.state not in (MembershipState.ACTIVE, MembershipState.REQUESTED):
            raise NotFound(f"organisation {organisation_id}")
        if speakers(organisation_id) == [by] and _has_live_listings(organisation_id):
            raise FieldError(
                "siret", "Vous êtes la dernière personne de cette structure : retirez d’abord ses annonces."
            )
        membership.state = MembershipState.ENDED
        work.audit("membership.ended", membership, by=by)


def requests_to_decide(user: User) -> list[Membership]:
    """Return the requests that wait for this person, oldest first, with person and structure loaded."""
    query = (
        select(Membership)
        .join(Membership.organisation)
        .join(Organisation.commune)
        .where(Membership.state == MembershipState.REQUESTED, Membership.user_id != user.id)
        .order_by(Membership.created_at, Membership.id)
        .limit(200)
        .options(
            joinedload(Membership.user), joinedload(Membership.organisation).joinedload(Organisation.commune)
        )
    )
    managed = select(Membership.organisation_id).where(
        Membership.user_id == user.id,
        Membership.state == MembershipState.ACTIVE,
        Membership.role == MembershipRole.MANAGER,
    )
    scope: ColumnElement[bool] = Membership.organisation_id.in_(managed)
    if rights.is_moderator(user):
        without_manager = (
            ~select(Membership.id)
            .where(
                Membership.organisation_id == Organisation.id,
                Membership.role == MembershipRole.MANAGER,
                Membership.state == MembershipState.ACTIVE,
            )
            .correlate(Organisation)
            .exists()
        )
        here = (
            True
            if rights.is_administrator(user)
            else Commune.territory_siren.in_(rights.territories_moderated(user))
        )
        scope = scope | (without_manager & here)
    return list(db.session.scalars(query.where(scope)))


def memberships(user: User) -> list[Membership]:
    """Return the person's memberships, active and asked, with structure, sector and commune loaded."""
    query = (
        select(Membership)
        .where(
            Membership.user_id == user.id,
            Membership.state.in_((MembershipState.ACTIVE, MembershipState.REQUESTED)),
        )
        .order_by(Membership.id)
        .options(
            joinedload(Membership.organisation).joinedload(Organisation.commune),
            joinedload(Membership.organisation).joinedload(Organisation.sector),
        )
    )
    return list(db.session.scalars(query))


def published_for(user: User) -> list[Organisation]:
    """Return the structures that the person can publish for, with commune and sector loaded."""
    return [
        membership.organisation
        for membership in memberships(user)
        if membership.state is MembershipState.ACTIVE and membership.organisation.suspended_at is None
    ]


def speakers(organisation_id: int) -> list[User]:
    """Return the people who speak for the structure: those who get its mail."""
    query = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.organisation_id == organisation_id, Membership.state == MembershipState.ACTIVE)
        .order_by(User.id)
    )
    return list(db.session.scalars(query))


def _ask_to_join(siret: str, *, by: User) -> Membership:
    with unit_of_work() as work:
        organisation = by_siret(siret)
        if organisation is None:
            raise FieldError("siret", "Cette structure n’est pas encore inscrite : créez-la.")
        if organisation.suspended_at is not None:
            raise FieldError("siret", "Cette structure est suspendue : on ne peut pas la rejoindre.")
        membership = _membership(by, organisation.id)
        if membership is None:
            membership = work.add(Membership(user_id=by.id, organisation_id=organisation.id))
        elif membership.state in (MembershipState.REQUESTED, MembershipState.ACTIVE):
            raise FieldError("siret", ALREADY_ASKED)
        # Who left as a manager does not come back as one.
        membership.state, membership.role = MembershipState.REQUESTED, MembershipRole.EMPLOYEE
        membership.decided_at = membership.decided_by_id = None
        work.audit("membership.requested", membership, by=by)
        deciders = _managers(organisation) or _territory_moderators(organisation.commune.territory_siren)
        work.mail("membership_requested", to=deciders, asker=by, organisation=organisation)
    return membership


def _may_decide(user: User, organisation: Organisation) -> bool:
    if rights.manages(user, organisation.id):
        return True
    return not _managers(organisation) and rights.moderates(user, organisation.commune.territory_siren)


def _managers(organisation: Organisation) -> list[User]:
    query = (
        select(User)
        .join(Membership, Membership.user_id == User.id)
        .where(
            Membership.organisation_id == organisation.id,
            Membership.state == MembershipState.ACTIVE,
            Membership.role == MembershipRole.MANAGER,
        )
    )
    return list(db.session.scalars(query))


def _territory_moderators(siren: str | None) -> list[User]:
    """Return the territory's moderators, or the national administrators where it has none."""
    query = select(User).join(TerritoryRole, TerritoryRole.user_id == User.id)
    found = list(db.session.scalars(query.where(TerritoryRole.territory_siren == siren)))
    return found or list(db.session.scalars(select(User).where(User.is_admin)))


def _membership(user: User, organisation_id: int) -> Membership | None:
    return db.session.scalar(
        select(Membership).where(Membership.user_id == user.id, Membership.organisation_id == organisation_id)
    )


def _has_live_listings(organisation_id: int) -> bool:
    live = (ListingState.PENDING, ListingState.PUBLISHED, ListingState.PAUSED)
    query = select(exists().where(Listing.organisation_id == organisation_id, Listing.state.in_(live)))
    return bool(db.session.scalar(query))


def _require_known(sheet: OrganisationSheet) -> None:
    sector = db.session.get(Sector, sheet.sector_code)
    if sector is None or sector.level != "subclass":
        raise FieldError("sector", "Choisissez une activité dans la liste.")
    if db.session.get(Commune, sheet.commune_insee) is None:
        raise FieldError("commune", "Nous ne connaissons pas cette commune.")


def _fill(organisation: Organisation, sheet: OrganisationSheet) -> None:
    organisation.name = sheet.name
    organisation.kind = sheet.kind
    organisation.size_class = sheet.size_class
    organisation.sector_code = sheet.sector_code
    organisation.commune_insee = sheet.commune_insee
    organisation.address = sheet.address


def _locate(sheet: OrganisationSheet) -> tuple[float | None, float | None]:
    """Return the point of the address, or the commune's. Nothing is locked while the network is asked."""
    commune = db.session.get(Commune, sheet.commune_insee)
    if commune is None:
        return None, None
    point = None
    if sheet.address:
        # Without its commune, « 1 rue de la Mairie » is found all over France.
        named = f" {fold_place(commune.name)} " in f" {fold_place(sheet.address)} "
        address = sheet.address if named else f"{sheet.address} {commune.name}"
        point = geocoding.locate(address, commune.insee, geocoding.from_config(current_app.config))
    return (point.lat, point.lon) if point is not None else (commune.lat, commune.lon)

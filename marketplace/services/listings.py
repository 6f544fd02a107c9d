"""The life of a listing: write, publish, change, pause, withdraw, renew, expire. States: models.listings."""

from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql.base import ExecutableOption

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    DecisionAction,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    ModerationDecision,
    ModerationMode,
    Organisation,
    Skill,
    Territory,
    User,
)
from marketplace.models.listings import EDITABLE, TRANSITIONS
from marketplace.services import matches, prechecks, rights, tokens
from marketplace.services.errors import FieldError, InvalidTransition, NotFound, TokenExpired
from marketplace.services.organisations import speakers
from marketplace.services.work import Work, unit_of_work

LIFETIME = timedelta(days=90)
PERMANENT_LIFETIME = timedelta(days=365)
REMINDER_DAYS = (7, 1)
SECOND_CLICK = timedelta(minutes=1)
# Where no territory says otherwise.
DEFAULT_RADIUS_KM = 20
# What its author has still to send.
NOT_SENT = (ListingState.DRAFT, ListingState.CHANGES_REQUESTED)
# What an expiry date counts for: what shows, or would if its author had not paused it.
RUNNING = (ListingState.PUBLISHED, ListingState.PAUSED)
RENEWABLE = (*RUNNING, ListingState.EXPIRED)
# States that a listing does not leave by itself: its address tells the public that it is over.
OVER = (
    ListingState.FULFILLED,
    ListingState.EXPIRED,
    ListingState.WITHDRAWN,
    ListingState.REJECTED,
    ListingState.REMOVED,
)
_RENEW = "renew-listing"
# Longest time between the first reminder and the day after expiry when the link is still useful.
RENEW_MAX_AGE = 60 * tokens.DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingSheet:
    """What an author says in the form; bounds are checked by the form and again by the database."""

    skill_id: int
    extra_skill_ids: tuple[int, ...] = ()
    level: int
    title: str
    description: str
    places: int
    radius_km: int
    availability: int = 0
    urgency: int | None = None
    capacity: int = 1
    total_limit: int | None = None
    is_permanent: bool = False
    avoid_competitors: bool = False
    competitor_radius_km: int = 10


_OF_SHEET = tuple(field.name for field in fields(ListingSheet) if field.name != "extra_skill_ids")


@dataclass(frozen=True, slots=True)
class Acts:
    """What its structure can do to a listing in its state."""

    edit: bool
    pause: bool
    resume: bool
    renew: bool
    withdraw: bool


class ListingOver(NotFound):
    """The listing was public and is over. `listing`: for the page that says so."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(f"listing {listing.id} is {listing.state}")
        self.listing = listing


# What a list or a page of listings shows, loaded in a fixed number of queries.
SHOWN: tuple[ExecutableOption, ...] = (
    joinedload(Listing.skill).joinedload(Skill.domain),
    joinedload(Listing.organisation).joinedload(Organisation.sector),
    joinedload(Listing.commune),
    joinedload(Listing.territory),
    selectinload(Listing.extra_skills).joinedload(ListingSkill.skill),
)


def publish(
    kind: ListingKind, sheet: ListingSheet, *, organisation_id: int, by: User, as_draft: bool = False
) -> Listing:
    """Write a listing and publish it, or keep it for the moderator, or as a draft.

    It waits (pending) when the territory reads before publication or is not open yet, or when a pre-check
    flags the text. The same form sent twice makes one listing. Raises NotFound, NotAllowed
    (rights.require_speaker).
    """
    with unit_of_work() as work:
        organisation = rights.require_speaker(by, organisation_id)
        work.lock(Organisation, organisation_id)  # a second click waits here for the first
        sent = sent_before(kind, sheet, organisation_id=organisation_id, by=by, as_draft=as_draft)
        if sent is not None:
            return sent
        listing = Listing(kind=kind, organisation_id=organisation_id, author_id=by.id)
        _place(listing, organisation)
        _fill(listing, sheet)
        work.add(listing)
        if as_draft:
            work.audit("listing.drafted", listing, by=by, territory=listing.territory_siren)
        else:
            _submit(work, listing, by=by)
    return listing


def sent_before(
    kind: ListingKind, sheet: ListingSheet, *, organisation_id: int, by: User, as_draft: bool
) -> Listing | None:
    """Return the listing that the same form, sent a moment ago, has made."""
    is_draft = Listing.state == ListingState.DRAFT
    query = select(Listing).where(
        Listing.organisation_id == organisation_id,
        Listing.author_id == by.id,
        Listing.kind == kind,
        Listing.skill_id == sheet.skill_id,
        Listing.title == sheet.title,
        Listing.description == sheet.description,
        Listing.created_at >= clock.now() - SECOND_CLICK,
        is_draft if as_draft else ~is_draft,
    )
    return db.session.scalar(query.limit(1))


def foresee(
    kind: ListingKind, sheet: ListingSheet, *, organisation_id: int, listing: Listing | None = None
) -> list[str]:
    """Return the pre-checks that would make the text wait, to tell its author before anything is written.

    `listing`: the one that the sheet would change; a text that was read and stays is not checked again.
    """
    if listing is not None and listing.state not in NOT_SENT and _says_the_same(listing, sheet):
        return []
    return prechecks.check(
        kind=kind,
        skill_id=sheet.skill_id,
        title=sheet.title,
        description=sheet.description,
        organisation_id=organisation_id,
        listing_id=listing.id if listing else None,
    )


def change(listing_id: int, sheet: ListingSheet, *, by: User, submit: bool = True) -> Listing:
    """Rewrite a listing. A changed text is checked, and read again where the territory reads first.

    `submit` False keeps a draft a draft. Raises NotFound, InvalidTransition (its state no longer allows it),
    FieldError when the capacity would fall below what is under way.
    """
    with unit_of_work() as work:
        listing = _own(work, listing_id, by)
        if listing.state not in EDITABLE:
            raise InvalidTransition(f"listing {listing.id}", listing.state, "edited")
        _require_room(listing, sheet)
        same_text = _says_the_same(listing, sheet)
        before = _snapshot(listing)
        _fill(listing, sheet)
        after = _snapshot(listing)
        if listing.state in RUNNING and before["is_permanent"] != after["is_permanent"]:
            _give_life(listing)
        work.audit(
            "listing.changed", listing, by=by, territory=listing.territory_siren, before=before, after=after
        )
        if listing.state in NOT_SENT:
            if submit:
                _submit(work, listing, by=by)
        elif not same_text:
            _check_again(work, listing)
    return listing


def pause(listing_id: int, *, by: User) -> Listing:
    """Take the listing out of lists and rounds; what is under way goes on."""
    return _move(listing_id, ListingState.PAUSED, "listing.paused", by=by)


def resume(listing_id: int, *, by: User) -> Listing:
    with unit_of_work() as work:
        listing = _own(work, listing_id, by)
        if listing.state is not ListingState.PAUSED:
            raise InvalidTransition(f"listing {listing_id}", listing.state, ListingState.PUBLISHED)
        _show(listing)
        work.audit("listing.resumed", listing, by=by, territory=listing.territory_siren)
    return listing


def withdraw(listing_id: int, *, by: User) -> Listing:
    """Take the listing off for good. Proposals not yet agreed by both are cancelled and the others told."""
    with unit_of_work() as work:
        listing = matches.lock_with_counterparts(work, listing_id)
        rights.require_speaker(by, listing.organisation_id)
        listing.transition(ListingState.WITHDRAWN)
        matches.cancel_open_of(work, listing, by=by)
        work.audit("listing.withdrawn", listing, by=by, territory=listing.territory_siren)
    return listing


def renew(listing_id: int, *, by: User) -> Listing:
    """Give the listing its full life again, from today; an expired one is back in the lists."""
    with unit_of_work() as work:
        return _renew(work, _own(work, listing_id, by), by=by)


def renew_by_mail(token: str) -> Listing:
    """The same by the link of a reminder, without logging in. Raises TokenExpired, also when it was used."""
    listing_id = read_renewal(token).id
    with unit_of_work() as work:
        work.lock(Listing, listing_id)
        return _renew(work, read_renewal(token), by=None)  # read again under the lock: the link serves once


def read_renewal(token: str) -> Listing:
    """Return the listing that the link renews, to ask before doing it. Raises TokenExpired."""
    listing_id, expires = tokens.read(_RENEW, token, max_age=RENEW_MAX_AGE)
    listing = db.session.get(Listing, int(listing_id))
    if listing is None or _stamp(listing) != expires or listing.state not in RENEWABLE:
        raise TokenExpired(_RENEW)
    if rights.is_suspended(listing.organisation_id):
        raise TokenExpired(_RENEW)
    return listing


def renewal_token(listing: Listing) -> str:
    return tokens.sign(_RENEW, listing.id, _stamp(listing))


def expire_due() -> int:
    """Expire what has reached its term, and tell its author. Returns how many."""
    query = select(Listing.id).where(Listing.state.in_(RUNNING), Listing.expires_at <= clock.now())
    due = list(db.session.scalars(query.order_by(Listing.id)))
    return sum(_expire(listing_id) for listing_id in due)


def remind_due() -> int:
    """Remind authors 7 days and 1 day before the term. Returns how many were told."""
    soon = clock.now() + timedelta(days=max(REMINDER_DAYS))
    query = select(Listing.id).where(
        Listing.state.in_(RUNNING),
        Listing.expires_at > clock.now(),
        Listing.expires_at <= soon,
    )
    due = list(db.session.scalars(query.order_by(Listing.id)))
    return sum(_remind(listing_id) for listing_id in due)


def show(listing_id: int, *, to: User | None) -> Listing:
    """Return the listing with what its page shows.

    Raises NotFound when the person may not see it; ListingOver, which is one, when everybody could once.
    """
    listing = db.session.scalar(select(Listing).where(Listing.id == listing_id).options(*SHOWN))
    if listing is None:
        raise NotFound(f"listing {listing_id}")
    if not rights.sees_listing(to, listing):
        was_public = listing.state in OVER and listing.published_at is not None
        raise ListingOver(listing) if was_public else NotFound(f"listing {listing_id}")
    return listing


def own(listing_id: int, *, by: User) -> Listing:
    """Return one of the person's own listings, loaded for its form. Raises NotFound."""
    listing = db.session.scalar(select(Listing).where(Listing.id == listing_id).options(*SHOWN))
    if listing is None or not rights.speaks_for(by, listing.organisation_id):
        raise NotFound(f"listing {listing_id}")
    return listing


def acts_on(listing: Listing) -> Acts:
    """Return what the listing's state allows its structure to do."""
    return Acts(
        edit=listing.state in EDITABLE,
        pause=listing.state is ListingState.PUBLISHED,
        resume=listing.state is ListingState.PAUSED,
        renew=listing.state in RENEWABLE,
        withdraw=ListingState.WITHDRAWN in TRANSITIONS[listing.state],
    )


def places_left(listing: Listing) -> int:
    """Return how many more exchanges the listing can take now."""
    left = listing.capacity - listing.live_matches
    if listing.total_limit is None:
        return left
    return min(left, listing.total_limit - listing.live_matches - listing.completed_matches)


def decision_on(listing: Listing) -> ModerationDecision | None:
    """Return the last decision of a moderator on the listing: what its author must know."""
    query = select(ModerationDecision).where(ModerationDecision.listing_id == listing.id)
    return db.session.scalar(query.order_by(ModerationDecision.id.desc()).limit(1))


def usual_radius(organisation: Organisation | None) -> int:
    """Return the radius that a form proposes: the one of the structure's territory, in km."""
    if organisation is None:
        return DEFAULT_RADIUS_KM
    query = select(Territory.default_radius_km).join(Commune, Commune.territory_siren == Territory.siren)
    radius = db.session.scalar(query.where(Commune.insee == organisation.commune_insee))
    return DEFAULT_RADIUS_KM if radius is None else radius


def of_organisations(organisation_ids: list[int]) -> list[Listing]:
    """Return the listings of these structures, the latest first (at most 200)."""
    query = (
        select(Listing)
        .where(Listing.organisation_id.in_(organisation_ids))
        .order_by(Listing.id.desc())
        .limit(200)
        .options(*SHOWN)
    )
    return list(db.session.scalars(query))


def contacts(listing: Listing) -> list[User]:
    """Return who is told: the author while they speak for the structure, else all who do."""
    people = speakers(listing.organisation_id)
    return [person for person in people if person.id == listing.author_id] or people


def needs_reading(listing: Listing) -> bool:
    """Say whether a moderator reads the listing before it shows."""
    first = is_read_first(listing.territory_siren)
    return bool(listing.flags) or (first and not is_trusted(listing.organisation_id, listing.territory_siren))


def is_trusted(organisation_id: int, territory_siren: str | None) -> bool:
    """Say whether the open territory publishes the structure's texts at once, after enough approvals there.

    A listing counts once; a rejection or a removal starts the count again.
    """
    territory = db.session.get(Territory, territory_siren) if territory_siren else None
    if territory is None or not territory.is_open or not territory.trusted_after:
        return False
    decided = (
        select(ModerationDecision)
        .join(Listing, Listing.id == ModerationDecision.listing_id)
        .where(
            Listing.organisation_id == organisation_id, ModerationDecision.territory_siren == territory.siren
        )
    )
    against = decided.where(ModerationDecision.action.in_((DecisionAction.REJECT, DecisionAction.REMOVE)))
    last = db.session.scalar(against.with_only_columns(func.max(ModerationDecision.id))) or 0
    since = decided.where(ModerationDecision.action == DecisionAction.APPROVE, ModerationDecision.id > last)
    approved = since.with_only_columns(func.count(ModerationDecision.listing_id.distinct()))
    return (db.session.scalar(approved) or 0) >= territory.trusted_after


def is_read_first(territory_siren: str | None) -> bool:
    """Say whether every text of the territory is read before it shows."""
    territory = db.session.get(Territory, territory_siren) if territory_siren else None
    return territory is None or not territory.is_open or territory.moderation_mode is ModerationMode.BEFORE


def go_live(listing: Listing) -> None:
    """Show the listing, with a full life from now if it never showed. Used here and by moderation."""
    if listing.expires_at is None or listing.expires_at <= clock.now():
        _give_life(listing)
    _show(listing)


def _show(listing: Listing) -> None:
    if listing.state is not ListingState.PUBLISHED:
        # The row's rule "published has dates" must hold at every flush.
        listing.published_at = listing.published_at or clock.now()
        listing.transition(ListingState.PUBLISHED)


def _submit(work: Work, listing: Listing, *, by: User) -> None:
    listing.flags = _flags(listing)
    listing.submitted_at = clock.now()
    # Whoever asked for changes looks whether they were made.
    if listing.state is ListingState.CHANGES_REQUESTED or needs_reading(listing):
        listing.transition(ListingState.PENDING)
        work.mail("listing_received", to=contacts(listing), listing=listing)
    else:
        go_live(listing)
        work.mail("listing_published", to=contacts(listing), listing=listing)
    after = {"state": listing.state, "flags": listing.flags}
    work.audit("listing.submitted", listing, by=by, territory=listing.territory_siren, after=after)


def _check_again(work: Work, listing: Listing) -> None:
    """A text that changed after it was read is read again; one that still waits keeps its place."""
    listing.flags = _flags(listing)
    if listing.state is not ListingState.PENDING and needs_reading(listing):
        listing.submitted_at = clock.now()
        listing.transition(ListingState.PENDING)
        work.mail("listing_received", to=contacts(listing), listing=listing)


def _flags(listing: Listing) -> list[str]:
    return prechecks.check(
        kind=listing.kind,
        skill_id=listing.skill_id,
        title=listing.title,
        description=listing.description,
        organisation_id=listing.organisation_id,
        listing_id=listing.id,
    )


def _renew(work: Work, listing: Listing, *, by: User | None) -> Listing:
    if listing.state not in RENEWABLE:
        raise InvalidTransition(f"listing {listing.id}", listing.state, "renewed")
    _give_life(listing)
    if listing.state is ListingState.EXPIRED:
        _show(listing)
    work.audit("listing.renewed", listing, by=by, territory=listing.territory_siren)
    return listing


def _expire(listing_id: int) -> bool:
    with unit_of_work() as work:
        listing = matches.lock_with_counterparts(work, listing_id)
        over = listing.expires_at is not None and listing.expires_at <= clock.now()
        if not over or listing.state not in RUNNING:
            return False
        listing.transition(ListingState.EXPIRED)
        matches.cancel_open_of(work, listing, by=None)
        work.audit("listing.expired", listing, by=None, territory=listing.territory_siren)
        work.mail("listing_expired", to=contacts(listing), listing=listing, token=renewal_token(listing))
    return True


def _remind(listing_id: int) -> bool:
    with unit_of_work() as work:
        listing = work.lock(Listing, listing_id)
        due = _reminder_due(listing)
        if due is None or (listing.last_reminder_days or max(REMINDER_DAYS) + 1) <= due:
            return False
        listing.last_reminder_days = due
        work.mail("listing_reminder", to=contacts(listing), listing=listing, token=renewal_token(listing))
    return True


def _reminder_due(listing: Listing) -> int | None:
    """Return which reminder the listing has reached, in days before its term."""
    if listing.state not in RUNNING or listing.expires_at is None or listing.expires_at <= clock.now():
        return None
    left = listing.expires_at - clock.now()
    return min((days for days in REMINDER_DAYS if left <= timedelta(days=days)), default=None)


def _move(listing_id: int, target: ListingState, action: str, *, by: User) -> Listing:
    with unit_of_work() as work:
        listing = _own(work, listing_id, by)
        listing.transition(target)
        work.audit(action, listing, by=by, territory=listing.territory_siren)
    return listing


def _own(work: Work, listing_id: int, by: User) -> Listing:
    listing = work.lock(Listing, listing_id)
    rights.require_speaker(by, listing.organisation_id)
    return listing


def _place(listing: Listing, organisation: Organisation) -> None:
    commune = db.session.get_one(Commune, organisation.commune_insee)
    listing.commune_insee = commune.insee
    listing.territory_siren = commune.territory_siren
    listing.sector_code = organisation.sector_code
    listing.lat, listing.lon = organisation.lat, organisation.lon


def _fill(listing: Listing, sheet: ListingSheet) -> None:
    values = asdict(sheet)
    extra = [skill for skill in dict.fromkeys(values.pop("extra_skill_ids")) if skill != sheet.skill_id]
    if listing.kind is ListingKind.NEED:
        values |= {"capacity": 1, "total_limit": None, "is_permanent": False}
        values["urgency"] = values["urgency"] or 1
    else:
        values["urgency"] = None
    for name, value in values.items():
        setattr(listing, name, value)
    if listing.id is not None:
        db.session.refresh(listing, ["extra_skills"])
        listing.extra_skills.clear()
        db.session.flush()
    listing.extra_skills.extend(
        ListingSkill(rank=rank, skill_id=skill) for rank, skill in enumerate(extra, start=1)
    )


def _require_room(listing: Listing, sheet: ListingSheet) -> None:
    if listing.kind is ListingKind.NEED:
        return
    if sheet.capacity < listing.live_matches:
        raise FieldError(
            "capacity", f"{listing.live_matches} échanges sont déjà en cours : ne descendez pas plus bas."
        )
    if sheet.total_limit is None:
        return
    if sheet.total_limit <= listing.completed_matches:
        raise FieldError(
            "total_limit", f"{listing.completed_matches} échanges sont déjà faits : choisissez plus."
        )
    if sheet.total_limit < listing.live_matches + listing.completed_matches:
        done = listing.live_matches + listing.completed_matches
        raise FieldError(
            "total_limit", f"{done} échanges sont déjà en cours ou faits : ne descendez pas plus bas."
        )


def _snapshot(listing: Listing) -> dict[str, Any]:
    return {name: getattr(listing, name) for name in (*_OF_SHEET, "state")}


def _says_the_same(listing: Listing, sheet: ListingSheet) -> bool:
    told = (listing.title, listing.description, listing.skill_id)
    return told == (sheet.title, sheet.description, sheet.skill_id)


def _give_life(listing: Listing) -> None:
    """Let the listing run its whole life from now, reminders included."""
    listing.expires_at = clock.now() + (PERMANENT_LIFETIME if listing.is_permanent else LIFETIME)
    listing.last_reminder_days = None


def _stamp(listing: Listing) -> str:
    return listing.expires_at.isoformat() if listing.expires_at else ""

"""Reading listings for a territory: its queue, and decisions with their statement of reasons.

Nobody decides on a listing of a structure they speak for: another moderator of the territory does, or the
national administrator. What may become of a listing by a decision stands in MOVES.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import (
    DecisionAction,
    DecisionGround,
    Listing,
    ListingKind,
    ListingState,
    ModerationDecision,
    User,
)
from marketplace.services import listings, matches, rights
from marketplace.services.errors import (
    AlreadyDecided,
    FieldError,
    InvalidTransition,
    NotAllowed,
    NotFound,
)
from marketplace.services.listings import SHOWN
from marketplace.services.paging import Page, page_of
from marketplace.services.work import Work, unit_of_work

QUEUE_PAGE = 20
HISTORY_MAX = 50
FACTS_MAX = 2000

_A, _S = DecisionAction, ListingState
# What a decision does: from these states, to that one.
MOVES: Mapping[DecisionAction, tuple[frozenset[ListingState], ListingState]] = {
    _A.APPROVE: (frozenset({_S.PENDING}), _S.PUBLISHED),
    _A.REQUEST_CHANGES: (frozenset({_S.PENDING}), _S.CHANGES_REQUESTED),
    _A.REJECT: (frozenset({_S.PENDING}), _S.REJECTED),
    _A.REMOVE: (frozenset({_S.PUBLISHED, _S.PAUSED}), _S.REMOVED),
}
# States that only a decision brings, or that a decision on a waiting listing brings.
_DECIDED = frozenset({_S.PUBLISHED, _S.CHANGES_REQUESTED, _S.REJECTED, _S.REMOVED})


class QueueView(StrEnum):
    """Which listings the queue shows: those that wait, oldest first, or those online, newest first."""

    WAITING = "waiting"
    ONLINE = "online"


@dataclass(frozen=True, slots=True)
class QueueFilters:
    """`national`: for the administrator, only what nobody nearer moderates. `kind` None: both."""

    view: QueueView = QueueView.WAITING
    kind: ListingKind | None = None
    national: bool = False


@dataclass(frozen=True, slots=True)
class Review:
    """A listing as its moderator reads it. `is_own`: of a structure they speak for; somebody else decides."""

    listing: Listing
    version: str
    history: Sequence[ModerationDecision]
    actions: Sequence[DecisionAction]
    is_own: bool


def queue(*, by: User, filters: QueueFilters, page: int) -> Page[Listing]:
    """Return one page of the listings that the person may decide on. Raises NotAllowed for no moderator."""
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    scope = rights.moderated_by_nation(by) if filters.national else rights.moderated_listings(by)
    query = select(Listing).where(scope, _not_own(by)).options(*SHOWN)
    if filters.kind is not None:
        query = query.where(Listing.kind == filters.kind)
    return page_of(_in_view(query, filters.view), number=page, size=QUEUE_PAGE)


def review(listing_id: int, *, by: User) -> Review:
    """Return the listing with what its moderator needs. Raises NotFound outside their territories."""
    listing = db.session.scalar(
        select(Listing).where(Listing.id == listing_id).options(*SHOWN, joinedload(Listing.author))
    )
    if listing is None or listing.state is ListingState.DRAFT:
        raise NotFound(f"listing {listing_id}")
    rights.require_moderator(by, listing)
    own = rights.speaks_for(by, listing.organisation_id)
    return Review(
        listing=listing,
        version=version_of(listing),
        history=_history(listing_id),
        actions=() if own else [action for action, (sources, _) in MOVES.items() if listing.state in sources],
        is_own=own,
    )


def decide(
    listing_id: int,
    action: DecisionAction,
    *,
    by: User,
    version: str,
    ground: DecisionGround | None = None,
    facts: str = "",
) -> ModerationDecision:
    """Decide on a listing and tell its author why; an adverse decision states its ground and its facts.

    `version`: of the text that was read (version_of). Raises NotFound outside one's territories, NotAllowed
    on a listing of one's own structure, AlreadyDecided, InvalidTransition (its author took it back),
    FieldError("ground" or "facts" missing, "version": the text has changed meanwhile).
    """
    with unit_of_work() as work:
        listing = matches.lock_with_counterparts(work, listing_id)
        _require_decider(by, listing)
        _require_decidable(listing, action)
        if version != version_of(listing):
            raise FieldError(
                "version", "Le texte a changé pendant votre lecture : relisez-le avant de décider."
            )
        if action is not DecisionAction.APPROVE:
            _require_reasons(ground, facts)
        before = listing.state
        decision = _record(work, listing, action, by=by, ground=ground, facts=facts)
        _apply(work, listing, action, by=by)
        work.audit(
            f"listing.{MOVES[action][1]}",
            listing,
            by=by,
            territory=listing.territory_siren,
            before={"state": before},
            after={"state": listing.state, "decision": decision.id},
            reason=f"{ground}: {facts}" if ground else "",
        )
        _tell_author(work, listing, decision)
    return decision


def next_after(listing_id: int, *, by: User) -> Listing | None:
    """Return what waits for the person after this listing, else the first that waits. Raises NotFound."""
    done = db.session.get(Listing, listing_id)
    if done is None:
        raise NotFound(f"listing {listing_id}")
    waiting = select(Listing).where(
        rights.moderated_listings(by), _not_own(by), Listing.state == ListingState.PENDING
    )
    first = waiting.order_by(Listing.submitted_at, Listing.id).limit(1)
    after = or_(
        Listing.submitted_at > done.submitted_at,
        and_(Listing.submitted_at == done.submitted_at, Listing.id > done.id),
    )
    return db.session.scalar(first.where(after)) or db.session.scalar(first)


def version_of(listing: Listing) -> str:
    """Return a mark of the text that a moderator reads and of what it is classed under."""
    told = "\x1f".join(str(value) for value in _snapshot(listing).values())
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _in_view(query: Select[Any], view: QueueView) -> Select[Any]:
    if view is QueueView.WAITING:
        waiting = query.where(Listing.state == ListingState.PENDING)
        return waiting.order_by(Listing.submitted_at, Listing.id)
    online = query.where(Listing.state == ListingState.PUBLISHED)
    return online.order_by(Listing.published_at.desc(), Listing.id.desc())


def _not_own(by: User) -> ColumnElement[bool]:
    return Listing.organisation_id.not_in(rights.organisation_ids(by))


def _history(listing_id: int) -> Sequence[ModerationDecision]:
    query = (
        select(ModerationDecision)
        .where(ModerationDecision.listing_id == listing_id)
        .order_by(ModerationDecision.id.desc())
        .limit(HISTORY_MAX)
        .options(joinedload(ModerationDecision.moderator))
    )
    return db.session.scalars(query).all()


def _require_decider(by: User, listing: Listing) -> None:
    if listing.state is ListingState.DRAFT:
        raise NotFound(f"listing {listing.id}")
    rights.require_moderator(by, listing)
    rights.require_confirmed(by)
    if rights.speaks_for(by, listing.organisation_id):
        raise NotAllowed("a listing of one's own structure")


def _require_decidable(listing: Listing, action: DecisionAction) -> None:
    sources, target = MOVES[action]
    if listing.state in sources:
        return
    if listing.state in _DECIDED:
        raise AlreadyDecided(listing.state)
    raise InvalidTransition(f"listing {listing.id}", listing.state, target)


def _require_reasons(ground: DecisionGround | None, facts: str) -> None:
    if ground is None:
        raise FieldError("ground", "Dites quelle règle n’est pas respectée.")
    if not facts.strip():
        raise FieldError("facts", "Dites ce que vous avez constaté : l’auteur le recevra.")


def _record(
    work: Work,
    listing: Listing,
    action: DecisionAction,
    *,
    by: User,
    ground: DecisionGround | None,
    facts: str,
) -> ModerationDecision:
    adverse = action is not DecisionAction.APPROVE
    return work.add(
        ModerationDecision(
            listing_id=listing.id,
            territory_siren=listing.territory_siren,
            moderator_id=by.id,
            action=action,
            ground=ground if adverse else None,
            facts=facts if adverse else "",
            automated_flags=list(listing.flags),
            snapshot=_snapshot(listing),
        )
    )


def _apply(work: Work, listing: Listing, action: DecisionAction, *, by: User) -> None:
    if action is DecisionAction.APPROVE:
        listings.go_live(listing)
        return
    listing.transition(MOVES[action][1])
    if action in (DecisionAction.REJECT, DecisionAction.REMOVE):
        matches.cancel_open_of(work, listing, by=by)


def _tell_author(work: Work, listing: Listing, decision: ModerationDecision) -> None:
    people = listings.contacts(listing)
    if decision.action is DecisionAction.APPROVE:
        work.mail("listing_published", to=people, listing=listing)
    else:
        work.mail("listing_decided", to=people, listing=listing, decision=decision)


def _snapshot(listing: Listing) -> dict[str, Any]:
    """Return the text as it stands, and what it is classed under."""
    names = ("kind", "title", "description", "skill_id", "level", "places", "radius_km")
    return {name: getattr(listing, name) for name in names}

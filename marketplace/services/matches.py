"""The life of a match: propose, accept, decline, cancel, complete, expire. States: models.matches.

A live match (proposed, accepted, agreed) holds a place of its need and of its offer from the start, so that an
acceptance never comes too late. Places are taken by a guarded UPDATE and kept by constraints of the schema.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    DeclineReason,
    ExchangeCircle,
    Listing,
    ListingKind,
    ListingState,
    Match,
    MatchOrigin,
    MatchState,
    Organisation,
    User,
)
from marketplace.models.matches import LIVE
from marketplace.services import rights
from marketplace.services.errors import (
    AlreadyMatched,
    CapacityReached,
    NotAllowed,
    NotFound,
    PairRefused,
)
from marketplace.services.market import Reasons, has_room
from marketplace.services.organisations import speakers
from marketplace.services.work import Work, unit_of_work

ANSWER_WITHIN = timedelta(days=10)
REMIND_AFTER = timedelta(days=5)
# States in which each side sees the other's name, mail and phone.
CONTACTS_SHOWN = (MatchState.AGREED, MatchState.COMPLETED)

_SIDES = (
    joinedload(Match.need).joinedload(Listing.skill),
    joinedload(Match.need).joinedload(Listing.commune),
    joinedload(Match.need).joinedload(Listing.organisation).joinedload(Organisation.sector),
    joinedload(Match.offer).joinedload(Listing.skill),
    joinedload(Match.offer).joinedload(Listing.commune),
    joinedload(Match.offer).joinedload(Listing.organisation).joinedload(Organisation.sector),
)


@dataclass(frozen=True, slots=True)
class MatchView:
    """A match as one side sees it. `people`: the other side's contacts, empty until both have accepted."""

    match: Match
    side: ListingKind
    mine: Listing
    theirs: Listing
    people: Sequence[User]

    @property
    def awaits_me(self) -> bool:
        return self.match.state in (MatchState.PROPOSED, MatchState.ACCEPTED) and not self.i_accepted

    @property
    def i_accepted(self) -> bool:
        return self.match.accepted_at(self.side) is not None


def propose(need_id: int, offer_id: int, *, by: User, reasons: Reasons, message: str = "") -> Match:
    """Ask for help or offer it: a match that the side of `by` has already accepted.

    `reasons`: why the pair holds (services.ranking.reasons, which applies the matcher's hard rules).
    Raises NotFound, AlreadyMatched, CapacityReached, PairRefused.
    """
    try:
        with unit_of_work() as work:
            need, offer = _lock_listings(work, need_id, offer_id)
            side = _proposing_side(by, need, offer)
            _require_open(need, offer, side)
            if _pair_closed(need_id, offer_id):
                raise PairRefused(f"need {need_id}, offer {offer_id}")
            take_place(work, need)
            take_place(work, offer)
            match = Match(
                need_id=need.id,
                offer_id=offer.id,
                need_organisation_id=need.organisation_id,
                offer_organisation_id=offer.organisation_id,
                state=MatchState.ACCEPTED,
                origin=MatchOrigin.PERSON,
                started_by_id=by.id,
                score=reasons.score,
                distance_km=reasons.distance_km,
                explanation=reasons.as_json(),
                message=message,
                expires_at=clock.now() + ANSWER_WITHIN,
            )
            _record_acceptance(match, side)
            work.add(match)
            work.audit("match.proposed", match, by=by, territory=need.territory_siren)
            other = offer if side is ListingKind.NEED else need
            mine = need if side is ListingKind.NEED else offer
            work.mail("match_asked", to=speakers(other.organisation_id), match=match, mine=other, theirs=mine)
    except IntegrityError as error:  # the pair was written by somebody else between our look and our write
        raise PairRefused(f"need {need_id}, offer {offer_id}") from error
    return match


def accept(match_id: int, *, by: User) -> Match:
    """Record that one side accepts; agree when both have, and tell both.

    Raises NotFound if `by` speaks for neither side, InvalidTransition if the match is no longer open.
    Accepting twice changes nothing.
    """
    with unit_of_work() as work:
        match, need, offer = _open(work, match_id, by)
        side = side_of(by, match)
        if match.accepted_at(side) is not None and match.is_live:
            return match
        agrees = match.accepted_at(side.opposite) is not None
        match.transition(MatchState.AGREED if agrees else MatchState.ACCEPTED)
        _record_acceptance(match, side)
        work.audit("match.accepted", match, by=by, territory=need.territory_siren, after={"state": match.state})
        if agrees:
            _tell_agreed(work, match, need, offer)
        else:
            other, mine = (offer, need) if side is ListingKind.NEED else (need, offer)
            work.mail("match_accepted", to=speakers(other.organisation_id), match=match, mine=other, theirs=mine)
    return match


def decline(match_id: int, *, by: User, reason: DeclineReason, comment: str = "") -> Match:
    """Refuse a proposal: its places are free again, and this pair is never proposed again.

    Raises NotFound, InvalidTransition.
    """
    return _close(match_id, MatchState.DECLINED, by=by, reason=reason, comment=comment)


def cancel(match_id: int, *, by: User, comment: str = "") -> Match:
    """Give up an exchange under way; the pair may be proposed again. Raises NotFound, InvalidTransition."""
    return _close(match_id, MatchState.CANCELLED, by=by, reason=None, comment=comment)


def complete(match_id: int, *, by: User) -> Match:
    """Record that the exchange took place: the need is fulfilled, the offer's place is free for another.

    Raises NotFound, InvalidTransition.
    """
    with unit_of_work() as work:
        match, need, offer = _open(work, match_id, by)
        match.transition(MatchState.COMPLETED)
        match.closed_at = clock.now()
        for listing in (need, offer):
            _free_place(work, listing, completed=1)
        _fulfil(need, offer)
        work.audit("match.completed", match, by=by, territory=need.territory_siren)
        for mine, theirs in ((need, offer), (offer, need)):
            work.mail("match_completed", to=speakers(mine.organisation_id), match=match, mine=mine, theirs=theirs)
    return match


def expire_due() -> int:
    """Close proposals that nobody answered in time, and tell both. Returns how many."""
    query = select(Match.id).where(
        Match.state.in_((MatchState.PROPOSED, MatchState.ACCEPTED)), Match.expires_at <= clock.now()
    )
    return sum(_expire(match_id) for match_id in list(db.session.scalars(query.order_by(Match.id))))


def remind_due() -> int:
    """Remind, once, the sides that have not answered after 5 days. Returns how many matches."""
    since = clock.now() + ANSWER_WITHIN - REMIND_AFTER
    query = select(Match.id).where(
        Match.state.in_((MatchState.PROPOSED, MatchState.ACCEPTED)),
        Match.expires_at <= since,
        Match.expires_at > clock.now(),
        Match.reminded_at.is_(None),
    )
    return sum(_remind(match_id) for match_id in list(db.session.scalars(query.order_by(Match.id))))


def cancel_open_of(work: Work, listing: Listing, *, by: User | None) -> int:
    """Cancel the proposals of a listing that goes away; exchanges both have agreed on go on."""
    query = select(Match).where(
        or_(Match.need_id == listing.id, Match.offer_id == listing.id),
        Match.state.in_((MatchState.PROPOSED, MatchState.ACCEPTED)),
    )
    found = list(work.session.scalars(query.order_by(Match.id).with_for_update()))
    for match in found:
        other_id = match.offer_id if match.need_id == listing.id else match.need_id
        other = work.session.get_one(Listing, other_id)
        match.transition(MatchState.CANCELLED)
        match.closed_at, match.closed_side = clock.now(), listing.kind
        _free_place(work, listing)
        _free_place(work, other)
        work.audit("match.cancelled", match, by=by, territory=listing.territory_siren)
        work.mail("match_cancelled", to=speakers(other.organisation_id), match=match, mine=other, theirs=listing)
    return len(found)


def take_place(work: Work, listing: Listing) -> None:
    """Hold one place by a guarded UPDATE: never above capacity, whoever else is writing.

    Raises AlreadyMatched (need) or CapacityReached (offer).
    """
    done = work.session.execute(
        update(Listing)
        .where(Listing.id == listing.id, has_room())
        .values(live_matches=Listing.live_matches + 1)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise (AlreadyMatched if listing.kind is ListingKind.NEED else CapacityReached)(f"listing {listing.id}")
    work.session.refresh(listing, ["live_matches"])


def side_of(user: User, match: Match) -> ListingKind:
    """Return the side that the person speaks for. Raises NotFound for neither.

    Someone who speaks for both answers for the side that has not accepted yet.
    """
    mine = rights.organisation_ids(user)
    sides = [
        side
        for side, organisation in (
            (ListingKind.NEED, match.need_organisation_id),
            (ListingKind.OFFER, match.offer_organisation_id),
        )
        if organisation in mine
    ]
    if not sides:
        raise NotFound(f"match {match.id}")
    return next((side for side in sides if match.accepted_at(side) is None), sides[0])


def show(match_id: int, *, to: User) -> MatchView:
    """Return the match as this person sees it. Raises NotFound when they speak for neither side."""
    match = db.session.scalar(select(Match).where(Match.id == match_id).options(*_SIDES))
    if match is None:
        raise NotFound(f"match {match_id}")
    return _view(match, side_of(to, match))


def of_user(user: User, *, limit: int = 200) -> list[MatchView]:
    """Return the person's matches, live ones first, then the latest."""
    mine = rights.organisation_ids(user)
    if not mine:
        return []
    query = (
        select(Match)
        .where(or_(Match.need_organisation_id.in_(mine), Match.offer_organisation_id.in_(mine)))
        .order_by(Match.state.in_(LIVE).desc(), Match.id.desc())
        .limit(limit)
        .options(*_SIDES)
    )
    return [_view(match, side_of(user, match), contacts=False) for match in db.session.scalars(query)]


def circle_of(match: Match) -> list[Match]:
    """Return the matches of the circle that the match belongs to, with their listings; empty outside a circle."""
    if match.circle_id is None:
        return []
    circle = db.session.get_one(ExchangeCircle, match.circle_id)
    query = select(Match).where(Match.circle_id == circle.id).order_by(Match.id).options(*_SIDES)
    return list(db.session.scalars(query))


def _view(match: Match, side: ListingKind, *, contacts: bool = True) -> MatchView:
    mine, theirs = (match.need, match.offer) if side is ListingKind.NEED else (match.offer, match.need)
    shown = contacts and match.state in CONTACTS_SHOWN
    return MatchView(match, side, mine, theirs, speakers(theirs.organisation_id) if shown else ())


def _open(work: Work, match_id: int, by: User) -> tuple[Match, Listing, Listing]:
    """Lock the match and its listings, in the order of all acts. Raises NotFound for an outsider."""
    seen = work.session.get(Match, match_id)
    if seen is None:
        raise NotFound(f"match {match_id}")
    side_of(by, seen)
    rights.require_confirmed(by)
    need, offer = _lock_listings(work, seen.need_id, seen.offer_id)
    return work.lock(Match, match_id), need, offer


def _lock_listings(work: Work, need_id: int, offer_id: int) -> tuple[Listing, Listing]:
    locked = {key: work.lock(Listing, key) for key in sorted({need_id, offer_id})}
    need, offer = locked[need_id], locked[offer_id]
    if need.kind is not ListingKind.NEED or offer.kind is not ListingKind.OFFER:
        raise NotFound(f"need {need_id}, offer {offer_id}")
    return need, offer


def _proposing_side(by: User, need: Listing, offer: Listing) -> ListingKind:
    """Raises NotFound for an outsider; NotAllowed inside one structure, or when one of the two is suspended."""
    mine = rights.organisation_ids(by)
    if need.organisation_id == offer.organisation_id:
        raise NotAllowed("a structure cannot be paired with itself")
    for side, listing in ((ListingKind.NEED, need), (ListingKind.OFFER, offer)):
        if listing.organisation_id in mine:
            rights.require_speaker(by, listing.organisation_id)
            return side
    raise NotFound(f"need {need.id}, offer {offer.id}")


def _require_open(need: Listing, offer: Listing, side: ListingKind) -> None:
    """A listing that nobody else may see is not there for the one who proposes."""
    theirs = offer if side is ListingKind.NEED else need
    if theirs.state is not ListingState.PUBLISHED:
        raise NotFound(f"listing {theirs.id}")


def _pair_closed(need_id: int, offer_id: int) -> bool:
    open_again = (MatchState.EXPIRED, MatchState.CANCELLED)
    query = select(Match.id).where(
        Match.need_id == need_id, Match.offer_id == offer_id, Match.state.not_in(open_again)
    )
    return db.session.scalar(query.limit(1)) is not None


def _record_acceptance(match: Match, side: ListingKind) -> None:
    if side is ListingKind.NEED:
        match.need_accepted_at = clock.now()
    else:
        match.offer_accepted_at = clock.now()


def _tell_agreed(work: Work, match: Match, need: Listing, offer: Listing) -> None:
    for mine, theirs in ((need, offer), (offer, need)):
        work.mail(
            "match_agreed",
            to=speakers(mine.organisation_id),
            match=match,
            mine=mine,
            theirs=theirs,
            organisation=work.session.get_one(Organisation, theirs.organisation_id),
            people=speakers(theirs.organisation_id),
        )


def _close(
    match_id: int, target: MatchState, *, by: User, reason: DeclineReason | None, comment: str
) -> Match:
    with unit_of_work() as work:
        match, need, offer = _open(work, match_id, by)
        side = side_of(by, match)
        match.close_reason, match.closed_side, match.close_comment = reason, side, comment
        match.transition(target)
        match.closed_at = clock.now()
        for listing in (need, offer):
            _free_place(work, listing)
        work.audit(f"match.{target}", match, by=by, territory=need.territory_siren, reason=reason or "")
        other, mine = (offer, need) if side is ListingKind.NEED else (need, offer)
        work.mail(f"match_{target}", to=speakers(other.organisation_id), match=match, mine=other, theirs=mine)
    return match


def _free_place(work: Work, listing: Listing, *, completed: int = 0) -> None:
    listing.live_matches = listing.live_matches - 1
    listing.completed_matches = listing.completed_matches + completed
    work.session.flush()


def _fulfil(need: Listing, offer: Listing) -> None:
    """A listing withdrawn or expired meanwhile stays what it is."""
    running = (ListingState.PUBLISHED, ListingState.PAUSED)
    if need.state in running:
        need.transition(ListingState.FULFILLED)
    used_up = offer.total_limit is not None and offer.completed_matches >= offer.total_limit
    if used_up and offer.state in running:
        offer.transition(ListingState.FULFILLED)


def _expire(match_id: int) -> bool:
    with unit_of_work() as work:
        seen = work.session.get_one(Match, match_id)
        need, offer = _lock_listings(work, seen.need_id, seen.offer_id)
        match = work.lock(Match, match_id)
        if match.state not in (MatchState.PROPOSED, MatchState.ACCEPTED) or match.expires_at > clock.now():
            return False
        match.transition(MatchState.EXPIRED)
        match.closed_at = clock.now()
        for mine, theirs in ((need, offer), (offer, need)):
            _free_place(work, mine)
            work.mail("match_expired", to=speakers(mine.organisation_id), match=match, mine=mine, theirs=theirs)
        work.audit("match.expired", match, by=None, territory=need.territory_siren)
    return True


def _remind(match_id: int) -> bool:
    with unit_of_work() as work:
        match = work.lock(Match, match_id)
        if match.reminded_at is not None or match.state not in (MatchState.PROPOSED, MatchState.ACCEPTED):
            return False
        match.reminded_at = clock.now()
        for side in ListingKind:
            if match.accepted_at(side) is not None:
                continue
            listing = work.session.get_one(Listing, match.need_id if side is ListingKind.NEED else match.offer_id)
            work.mail("match_reminder", to=speakers(listing.organisation_id), match=match, mine=listing)
    return True



"""The life of a match: propose, accept, decline, cancel, complete, expire. States: models.matches.

A live match (proposed, accepted, agreed) holds a place of its need and of its offer from the start, so that
an acceptance never comes too late. Places are taken by a guarded UPDATE and kept by the schema's constraints.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import and_, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    DeclineReason,
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
from marketplace.services import prechecks, rights, throttle, tokens
from marketplace.services.errors import (
    AlreadyMatched,
    CapacityReached,
    FieldError,
    InvalidTransition,
    NotAllowed,
    NotFound,
    PairRefused,
)
from marketplace.services.journal import TOUCHED
from marketplace.services.market import REST_DAYS, Reasons, has_room
from marketplace.services.organisations import speakers
from marketplace.services.paging import Page, page_of
from marketplace.services.work import Work, unit_of_work

ANSWER_WITHIN = timedelta(days=10)
REMIND_AFTER = timedelta(days=5)
# Matches that wait for an answer.
OPEN = (MatchState.PROPOSED, MatchState.ACCEPTED)
# States in which each side sees the other's name, mail and phone.
CONTACTS_SHOWN = (MatchState.AGREED, MatchState.COMPLETED)
# Every proposal writes to a stranger: no person sends more than this a day.
PROPOSALS_A_DAY = 40
PAST_SHOWN = 10
# More than a structure has at the same time; past ones are paged.
LIVE_SHOWN = 200
CONTACT_IN_TEXT = (
    "Enlevez les coordonnées et les liens : chacun verra celles de l’autre quand les deux auront accepté."
)
_CONTACT_FLAGS = {"phone", "email", "link"}

_SIDES = tuple(
    joinedload(listing).joinedload(path)
    for listing in (Match.need, Match.offer)
    for path in (Listing.skill, Listing.commune)
) + tuple(
    joinedload(listing).joinedload(Listing.organisation).joinedload(Organisation.sector)
    for listing in (Match.need, Match.offer)
)


@dataclass(frozen=True, slots=True)
class MatchView:
    """A match as one side sees it.

    `people`, `our_people`: the contacts of the other side and of this one, empty until both have accepted.
    """

    match: Match
    side: ListingKind
    mine: Listing
    theirs: Listing
    people: Sequence[User] = ()
    our_people: Sequence[User] = ()

    @property
    def awaits_me(self) -> bool:
        return self.match.state in OPEN and not self.i_accepted

    @property
    def i_accepted(self) -> bool:
        return self.match.accepted_at(self.side) is not None

    @property
    def they_accepted(self) -> bool:
        return self.match.accepted_at(self.side.opposite) is not None

    @property
    def may_cancel(self) -> bool:
        return self.match.is_live and self.i_accepted

    @property
    def may_complete(self) -> bool:
        return self.match.state is MatchState.AGREED

    @property
    def may_take_up_again(self) -> bool:
        """The other side wanted it, this one let the time pass, and both listings are still online."""
        left = self.match.state is MatchState.EXPIRED and self.they_accepted and not self.i_accepted
        return left and all(listing.state is ListingState.PUBLISHED for listing in (self.mine, self.theirs))


@dataclass(frozen=True, slots=True)
class Space:
    """A person's matches: those that wait for their answer, most urgent first; other live ones; past ones."""

    awaiting: Sequence[MatchView]
    running: Sequence[MatchView]
    past: Page[MatchView]


@dataclass(frozen=True, slots=True)
class CircleLink:
    """One exchange of a circle: whether the reader helps in it, or is helped."""

    match: Match
    i_help: bool
    i_am_helped: bool


@dataclass(frozen=True, slots=True)
class _Act:
    """A match whose listings and row are locked, seen from the side of the one who acts."""

    match: Match
    side: ListingKind
    mine: Listing
    theirs: Listing

    @property
    def need(self) -> Listing:
        return self.mine if self.side is ListingKind.NEED else self.theirs

    @property
    def offer(self) -> Listing:
        return self.theirs if self.side is ListingKind.NEED else self.mine


def propose(need_id: int, offer_id: int, *, by: User, reasons: Reasons, message: str = "") -> Match:
    """Ask for help or offer it: a match that the side of `by` has already accepted.

    `reasons`: why the pair holds (services.ranking.reasons, which applies the matcher's hard rules).
    Raises NotFound, NotAllowed, InvalidTransition (one's own listing is not online), AlreadyMatched,
    CapacityReached, PairRefused, FieldError("message"), TooManyAttempts.
    """
    _require_no_contact("message", message)
    throttle.count_attempt(f"propose:{by.id}", limit=PROPOSALS_A_DAY, seconds=tokens.DAY)
    try:
        with unit_of_work() as work:
            need, offer = _lock_listings(work, need_id, offer_id)
            side = _proposing_side(by, need, offer)
            mine, theirs = _seen_from(side, need, offer)
            _require_open(work, mine, theirs)
            if closed_with(theirs, [mine.id]):
                raise PairRefused(f"need {need_id}, offer {offer_id}")
            take_place(work, mine)
            take_place(work, theirs)
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
            work.mail(
                "match_asked", to=speakers(theirs.organisation_id), match=match, mine=theirs, theirs=mine
            )
    except IntegrityError as error:  # the pair was written by somebody else between our look and our write
        raise PairRefused(f"need {need_id}, offer {offer_id}") from error
    return match


def accept(match_id: int, *, by: User) -> Match:
    """Record that one side accepts; agree when both have, and tell both.

    Raises NotFound if `by` speaks for neither side, NotAllowed if their structure is suspended,
    InvalidTransition if the match is no longer open or the other structure is suspended.
    Accepting twice changes nothing.
    """
    with unit_of_work() as work:
        act = _open(work, match_id, by)
        match, side = act.match, act.side
        if match.accepted_at(side) is not None and match.is_live:
            return match
        agrees = match.accepted_at(side.opposite) is not None
        target = MatchState.AGREED if agrees else MatchState.ACCEPTED
        if _is_suspended(work, act.theirs):  # its contacts must not reach anybody, nor ours it
            raise InvalidTransition(f"match {match_id}", match.state, target)
        match.transition(target)
        _record_acceptance(match, side)
        work.audit(
            "match.accepted", match, by=by, territory=act.need.territory_siren, after={"state": match.state}
        )
        if agrees:
            _tell_agreed(work, act)
        else:
            _tell_other(work, "match_accepted", act)
    return match


def decline(match_id: int, *, by: User, reason: DeclineReason, comment: str = "") -> Match:
    """Refuse a proposal: its places are free again, and this pair is never proposed again.

    Raises NotFound, NotAllowed, InvalidTransition (also when one's side has accepted: cancel() takes that
    back), FieldError("comment").
    """
    _require_no_contact("comment", comment)
    with unit_of_work() as work:
        act = _open(work, match_id, by)
        if act.match.accepted_at(act.side) is not None:
            raise InvalidTransition(f"match {match_id}", act.match.state, MatchState.DECLINED)
        act.match.close_reason = reason
        _close(work, act, MatchState.DECLINED, by=by, comment=comment)
    return act.match


def cancel(match_id: int, *, by: User, comment: str = "") -> Match:
    """Take back one's acceptance, or give up an agreed exchange; the pair may be proposed again later.

    Raises NotFound, NotAllowed, InvalidTransition (also when one's side has not accepted: decline() answers
    that), FieldError("comment").
    """
    with unit_of_work() as work:
        act = _open(work, match_id, by)
        if act.match.state not in CONTACTS_SHOWN:
            _require_no_contact("comment", comment)
        if act.match.accepted_at(act.side) is None:
            raise InvalidTransition(f"match {match_id}", act.match.state, MatchState.CANCELLED)
        _close(work, act, MatchState.CANCELLED, by=by, comment=comment)
    return act.match


def complete(match_id: int, *, by: User) -> Match:
    """Record that the exchange took place: the need is fulfilled, the offer's place is free for another.

    Raises NotFound, NotAllowed, InvalidTransition.
    """
    with unit_of_work() as work:
        act = _open(work, match_id, by)
        match = act.match
        match.transition(MatchState.COMPLETED)
        match.closed_at = clock.now()
        need, offer = act.need, act.offer
        for listing in (need, offer):
            _free_place(work, listing, completed=1)
        _fulfil(need, offer)
        work.audit("match.completed", match, by=by, territory=need.territory_siren)
        for mine, theirs in ((need, offer), (offer, need)):
            work.mail(
                "match_completed", to=speakers(mine.organisation_id), match=match, mine=mine, theirs=theirs
            )
    return match


def expire_due() -> int:
    """Close proposals that nobody answered in time, and tell both. Returns how many."""
    query = select(Match.id).where(Match.state.in_(OPEN), Match.expires_at <= clock.now())
    return sum(_expire(match_id) for match_id in list(db.session.scalars(query.order_by(Match.id))))


def remind_due() -> int:
    """Remind, once, the sides that have not answered after 5 days. Returns how many matches."""
    since = clock.now() + ANSWER_WITHIN - REMIND_AFTER
    query = select(Match.id).where(
        Match.state.in_(OPEN),
        Match.expires_at <= since,
        Match.expires_at > clock.now(),
        Match.reminded_at.is_(None),
    )
    return sum(_remind(match_id) for match_id in list(db.session.scalars(query.order_by(Match.id))))


def lock_with_counterparts(work: Work, listing_id: int) -> Listing:
    """Lock a listing that may go away, and those it has proposals with: by id, as all acts do.

    Raises NotFound.
    """
    open_now = select(Match.need_id, Match.offer_id).where(_of_listing(listing_id), Match.state.in_(OPEN))
    ids = {listing_id, *(key for pair in work.session.execute(open_now) for key in pair)}
    return {key: work.lock(Listing, key) for key in sorted(ids)}[listing_id]


def lock_all_of(work: Work, organisation_id: int) -> list[Listing]:
    """Lock what a structure has online, and the listings it has proposals with: by id, as all acts do.

    Returns its own, those with a proposal included.
    """
    online = select(Listing.id).where(
        Listing.organisation_id == organisation_id,
        Listing.state.in_((ListingState.PUBLISHED, ListingState.PAUSED)),
    )
    open_now = select(Match.need_id, Match.offer_id).where(
        or_(Match.need_organisation_id == organisation_id, Match.offer_organisation_id == organisation_id),
        Match.state.in_(OPEN),
    )
    paired = (key for pair in work.session.execute(open_now) for key in pair)
    locked = [work.lock(Listing, key) for key in sorted({*work.session.scalars(online), *paired})]
    return [listing for listing in locked if listing.organisation_id == organisation_id]


def cancel_open_of(
    work: Work, listing: Listing, *, by: User | None, states: Collection[MatchState] = OPEN
) -> int:
    """Cancel the proposals of a listing that goes away; exchanges both have agreed on go on.

    `states`: LIVE when nobody is left to go on with those. The caller has locked the listings and their
    counterparts (lock_with_counterparts). Returns how many.
    """
    query = select(Match).where(_of_listing(listing.id), Match.state.in_(states))
    found = list(work.session.scalars(query.order_by(Match.id).with_for_update()))
    for match in found:
        other = work.lock(Listing, match.offer_id if match.need_id == listing.id else match.need_id)
        match.transition(MatchState.CANCELLED)
        match.closed_at, match.closed_side = clock.now(), listing.kind
        _free_place(work, listing)
        _free_place(work, other)
        work.audit("match.cancelled", match, by=by, territory=listing.territory_siren)
        work.mail(
            "match_cancelled",
            to=speakers(other.organisation_id),
            match=match,
            mine=other,
            theirs=listing,
            is_suspended=_is_suspended(work, listing),
        )
    return len(found)


def take_place(work: Work, listing: Listing) -> None:
    """Hold one place by a guarded UPDATE: never above capacity, whoever else is writing.

    Raises AlreadyMatched (need) or CapacityReached (offer).
    """
    done = work.session.execute(
        update(Listing)
        .where(Listing.id == listing.id, has_room())
        .values(live_matches=Listing.live_matches + 1)
        .execution_options(synchronize_session=False, **{TOUCHED: (listing.id,)})
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise (AlreadyMatched if listing.kind is ListingKind.NEED else CapacityReached)(
            f"listing {listing.id}"
        )
    work.session.refresh(listing, ["live_matches"])


def closed_with(theirs: Listing, mine: Collection[int]) -> set[int]:
    """Return which own listings may not be proposed to `theirs`: live, done, declined or resting with it.

    A pair that the other side wanted and this one left without an answer does not rest.
    """
    ours, wanted = (
        (Match.need_id, Match.offer_accepted_at)
        if theirs.kind is ListingKind.OFFER
        else (Match.offer_id, Match.need_accepted_at)
    )
    resting = and_(
        Match.closed_at > clock.now() - timedelta(days=REST_DAYS),
        or_(Match.state == MatchState.CANCELLED, wanted.is_(None)),
    )
    closed = or_(Match.state.not_in((MatchState.EXPIRED, MatchState.CANCELLED)), resting)
    return set(db.session.scalars(select(ours).where(_of_listing(theirs.id), ours.in_(mine), closed)))


def show(match_id: int, *, to: User) -> MatchView:
    """Return the match as this person sees it. Raises NotFound when they speak for neither side."""
    match = db.session.scalar(select(Match).where(Match.id == match_id).options(*_SIDES))
    if match is None:
        raise NotFound(f"match {match_id}")
    view = _view(match, rights.organisation_ids(to))
    if match.state not in CONTACTS_SHOWN:
        return view
    return replace(
        view,
        people=speakers(view.theirs.organisation_id),
        our_people=speakers(view.mine.organisation_id),
    )


def space(user: User, *, past_page: int = 1) -> Space:
    """Return the person's matches, in a fixed number of queries."""
    mine = rights.organisation_ids(user)
    theirs = select(Match).where(
        or_(Match.need_organisation_id.in_(mine), Match.offer_organisation_id.in_(mine))
    )
    query = theirs.where(Match.state.in_(LIVE)).order_by(Match.expires_at, Match.id).limit(LIVE_SHOWN)
    live = [_view(match, mine) for match in db.session.scalars(query.options(*_SIDES))]
    past = page_of(
        theirs.where(Match.state.not_in(LIVE))
        .order_by(Match.closed_at.desc(), Match.id.desc())
        .options(*_SIDES),
        number=past_page,
        size=PAST_SHOWN,
    )
    return Space(
        awaiting=[view for view in live if view.awaits_me],
        running=[view for view in live if not view.awaits_me],
        past=replace(past, items=[_view(match, mine) for match in past.items]),
    )


def circle_of(view: MatchView) -> list[CircleLink]:
    """Return the exchanges of the match's circle, from the one in which the reader helps; empty outside one.

    In a circle each structure helps exactly one other.
    """
    if view.match.circle_id is None:
        return []
    query = select(Match).where(Match.circle_id == view.match.circle_id).order_by(Match.id).options(*_SIDES)
    helped_by = {match.offer_organisation_id: match for match in db.session.scalars(query)}
    links: list[CircleLink] = []
    me = helper = view.mine.organisation_id
    while helper in helped_by:
        match = helped_by.pop(helper)
        helper = match.need_organisation_id
        links.append(CircleLink(match, i_help=match.offer_organisation_id == me, i_am_helped=helper == me))
    return links


def _view(match: Match, organisation_ids: Collection[int]) -> MatchView:
    side = _side(match, organisation_ids)
    mine, theirs = _seen_from(side, match.need, match.offer)
    return MatchView(match, side, mine, theirs)


def _side(match: Match, organisation_ids: Collection[int]) -> ListingKind:
    """Return the side that these structures are on. Raises NotFound for neither.

    Someone who speaks for both answers for the side that has not accepted yet.
    """
    sides = [
        side
        for side, organisation_id in (
            (ListingKind.NEED, match.need_organisation_id),
            (ListingKind.OFFER, match.offer_organisation_id),
        )
        if organisation_id in organisation_ids
    ]
    if not sides:
        raise NotFound(f"match {match.id}")
    return next((side for side in sides if match.accepted_at(side) is None), sides[0])


def _seen_from(side: ListingKind, need: Listing, offer: Listing) -> tuple[Listing, Listing]:
    """Return the side's own listing, then the other."""
    return (need, offer) if side is ListingKind.NEED else (offer, need)


def _of_listing(listing_id: int) -> ColumnElement[bool]:
    return or_(Match.need_id == listing_id, Match.offer_id == listing_id)


def _open(work: Work, match_id: int, by: User) -> _Act:
    """Lock the match and its listings, in the order of all acts.

    Raises NotFound for an outsider, NotAllowed for somebody unconfirmed or of a suspended structure.
    """
    seen = work.session.get(Match, match_id)
    if seen is None:
        raise NotFound(f"match {match_id}")
    organisations = rights.organisation_ids(by)
    _side(seen, organisations)
    need, offer = _lock_listings(work, seen.need_id, seen.offer_id)
    match = work.lock(Match, match_id)
    side = _side(match, organisations)
    mine, theirs = _seen_from(side, need, offer)
    rights.require_speaker(by, mine.organisation_id)
    return _Act(match, side, mine, theirs)


def _lock_listings(work: Work, need_id: int, offer_id: int) -> tuple[Listing, Listing]:
    locked = {key: work.lock(Listing, key) for key in sorted({need_id, offer_id})}
    need, offer = locked[need_id], locked[offer_id]
    if need.kind is not ListingKind.NEED or offer.kind is not ListingKind.OFFER:
        raise NotFound(f"need {need_id}, offer {offer_id}")
    return need, offer


def _proposing_side(by: User, need: Listing, offer: Listing) -> ListingKind:
    """Raises NotFound for an outsider; NotAllowed inside one structure, or for a suspended one."""
    mine = rights.organisation_ids(by)
    for side, listing in ((ListingKind.NEED, need), (ListingKind.OFFER, offer)):
        if listing.organisation_id in mine:
            rights.require_speaker(by, listing.organisation_id)
            if need.organisation_id == offer.organisation_id:
                raise NotAllowed("a structure cannot be paired with itself")
            return side
    raise NotFound(f"need {need.id}, offer {offer.id}")


def _require_open(work: Work, mine: Listing, theirs: Listing) -> None:
    """A listing that nobody else may see is not there for the one who proposes."""
    over = theirs.expires_at is not None and theirs.expires_at <= clock.now()
    if theirs.state is not ListingState.PUBLISHED or over or _is_suspended(work, theirs):
        raise NotFound(f"listing {theirs.id}")
    if mine.state is not ListingState.PUBLISHED:
        raise InvalidTransition(f"listing {mine.id}", mine.state, "proposed")


def _is_suspended(work: Work, listing: Listing) -> bool:
    return work.session.get_one(Organisation, listing.organisation_id).suspended_at is not None


def _require_no_contact(field: str, text: str) -> None:
    """Both learn how to reach each other once both have accepted, and not before."""
    if _CONTACT_FLAGS & set(prechecks.flags_of("", text)):
        raise FieldError(field, CONTACT_IN_TEXT)


def _record_acceptance(match: Match, side: ListingKind) -> None:
    if side is ListingKind.NEED:
        match.need_accepted_at = clock.now()
    else:
        match.offer_accepted_at = clock.now()


def _tell_agreed(work: Work, act: _Act) -> None:
    for mine, theirs in ((act.need, act.offer), (act.offer, act.need)):
        work.mail(
            "match_agreed",
            to=speakers(mine.organisation_id),
            match=act.match,
            mine=mine,
            theirs=theirs,
            organisation=work.session.get_one(Organisation, theirs.organisation_id),
            people=speakers(theirs.organisation_id),
        )


def _tell_other(work: Work, template: str, act: _Act) -> None:
    """Write to the side that did not act: for them, `mine` and `theirs` change places."""
    work.mail(
        template, to=speakers(act.theirs.organisation_id), match=act.match, mine=act.theirs, theirs=act.mine
    )


def _close(work: Work, act: _Act, target: MatchState, *, by: User, comment: str) -> None:
    match = act.match
    match.closed_side, match.close_comment = act.side, comment
    match.transition(target)
    match.closed_at = clock.now()
    for listing in (act.need, act.offer):
        _free_place(work, listing)
    reason = match.close_reason or ""
    work.audit(f"match.{target}", match, by=by, territory=act.need.territory_siren, reason=reason)
    _tell_other(work, f"match_{target}", act)


def _free_place(work: Work, listing: Listing, *, completed: int = 0) -> None:
    """The listing is locked: what we read of it still holds."""
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
        if match.state not in OPEN or match.expires_at > clock.now():
            return False
        match.transition(MatchState.EXPIRED)
        match.closed_at = clock.now()
        for mine, theirs in ((need, offer), (offer, need)):
            _free_place(work, mine)
            work.mail(
                "match_expired", to=speakers(mine.organisation_id), match=match, mine=mine, theirs=theirs
            )
        work.audit("match.expired", match, by=None, territory=need.territory_siren)
    return True


def _remind(match_id: int) -> bool:
    with unit_of_work() as work:
        match = work.lock(Match, match_id)
        if match.reminded_at is not None or match.state not in OPEN:
            return False
        match.reminded_at = clock.now()
        for side, listing_id in ((ListingKind.NEED, match.need_id), (ListingKind.OFFER, match.offer_id)):
            if match.accepted_at(side) is not None:
                continue
            listing = work.session.get_one(Listing, listing_id)
            work.mail("match_reminder", to=speakers(listing.organisation_id), match=match, mine=listing)
    return True

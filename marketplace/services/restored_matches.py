"""Proposals that a moderator's decision had cancelled, made again when the decision is taken back."""

from collections.abc import Collection, Sequence

from sqlalchemy import exists, select

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import Listing, ListingState, Match, MatchOrigin, MatchState, Organisation
from marketplace.services import matches
from marketplace.services.listings import places_left
from marketplace.services.matches import ANSWER_WITHIN, OPEN
from marketplace.services.organisations import speakers
from marketplace.services.work import Work

_OVER_FOR_NOW = (MatchState.EXPIRED, MatchState.CANCELLED)


def open_ids(listings: Collection[Listing]) -> list[int]:
    """Return the proposals of these listings that wait for an answer: what the decision keeps in mind."""
    ids = [listing.id for listing in listings]
    of_these = Match.need_id.in_(ids) | Match.offer_id.in_(ids)
    return list(
        db.session.scalars(select(Match.id).where(of_these, Match.state.in_(OPEN)).order_by(Match.id))
    )


def lock_with_pairs(
    work: Work, listing_ids: Collection[int], match_ids: Collection[int]
) -> dict[int, Listing]:
    """Lock these listings and those of the matches: by id, as all acts do. Raises NotFound."""
    pairs = select(Match.need_id, Match.offer_id).where(Match.id.in_(match_ids))
    ids = {*listing_ids, *(key for pair in work.session.execute(pairs) for key in pair)}
    return {key: work.lock(Listing, key) for key in sorted(ids)}


def propose_again(work: Work, match_ids: Collection[int]) -> list[int]:
    """Propose again the cancelled pairs whose listings are open and have room; tell both sides.

    The caller has locked with lock_with_pairs(). What one side had accepted stays accepted. Returns the ids
    of the new matches.
    """
    query = select(Match).where(Match.id.in_(match_ids), Match.state == MatchState.CANCELLED)
    return [again.id for old in work.session.scalars(query.order_by(Match.id)) for again in _again(work, old)]


def _again(work: Work, old: Match) -> Sequence[Match]:
    need, offer = (work.session.get_one(Listing, key) for key in (old.need_id, old.offer_id))
    if not (_is_open(work, need) and _is_open(work, offer)) or _is_closed_pair(old):
        return ()
    for listing in (need, offer):
        matches.take_place(work, listing)
    match = work.add(_copy(old))
    for mine, theirs in ((need, offer), (offer, need)):
        work.mail("match_restored", to=speakers(mine.organisation_id), match=match, mine=mine, theirs=theirs)
    work.audit("match.proposed_again", match, by=None, territory=need.territory_siren, after={"of": old.id})
    return (match,)


def _is_open(work: Work, listing: Listing) -> bool:
    suspended = work.session.get_one(Organisation, listing.organisation_id).suspended_at is not None
    online = listing.state is ListingState.PUBLISHED and not suspended
    over = listing.expires_at is not None and listing.expires_at <= clock.now()
    return online and not over and places_left(listing) > 0


def _is_closed_pair(old: Match) -> bool:
    """Say whether the pair met, or was declined, since."""
    query = exists().where(
        Match.need_id == old.need_id, Match.offer_id == old.offer_id, Match.state.not_in(_OVER_FOR_NOW)
    )
    return bool(db.session.scalar(select(query)))


def _copy(old: Match) -> Match:
    accepted = old.need_accepted_at is not None or old.offer_accepted_at is not None
    return Match(
        need_id=old.need_id,
        offer_id=old.offer_id,
        need_organisation_id=old.need_organisation_id,
        offer_organisation_id=old.offer_organisation_id,
        state=MatchState.ACCEPTED if accepted else MatchState.PROPOSED,
        # Its circle is broken: from now on it is a pair like any other.
        origin=MatchOrigin.ROUND if old.origin is MatchOrigin.CIRCLE else old.origin,
        round_id=old.round_id,
        started_by_id=old.started_by_id,
        score=old.score,
        distance_km=old.distance_km,
        explanation=old.explanation,
        message=old.message,
        expires_at=clock.now() + ANSWER_WITHIN,
        need_accepted_at=old.need_accepted_at,
        offer_accepted_at=old.offer_accepted_at,
    )

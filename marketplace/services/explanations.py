"""Why a need has nobody, what would change it, and what the last round decided instead."""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import or_, select
from sqlalchemy.orm import joinedload

from marketplace import clock
from marketplace.extensions import db
from marketplace.matching import Alternatives
from marketplace.models import (
    LeftAlone,
    Listing,
    ListingKind,
    ListingSkill,
    Match,
    MatchingRound,
    RoundOutcome,
    RoundPrice,
    Skill,
)
from marketplace.services import live_index, market
from marketplace.services.errors import NotFound
from marketplace.services.listings import places_left
from marketplace.services.live_index import Counterparts
from marketplace.services.market import Reasons


@dataclass(frozen=True, slots=True)
class Lost:
    """An offer that fitted and went to others. `loss`: what the round would have lost; None: to circles."""

    offer: Listing
    winners: Sequence[Listing]
    loss: float | None


@dataclass(frozen=True, slots=True)
class Why:
    """What a need finds now, and what the last round that left it alone said.

    `now`: see matching.Alternatives; `skills`: the further skills that it tells, by row. `outcome`: None when
    no round has left the need alone since its last proposal.
    """

    need: Listing
    now: Alternatives
    skills: Mapping[int, Skill]
    outcome: RoundOutcome | None
    lost: Sequence[Lost]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a round said of a pair.

    `got`: the offer that the need got; `winners`: the needs that got the offer; those that anybody may read.
    `loss`: what the total would have lost at least with the pair; None where circles held one of the two.
    """

    round: MatchingRound
    is_chosen: bool
    got: Sequence[Listing]
    winners: Sequence[Listing]
    loss: float | None


def why(need: Listing) -> Why | None:
    """Return why nobody is there for an open need, or None for one that is not online."""
    now = _now(need)
    if now is None:
        return None
    outcome = db.session.get(RoundOutcome, need.id, options=[joinedload(RoundOutcome.round)])
    return Why(need, now, _skills(now), outcome, _lost(outcome) if outcome else ())


def why_alone(listing: Listing) -> Why | None:
    """Do as why() for a need without a live match; None for any other listing."""
    alone = listing.kind is ListingKind.NEED and places_left(listing) > 0
    return why(listing) if alone else None


def reasons_left_alone(listings: Iterable[Listing]) -> dict[int, LeftAlone]:
    """Return why the last round left needs alone, by their id; nothing of those with a live match."""
    needs = (listing for listing in listings if listing.kind is ListingKind.NEED)
    ids = [need.id for need in needs if places_left(need) > 0]
    query = select(RoundOutcome.need_id, RoundOutcome.reason).where(RoundOutcome.need_id.in_(ids))
    return {need_id: reason for need_id, reason in db.session.execute(query)}


def in_public(need: Listing) -> Why | None:
    """Do as why(), for anybody: nothing of who declined, nor of what rounds gave to whom."""
    now = _now(need, in_public=True)
    return None if now is None else Why(need, now, _skills(now), None, ())


def verdicts(listing: Listing, others: Sequence[Listing]) -> dict[int, Verdict]:
    """Return what the last round said of the pairs of a listing with some of the other side, by their id.

    Only for pairs that could be and whose two listings took part in that round, scored as it scored them.
    """
    prices = _prices([listing, *others])
    mine = prices.pop(listing.id, None)
    together = [other for other in others if mine and _same_round(prices.get(other.id), mine)]
    if mine is None or not together:
        return {}
    pairs = _pairs(mine.round_id, [listing, *together])
    given = _given(pairs)
    is_need = listing.kind is ListingKind.NEED
    told = {}
    for other, score in zip(together, _scores(listing, together, mine.round), strict=True):
        need, offer = (listing, other) if is_need else (other, listing)
        is_chosen = (need.id, offer.id) in pairs
        worth = prices[other.id].price
        loss = None if mine.price is None or worth is None else max(mine.price + worth - score, 0.0)
        if is_chosen or not math.isnan(score):
            told[other.id] = Verdict(mine.round, is_chosen, given[need.id], given[offer.id], loss)
    return told


def need_of(need_id: int) -> Listing:
    """Return a need. Raises NotFound."""
    return _listing_of(need_id, ListingKind.NEED)


def offer_of(offer_id: int) -> Listing:
    """Return an offer. Raises NotFound."""
    return _listing_of(offer_id, ListingKind.OFFER)


def _listing_of(listing_id: int, kind: ListingKind) -> Listing:
    listing = db.session.get(Listing, listing_id)
    if listing is None or listing.kind is not kind:
        raise NotFound(f"no {kind} has the id {listing_id}")
    return listing


def _prices(of: Sequence[Listing]) -> dict[int, RoundPrice]:
    query = select(RoundPrice).where(RoundPrice.listing_id.in_([one.id for one in of]))
    return {row.listing_id: row for row in db.session.scalars(query.options(joinedload(RoundPrice.round)))}


def _same_round(price: RoundPrice | None, other: RoundPrice) -> bool:
    return price is not None and price.round_id == other.round_id


def _pairs(round_id: int, of: Sequence[Listing]) -> set[tuple[int, int]]:
    """Return the pairs of needs and offers that a round chose, with one of these listings."""
    ids = [one.id for one in of]
    query = select(Match.need_id, Match.offer_id).where(
        Match.round_id == round_id, or_(Match.need_id.in_(ids), Match.offer_id.in_(ids))
    )
    return {(need_id, offer_id) for need_id, offer_id in db.session.execute(query)}


def _given(pairs: Collection[tuple[int, int]]) -> dict[int, list[Listing]]:
    """Return the counterparts of each listing, by id: those that anybody may read."""
    known = {one.id: one for one in _public([key for pair in pairs for key in pair])}
    given: dict[int, list[Listing]] = defaultdict(list)
    for need_id, offer_id in sorted(pairs):
        if offer_id in known:
            given[need_id].append(known[offer_id])
        if need_id in known:
            given[offer_id].append(known[need_id])
    return given


def _scores(listing: Listing, others: Sequence[Listing], of: MatchingRound) -> list[float]:
    """Return the scores of the pairs as the round counted them, NaN for those that its rules exclude."""
    ids, known = [other.id for other in others], market.reference()
    is_need = listing.kind is ListingKind.NEED
    mine, theirs = Listing.id == listing.id, Listing.id.in_(ids)
    pool = market.load(
        needs=mine if is_need else theirs, offers=theirs if is_need else mine, at=of.started_at
    )
    using = market.Policies.from_mapping(of.policy, known=known)
    rows = np.zeros(len(ids), np.int64)
    needs, offers = (rows, pool.offer_rows(ids)) if is_need else (pool.need_rows(ids), rows)
    found = market.reasons(pool, using, needs, offers)
    return [one.score if isinstance(one, Reasons) else math.nan for one in found]


def _now(need: Listing, *, in_public: bool = False) -> Alternatives | None:
    known = market.reference()
    using = market.policies([need.territory_siren], known=known)
    among = live_index.of_near_skills(need, known=known) or _from_database(need)
    if not len(among.mine["id"]):
        return None
    pool = market.of_columns(among.mine, among.theirs, known=known)
    return market.alternatives(pool, using, in_public=in_public)


def _from_database(need: Listing) -> Counterparts:
    known = market.reference()
    online = market.is_online() & (Listing.expires_at > clock.now())
    mine = market.columns(ListingKind.NEED, (Listing.id == need.id) & online, known=known)
    near = market.near_skills(known, mine["skills"])
    ids = [skill_id for skill_id, row in known.skill_row.items() if near[row]]
    further = select(ListingSkill.listing_id).where(ListingSkill.skill_id.in_(ids))
    of_skill = Listing.skill_id.in_(ids) | Listing.id.in_(further)
    return Counterparts(mine, market.columns(ListingKind.OFFER, online & of_skill, known=known))


def _skills(now: Alternatives) -> dict[int, Skill]:
    rows = {change.value for change in now.skills}
    ids = {skill_id: row for skill_id, row in market.reference().skill_row.items() if row in rows}
    found = db.session.scalars(select(Skill).where(Skill.id.in_(ids)))
    return {ids[skill.id]: skill for skill in found}


def _lost(outcome: RoundOutcome) -> list[Lost]:
    losses = {one["offer_id"]: one["loss"] for one in outcome.lost}
    offers = {offer.id: offer for offer in _public(list(losses))}
    pairs = select(Match.offer_id, Match.need_id).where(
        Match.round_id == outcome.round_id, Match.offer_id.in_(offers)
    )
    taken = list(db.session.execute(pairs))
    needs = {need.id: need for need in _public([need_id for _, need_id in taken])}
    return [
        Lost(
            offer,
            [needs[need_id] for offer_id, need_id in taken if offer_id == key and need_id in needs],
            losses[key],
        )
        for key in losses
        if (offer := offers.get(key)) is not None
    ]


def _public(ids: list[int]) -> list[Listing]:
    """Return those of the listings that anybody may read."""
    return list(db.session.scalars(select(Listing).where(Listing.id.in_(ids), market.is_online())))

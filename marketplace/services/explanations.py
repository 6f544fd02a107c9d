"""Why a need has nobody, what would change it, and what the last round decided instead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from marketplace import clock
from marketplace.extensions import db
from marketplace.matching import Alternatives
from marketplace.models import Listing, ListingKind, ListingSkill, Match, RoundOutcome, Skill
from marketplace.services import live_index, market
from marketplace.services.errors import NotFound
from marketplace.services.live_index import Counterparts


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


def why(need: Listing) -> Why | None:
    """Return why nobody is there for an open need, or None for one that is not online."""
    known = market.reference()
    using = market.policies([need.territory_siren], known=known)
    among = live_index.of_near_skills(need, known=known) or _from_database(need)
    if not len(among.mine["id"]):
        return None
    pool = market.of_columns(among.mine, among.theirs, known=known)
    now = market.alternatives(pool, using)
    outcome = db.session.get(RoundOutcome, need.id, options=[joinedload(RoundOutcome.round)])
    return Why(need, now, _skills(now), outcome, _lost(outcome) if outcome else ())


def need_of(need_id: int) -> Listing:
    """Return a need. Raises NotFound."""
    need = db.session.get(Listing, need_id)
    if need is None or need.kind is not ListingKind.NEED:
        raise NotFound(f"no need has the id {need_id}")
    return need


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

"""The best counterparts of one listing, there and then, by the matcher's rules and score."""

import math
from dataclasses import dataclass

from sqlalchemy import or_, select
from sqlalchemy.sql import ColumnElement

from marketplace.extensions import db
from marketplace.models import Listing, ListingKind, ListingSkill, Place, Skill, SkillRelation, Territory
from marketplace.models.listings import RADIUS_MAX_KM
from marketplace.services import market
from marketplace.services.errors import NotFound, PairExcluded
from marketplace.services.listings import SHOWN
from marketplace.services.market import Reasons

# Length of a degree of latitude, the shortest on WGS 84 (at the equator): a box this wide misses nobody.
KM_PER_DEGREE = 110.574


@dataclass(frozen=True, slots=True)
class Ranked:
    """A counterpart and why it fits."""

    listing: Listing
    reasons: Reasons


def best_for(listing: Listing, *, limit: int = 10) -> list[Ranked]:
    """Return the open counterparts of a listing, best first; empty when it has no place left itself."""
    pool = _pool(listing)
    using = market.policy(_territory(listing))
    is_need = listing.kind is ListingKind.NEED
    edges = market.candidates(pool, using, top_k=limit if is_need else 1)
    theirs = pool.offers.id[edges.offer] if is_need else pool.needs.id[edges.need]
    order = sorted(range(len(theirs)), key=lambda i: (-edges.weight[i], theirs[i]))[:limit]
    rows = _listings([int(theirs[i]) for i in order])
    return [
        Ranked(rows[int(theirs[i])], market.reasons(pool, using, int(edges.need[i]), int(edges.offer[i])))
        for i in order
    ]


def reasons(need: Listing, offer: Listing) -> Reasons:
    """Return why this pair fits. Raises PairExcluded with the rules that exclude it."""
    pool = market.load(needs=Listing.id == need.id, offers=Listing.id == offer.id)
    using = market.policy(_territory(need))
    broken = market.broken_rules(pool, using, 0, 0)
    if broken:
        raise PairExcluded(broken)
    return market.reasons(pool, using, 0, 0)


def explain(need_id: int, offer_id: int) -> Reasons:
    """The same by ids, whatever their states. Raises NotFound, PairExcluded."""
    need, offer = db.session.get(Listing, need_id), db.session.get(Listing, offer_id)
    if need is None or need.kind is not ListingKind.NEED:
        raise NotFound(f"no need has the id {need_id}")
    if offer is None or offer.kind is not ListingKind.OFFER:
        raise NotFound(f"no offer has the id {offer_id}")
    return reasons(need, offer)


def _pool(listing: Listing) -> market.Market:
    mine = (Listing.id == listing.id) & market.is_open()
    theirs = market.is_open() & _may_fit(listing)
    if listing.kind is ListingKind.NEED:
        return market.load(needs=mine, offers=theirs)
    return market.load(needs=theirs, offers=mine)


def _may_fit(listing: Listing) -> ColumnElement[bool]:
    """Return a wide condition on counterparts that indexes answer; the matcher's rules decide."""
    further = db.session.scalars(select(ListingSkill.skill_id).where(ListingSkill.listing_id == listing.id))
    skills = _near_skills([listing.skill_id, *further])
    extra = select(ListingSkill.listing_id).where(ListingSkill.skill_id.in_(skills))
    same_subject = or_(Listing.skill_id.in_(skills), Listing.id.in_(extra))
    return same_subject & (Listing.organisation_id != listing.organisation_id) & _in_reach(listing)


def _near_skills(skill_ids: list[int]) -> list[int]:
    """Return the skills of the same domains, and the related ones: the others score nothing."""
    domains = select(Skill.domain_slug).where(Skill.id.in_(skill_ids))
    related = select(SkillRelation.related_id).where(SkillRelation.skill_id.in_(skill_ids))
    return list(db.session.scalars(select(Skill.id).where(or_(Skill.domain_slug.in_(domains), Skill.id.in_(related)))))


def _in_reach(listing: Listing) -> ColumnElement[bool]:
    remote = Listing.places.op("&")(int(Place.REMOTE)) != 0
    if listing.lat is None or listing.lon is None:
        return remote
    height = min(listing.radius_km, RADIUS_MAX_KM) / KM_PER_DEGREE
    width = height / max(math.cos(math.radians(abs(listing.lat) + height)), 0.01)
    near = Listing.lat.between(listing.lat - height, listing.lat + height) & Listing.lon.between(
        listing.lon - width, listing.lon + width
    )
    return or_(near, remote) if listing.places & Place.REMOTE else near


def _territory(listing: Listing) -> Territory | None:
    return db.session.get(Territory, listing.territory_siren) if listing.territory_siren else None


def _listings(ids: list[int]) -> dict[int, Listing]:
    query = select(Listing).where(Listing.id.in_(ids)).options(*SHOWN)
    return {listing.id: listing for listing in db.session.scalars(query)}

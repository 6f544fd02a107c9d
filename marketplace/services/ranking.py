"""The best counterparts of one listing, there and then, by the matcher's rules and score."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import bindparam, or_, select
from sqlalchemy.orm import joinedload, load_only
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Organisation,
    Place,
    Provider,
    Sector,
    Skill,
    SkillRelation,
    User,
)
from marketplace.models.listings import EDITABLE, RADIUS_MAX_KM
from marketplace.services import live_index, market, matches, rights
from marketplace.services.errors import PairExcluded
from marketplace.services.listings import SHOWN, places_left
from marketplace.services.live_index import Counterparts
from marketplace.services.market import Exclusion, Policies, Reasons, Reference

# More than a structure has at the same time.
CHOICES_MAX = 50


@dataclass(frozen=True, slots=True)
class Ranked:
    """A counterpart, with what a list shows of it, and why it fits."""

    listing: Listing
    reasons: Reasons


@dataclass(frozen=True, slots=True)
class Excluded:
    """A listing that may not be proposed, and the rules that say so.

    `why`: the numbers, for rules of the matcher; None where something else stands against it (obstacle()).
    """

    listing: Listing
    rules: tuple[str, ...]
    why: Exclusion | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """One's own listings beside somebody else's: those that fit, best first, and those that do not."""

    fitting: Sequence[Ranked]
    excluded: Sequence[Excluded]


def best_for(listing: Listing, *, limit: int = 10) -> list[Ranked]:
    """Return the open counterparts of a listing, best first; empty when it has no place left itself.

    Each pair is scored by the settings of its need's territory.
    """
    known = market.reference()
    is_need = listing.kind is ListingKind.NEED
    using = market.policies([listing.territory_siren] if is_need else None, known=known)
    held = live_index.counterparts(listing, known=known, using=using)
    found = None if held is None else _best(listing.kind, held, known, using, limit)
    if found is None:
        found = _best(listing.kind, _from_database(listing, known), known, using, limit)
    return found or []


def _from_database(listing: Listing, known: Reference) -> Counterparts:
    mine = market.columns(listing.kind, (Listing.id == listing.id) & market.is_open(), known=known)
    theirs = market.is_open() & _may_fit(listing)
    return Counterparts(mine, market.columns(listing.kind.opposite, theirs, known=known))


def _best(
    kind: ListingKind, among: Counterparts, known: Reference, using: Policies, limit: int
) -> list[Ranked] | None:
    """Return the best of these counterparts; None when one of them is no longer open."""
    if not len(among.mine["id"]) or not len(among.theirs["id"]):
        return []
    is_need = kind is ListingKind.NEED
    sides = (among.mine, among.theirs) if is_need else (among.theirs, among.mine)
    pool = market.of_columns(*sides, known=known)
    need, offer = np.indices((len(pool.needs), len(pool.offers))).reshape(2, -1)
    best = market.best_pairs(pool, using, need, offer, limit=limit)
    ids = (pool.offers.id[best[1]] if is_need else pool.needs.id[best[0]]).tolist()
    rows = _listings(ids)
    if len(rows) < len(ids):
        return None
    why = market.reasons(pool, using, *best)
    return [Ranked(rows[key], one) for key, one in zip(ids, why, strict=True) if isinstance(one, Reasons)]


def choices(theirs: Listing, *, by: User) -> Choices:
    """Return the person's own listings that may be proposed to `theirs`, and those that may not.

    Drafts and listings that wait are among the latter: their author must not wonder where they went.
    """
    mine = _own_counterparts(theirs, by)
    ids = [listing.id for listing in mine]
    closed = matches.closed_with(theirs, ids)
    if theirs.kind is ListingKind.OFFER:
        pairs = [(listing, theirs) for listing in mine]
        pool = market.load(needs=Listing.id.in_(ids), offers=Listing.id == theirs.id)
    else:
        pairs = [(theirs, listing) for listing in mine]
        pool = market.load(needs=Listing.id == theirs.id, offers=Listing.id.in_(ids))
    rows = pool.need_rows([need.id for need, _ in pairs]), pool.offer_rows([offer.id for _, offer in pairs])
    fitting, excluded = [], []
    told = market.reasons(pool, market.policies(pool.territories), *rows)
    for listing, why in zip(mine, told, strict=True):
        if rule := obstacle(listing) or ("met" if listing.id in closed else ""):
            excluded.append(Excluded(listing, (rule,)))
        elif isinstance(why, Exclusion):
            excluded.append(Excluded(listing, why.rules, why))
        else:
            fitting.append(Ranked(listing, why))
    return Choices(sorted(fitting, key=lambda found: -found.reasons.score), excluded)


def obstacle(listing: Listing) -> str:
    """Return what keeps the listing (loaded with its structure) from any new match, or "".

    "suspended", "offline", "matched" (a need) or "capacity" (an offer): names that web.display.RULES says.
    """
    if listing.organisation.suspended_at is not None:
        return "suspended"
    over = listing.expires_at is not None and listing.expires_at <= clock.now()
    if listing.state is not ListingState.PUBLISHED or over:
        return "offline"
    if places_left(listing) <= 0:
        return "matched" if listing.kind is ListingKind.NEED else "capacity"
    return ""


def reasons(need: Listing, offer: Listing) -> Reasons:
    """Return why this pair fits. Raises PairExcluded with the rules that exclude it."""
    why = judged(need, offer)
    if isinstance(why, Exclusion):
        raise PairExcluded(why.rules)
    return why


def judged(need: Listing, offer: Listing) -> Reasons | Exclusion:
    """Return why this pair fits, or which rules exclude it, whatever the states of the two."""
    pool = market.load(needs=Listing.id == need.id, offers=Listing.id == offer.id)
    (why,) = market.reasons(pool, market.policies(pool.territories), [0], [0])
    return why


def in_box(
    lat: float, lon: float, radius_km: float, *, of: type[Listing] | type[Provider] = Listing
) -> ColumnElement[bool]:
    """Return the condition of a box that holds every listing at this distance at most, and some beyond."""
    south, north, west, east = market.widened(lat, lat, lon, lon, by_km=min(radius_km, RADIUS_MAX_KM))
    return of.lat.between(south, north) & of.lon.between(west, east)


def _own_counterparts(theirs: Listing, by: User) -> list[Listing]:
    query = (
        select(Listing)
        .where(
            Listing.organisation_id.in_(rights.organisation_ids(by)),
            Listing.organisation_id != theirs.organisation_id,
            Listing.kind == theirs.kind.opposite,
            Listing.state.in_(EDITABLE),
        )
        .order_by(Listing.id.desc())
        .limit(CHOICES_MAX)
        .options(*SHOWN)
    )
    return list(db.session.scalars(query))


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
    return list(
        db.session.scalars(select(Skill.id).where(or_(Skill.domain_slug.in_(domains), Skill.id.in_(related))))
    )


def _in_reach(listing: Listing) -> ColumnElement[bool]:
    remote = Listing.places.op("&")(int(Place.REMOTE)) != 0
    if listing.lat is None or listing.lon is None:
        return remote
    near = in_box(listing.lat, listing.lon, listing.radius_km)
    return or_(near, remote) if listing.places & Place.REMOTE else near


def _listings(ids: list[int]) -> dict[int, Listing]:
    """Return those of the listings that are open, with what a list of counterparts shows."""
    found = db.session.scalars(_SHOWN_BRIEFLY, {"ids": ids})
    return {listing.id: listing for listing in found if not obstacle(listing)}


# Made once: to build a statement takes longer than to run it.
_SHOWN_BRIEFLY = (
    select(Listing)
    .where(Listing.id.in_(bindparam("ids", expanding=True)))
    .options(
        load_only(
            Listing.kind,
            Listing.state,
            Listing.title,
            Listing.expires_at,
            Listing.capacity,
            Listing.total_limit,
            Listing.live_matches,
            Listing.completed_matches,
        ),
        joinedload(Listing.organisation, innerjoin=True).load_only(
            Organisation.name, Organisation.suspended_at
        ),
        joinedload(Listing.organisation, innerjoin=True)
        .joinedload(Organisation.sector, innerjoin=True)
        .load_only(Sector.label),
        joinedload(Listing.commune, innerjoin=True).load_only(Commune.name),
    )
)

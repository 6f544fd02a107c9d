"""Where one workshop would answer many needs: which needs, in which commune, who could run it.

How groups are found. The needs of one main skill that wait (published, without a match, not in another
workshop: see _in_a_workshop) stand at their communes' points, and so do the candidate places: the communes of
the territory. The candidate with the most needs within REACH_KM is taken (between equals the smaller sum of
distances, then the smaller INSEE code), its needs leave, and so on while FEWEST_NEEDS are left within reach
of a candidate. So no need is in two proposals, and the same needs always give the same proposals.

Where it takes place. Of all candidates, the one with the smallest sum of distances to the needs of the group:
the 1-median over the candidates (Hakimi 1964), found by trying each. Distances are geodesic on WGS 84.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingKind,
    ListingSkill,
    Organisation,
    Skill,
    Territory,
    User,
    Workshop,
    WorkshopInvitation,
    WorkshopState,
)
from marketplace.services import market, rights, territories
from marketplace.services.errors import NotFound
from marketplace.services.listings import SHOWN
from marketplace.services.ranking import in_box

REACH_KM = 15
FEWEST_NEEDS = 5
# Who could run a workshop comes from this far at most.
HELPERS_WITHIN_KM = 50
HELPERS_SHOWN = 10
# A need waits again this long after a workshop that nobody closed, or after which nobody answered.
FREE_AGAIN_AFTER = timedelta(days=30)

Distances = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Traveller:
    """A need of a group, and how far its commune is from the place."""

    need: Listing
    distance_km: float


@dataclass(frozen=True, slots=True)
class Origin:
    """A commune of a group, how many of its needs stand there, and how far it is from the place."""

    commune: Commune
    needs: int
    distance_km: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """A workshop that could be, the nearest travellers first.

    `centre`: the commune that found the group, which names it with the skill. `candidates`: where it could
    have been. `level`: the highest that one of the needs asks for.
    """

    territory: Territory
    skill: Skill
    centre: Commune
    place: Commune
    candidates: Sequence[Commune]
    travellers: Sequence[Traveller]

    @property
    def origins(self) -> list[Origin]:
        """Where the needs come from, the nearest first."""
        numbers = Counter(one.need.commune_insee for one in self.travellers)
        first = {one.need.commune_insee: one for one in reversed(self.travellers)}
        origins = [Origin(one.need.commune, numbers[insee], one.distance_km) for insee, one in first.items()]
        return sorted(origins, key=lambda one: (one.distance_km, one.commune.insee))

    @property
    def total_km(self) -> float:
        return sum(one.distance_km for one in self.travellers)

    @property
    def farthest_km(self) -> float:
        return max(one.distance_km for one in self.travellers)

    @property
    def level(self) -> int:
        return max(one.need.level for one in self.travellers)

    @property
    def mark(self) -> str:
        """A mark of the needs, which changes with them."""
        ids = ",".join(str(number) for number in sorted(one.need.id for one in self.travellers))
        return hashlib.sha256(ids.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Helper:
    """An offer that could run the workshop, and how far its commune is from the place."""

    offer: Listing
    distance_km: float


def find(siren: str, *, by: User) -> list[Proposal]:
    """Return the workshops that would help, the most needs first. Raises NotFound outside one's territories.

    O(candidates² + candidates × needs) for each skill and group; three queries.
    """
    territory = moderated(siren, by=by)
    query = select(Commune).where(Commune.territory_siren == siren, Commune.lat.is_not(None))
    candidates = db.session.scalars(query.order_by(Commune.insee)).all()
    between = _distances(candidates)
    found = [
        proposal
        for needs in _waiting_by_skill(siren)
        for proposal in _proposals(territory, candidates, between, needs)
    ]
    return sorted(found, key=lambda one: (-len(one.travellers), one.skill.label, one.centre.insee))


def get(siren: str, slug: str, centre: str, *, by: User) -> Proposal:
    """Return the proposal of this skill around this commune. Raises NotFound, also when it is no more."""
    for proposal in find(siren, by=by):
        if (proposal.skill.slug, proposal.centre.insee) == (slug, centre):
            return proposal
    raise NotFound(f"workshop on {slug} around {centre}")


def helpers(proposal: Proposal) -> list[Helper]:
    """Return the offers of the skill that have room and a level enough for all, the nearest first."""
    place = proposal.place
    if place.lat is None or place.lon is None:
        return []
    further = exists().where(
        ListingSkill.listing_id == Listing.id, ListingSkill.skill_id == proposal.skill.id
    )
    query = (
        select(Listing)
        .where(
            Listing.kind == ListingKind.OFFER,
            market.is_open(),
            (Listing.skill_id == proposal.skill.id) | further,
            Listing.level >= proposal.level,
            in_box(place.lat, place.lon, HELPERS_WITHIN_KM),
        )
        .order_by(Listing.id)
        .options(*SHOWN)
    )
    offers = db.session.scalars(query).all()
    lats, lons = (np.array([getattr(one, name) for one in offers], np.float64) for name in ("lat", "lon"))
    from_place = market.distances_km(place.lat, place.lon, lats, lons)
    near = [Helper(offer, float(km)) for offer, km in zip(offers, from_place, strict=True)]
    within = [one for one in near if one.distance_km <= HELPERS_WITHIN_KM]
    return sorted(within, key=lambda one: (one.distance_km, one.offer.id))[:HELPERS_SHOWN]


def moderated(siren: str, *, by: User) -> Territory:
    """Return the territory. Raises NotFound unless the person moderates it."""
    territory = territories.get(siren)
    if not rights.moderates(by, siren):
        raise NotFound(f"territory {siren}")
    return territory


def _waiting_by_skill(siren: str) -> list[list[Listing]]:
    """Return the needs that wait, by skill, where they are enough for a workshop."""
    query = (
        select(Listing)
        .join(Listing.commune)
        .where(
            Listing.territory_siren == siren,
            Listing.kind == ListingKind.NEED,
            market.is_open(),
            Commune.territory_siren == siren,
            Commune.lat.is_not(None),
            ~_in_a_workshop(),
        )
        .order_by(Listing.id)
        .options(
            joinedload(Listing.skill),
            joinedload(Listing.commune),
            joinedload(Listing.organisation).load_only(Organisation.name),
        )
    )
    by_skill: dict[int, list[Listing]] = defaultdict(list)
    for need in db.session.scalars(query):
        by_skill[need.skill_id].append(need)
    return [needs for needs in by_skill.values() if len(needs) >= FEWEST_NEEDS]


def _in_a_workshop() -> ColumnElement[bool]:
    """A need is invited to one, or came to one and has not said yet whether that was enough."""
    free_again = clock.now() - FREE_AGAIN_AFTER
    asked = and_(
        Workshop.state == WorkshopState.HELD,
        WorkshopInvitation.attended.is_(True),
        WorkshopInvitation.fulfilled.is_(None),
    )
    return exists().where(
        WorkshopInvitation.need_id == Listing.id,
        WorkshopInvitation.workshop_id == Workshop.id,
        or_(Workshop.state == WorkshopState.PLANNED, asked),
        Workshop.starts_at > free_again,
    )


def _proposals(
    territory: Territory, candidates: Sequence[Commune], between: Distances, needs: Sequence[Listing]
) -> Iterator[Proposal]:
    """Give the proposals of the needs of one skill. `between`: km between each two candidates."""
    at = {commune.insee: index for index, commune in enumerate(candidates)}
    distances = between[:, [at[need.commune_insee] for need in needs]]
    for centre, group in _groups(distances):
        place = _median(distances[:, group])
        yield Proposal(
            territory=territory,
            skill=needs[0].skill,
            centre=candidates[centre],
            place=candidates[place],
            candidates=candidates,
            travellers=sorted(
                (Traveller(needs[index], float(distances[place, index])) for index in group),
                key=lambda one: (one.distance_km, one.need.id),
            ),
        )


def _distances(communes: Sequence[Commune]) -> Distances:
    """Return km from each commune (rows) to each (columns); all have a point."""
    points = np.array([(one.lat, one.lon) for one in communes], np.float64).reshape(-1, 2)
    rows = [market.distances_km(lat, lon, points[:, 0], points[:, 1]) for lat, lon in points]
    return np.array(rows).reshape(len(communes), len(communes))


def _groups(distances: Distances) -> Iterator[tuple[int, list[int]]]:
    """Give each group of needs (columns) with the candidate (row) that found it, the largest first."""
    left = np.ones(distances.shape[1], dtype=bool)
    within = distances <= REACH_KM
    while distances.size:
        reached = within & left
        counts = reached.sum(axis=1)
        totals = np.where(reached, distances, 0.0).sum(axis=1)
        best = int(np.lexsort((totals, -counts))[0])
        if counts[best] < FEWEST_NEEDS:
            return
        yield best, [int(index) for index in np.flatnonzero(reached[best])]
        left &= ~reached[best]


def _median(distances: Distances) -> int:
    """Return the candidate (row) with the smallest sum of distances; the first between equals."""
    return int(distances.sum(axis=1).argmin())

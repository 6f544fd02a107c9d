"""A territory beside others like it: what is published, met and reached, by the number of inhabitants."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import mean
from typing import NamedTuple

from sqlalchemy import case, func, select

from marketplace.extensions import db
from marketplace.models import Commune, Listing, ListingKind, Match, MatchState, Organisation, Territory

INHABITANTS = 10_000
# Similar: the same type, and a population within this factor.
POPULATION_FACTOR = 2
# Fewer similar territories where something happens are no measure: then the whole country is.
FEWEST_SIMILAR = 5


class Peers(StrEnum):
    """With whom a territory is compared. NONE: too few territories take part in the country."""

    SIMILAR = "similar"
    NATION = "nation"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Rates:
    """Per INHABITANTS over the period: needs and offers published, matches made, exchanges that took place.

    `reached`: share of the communes with a structure, from 0 to 1.
    """

    needs: float = 0.0
    offers: float = 0.0
    matches: float = 0.0
    exchanges: float = 0.0
    reached: float = 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """`average`: of the `count` other territories, each counting as one; None for Peers.NONE."""

    peers: Peers
    count: int
    own: Rates
    average: Rates | None


def compare(territory: Territory, *, since: datetime) -> Comparison:
    """Compare with the similar territories that published something since, else with all of them."""
    rates = _rates_of_all(since)
    own = rates.pop(territory.siren, (territory, Rates()))[1]
    active = [(other, rate) for other, rate in rates.values() if rate.needs or rate.offers]
    similar = [rate for other, rate in active if _is_similar(other, territory)]
    nation = [rate for _, rate in active]
    for peers, group in ((Peers.SIMILAR, similar), (Peers.NATION, nation)):
        if len(group) >= FEWEST_SIMILAR:
            return Comparison(peers, len(group), own, _average(group))
    return Comparison(Peers.NONE, len(nation), own, None)


def _is_similar(other: Territory, territory: Territory) -> bool:
    smaller, larger = sorted((other.population, territory.population))
    return other.type == territory.type and larger <= POPULATION_FACTOR * smaller


def _average(group: Sequence[Rates]) -> Rates:
    names = ("needs", "offers", "matches", "exchanges", "reached")
    return Rates(**{name: mean(getattr(rates, name) for rates in group) for name in names})


def _rates_of_all(since: datetime) -> dict[str, tuple[Territory, Rates]]:
    """Return the rates of each territory with a structure or a listing, in four queries for any number."""
    published, met, reached = _published(since), _met(since), _reached()
    sirens = published.keys() | met.keys() | reached.keys()
    query = (
        select(Territory, func.count(Commune.insee))
        .join(Commune, Commune.territory_siren == Territory.siren)
        .where(Territory.siren.in_(sirens))
        .group_by(Territory.siren)
    )
    return {
        territory.siren: (
            territory,
            _rates(
                territory,
                communes,
                published.get(territory.siren, {}),
                met.get(territory.siren),
                reached.get(territory.siren, 0),
            ),
        )
        for territory, communes in db.session.execute(query)
    }


class _Met(NamedTuple):
    made: int
    done: int


def _rates(
    territory: Territory,
    communes: int,
    published: Mapping[ListingKind, int],
    met: _Met | None,
    reached: int,
) -> Rates:
    per = INHABITANTS / max(1, territory.population)
    return Rates(
        needs=published.get(ListingKind.NEED, 0) * per,
        offers=published.get(ListingKind.OFFER, 0) * per,
        matches=met.made * per if met else 0.0,
        exchanges=met.done * per if met else 0.0,
        reached=reached / communes,
    )


def _published(since: datetime) -> dict[str | None, dict[ListingKind, int]]:
    query = (
        select(Listing.territory_siren, Listing.kind, func.count())
        .where(Listing.territory_siren.is_not(None), Listing.published_at >= since)
        .group_by(Listing.territory_siren, Listing.kind)
    )
    found: dict[str | None, dict[ListingKind, int]] = {}
    for siren, kind, number in db.session.execute(query):
        found.setdefault(siren, {})[kind] = number
    return found


def _met(since: datetime) -> dict[str | None, _Met]:
    """Return the matches made and the exchanges done, by the territory of the need."""
    done = (Match.state == MatchState.COMPLETED) & (Match.closed_at >= since)
    query = (
        select(
            Listing.territory_siren,
            func.sum(case((Match.created_at >= since, 1), else_=0)),
            func.sum(case((done, 1), else_=0)),
        )
        .join(Listing, Listing.id == Match.need_id)
        .where(Listing.territory_siren.is_not(None))
        .group_by(Listing.territory_siren)
    )
    return {siren: _Met(made, done) for siren, made, done in db.session.execute(query)}


def _reached() -> dict[str | None, int]:
    query = (
        select(Commune.territory_siren, func.count(func.distinct(Organisation.commune_insee)))
        .join(Organisation, Organisation.commune_insee == Commune.insee)
        .where(Commune.territory_siren.is_not(None), Organisation.suspended_at.is_(None))
        .group_by(Commune.territory_siren)
    )
    return {siren: number for siren, number in db.session.execute(query)}

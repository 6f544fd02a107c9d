"""Markets to simulate: an invented one in real communes, or the present one gone on."""

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from marketplace.extensions import db
from marketplace.matching import Needs, Offers
from marketplace.matching.simulation import Population
from marketplace.models import Commune, Listing, Organisation, Sector, SizeClass
from marketplace.services import market
from marketplace.services.errors import NotFound
from marketplace.services.market import Reference, chunks

Words = NDArray[np.str_]
IntArray = NDArray[np.int64]
Listings = TypeVar("Listings", Needs, Offers)

# Rounds before the first whose listings are there already when the simulation starts.
STOCK_WEEKS = 6
# Inhabitants of the commune from which a place counts as a small town, and as a city.
TOWN, CITY = 2_000, 20_000
RURALITIES = ("rural", "town", "city")

# The invented market. Shares of firms by staff, and how many listings one has compared with a firm of nobody:
# orders of magnitude, not statistics.
SIZES = (SizeClass.NONE, SizeClass.MICRO, SizeClass.SMALL, SizeClass.MEDIUM)
SIZE_SHARES = (0.30, 0.45, 0.18, 0.07)
NEEDS_BY_SIZE = np.array([1.0, 1.5, 3.0, 6.0])
OFFERS_BY_SIZE = np.array([0.7, 1.0, 2.0, 4.0])
LISTINGS_PER_FIRM = 1.5
SKILL_ZIPF = 0.9
FURTHER_SKILL = 0.3
RADII_KM = {"rural": (20, 30, 40, 60), "town": (15, 20, 30, 40), "city": (10, 15, 20, 30)}
PLACES, PLACE_SHARES = (1, 2, 3, 4, 7), (0.1, 0.1, 0.55, 0.1, 0.15)
NEED_LEVELS, OFFER_LEVELS = (0.35, 0.40, 0.20, 0.05), (0.05, 0.30, 0.45, 0.20)
CAPACITIES, CAPACITY_SHARES = (1, 2, 3), (0.6, 0.3, 0.1)
URGENCIES = (0.50, 0.35, 0.15)
ANY_TIME, REFUSES_COMPETITORS = 0.5, 0.2
COMPETITOR_KM = 10.0
WORKING_HALF_DAYS = 10
_STREAM = 11


@dataclass(frozen=True, slots=True)
class Described:
    """A population with what its needs are grouped by: staff, rurality and territory, each (needs,) text."""

    source: str
    population: Population
    size: Words
    rurality: Words
    territory: Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """How many listings come in a week on average, for how many weeks, and the seed of all that is drawn."""

    weeks: int
    needs_per_week: float
    offers_per_week: float
    seed: int


def invented(arrivals: Arrivals, *, region: str) -> Described:
    """Return a market of invented firms in the communes of a region (INSEE code), where people live.

    Raises NotFound for a region without communes.
    """
    random = np.random.default_rng((arrivals.seed, _STREAM))
    need_week = _with_stock(random, arrivals.needs_per_week, arrivals.weeks)
    offer_week = _with_stock(random, arrivals.offers_per_week, arrivals.weeks)
    firms = _Firms(random, _communes(region), int((len(need_week) + len(offer_week)) / LISTINGS_PER_FIRM) + 1)
    maker = _Maker(random, market.reference(), firms)
    asking, needs = maker.needs(len(need_week))
    _, offers = maker.offers(len(offer_week))
    return Described(
        source=f"an invented market in region {region}",
        population=Population(needs, offers, need_week, offer_week),
        size=firms.size[asking],
        rurality=firms.rurality[asking],
        territory=firms.territory[asking],
    )


def present(arrivals: Arrivals) -> Described:
    """Return the open listings of the site, followed by arrivals like them: drawn from them, by other firms.

    Raises NotFound when there is no open need or no open offer.
    """
    now = market.load(needs=market.is_open(), offers=market.is_open())
    if not len(now.needs) or not len(now.offers):
        raise NotFound("no open need or no open offer to simulate")
    random = np.random.default_rng((arrivals.seed, _STREAM))
    later_needs = _weeks(random, arrivals.needs_per_week, arrivals.weeks)
    later_offers = _weeks(random, arrivals.offers_per_week, arrivals.weeks)
    alike = np.concatenate((np.arange(len(now.needs)), random.integers(0, len(now.needs), len(later_needs))))
    helpers = np.concatenate(
        (np.arange(len(now.offers)), random.integers(0, len(now.offers), len(later_offers)))
    )
    waited = -np.ceil(now.needs.waiting_days / 7).astype(np.int64)
    oldest_first = np.argsort(waited, kind="stable")
    alike[: len(now.needs)] = oldest_first
    size, rurality, territory = _labels(now.needs.id)
    return Described(
        source="the open listings, and arrivals like them",
        population=Population(
            needs=_like(now.needs, alike),
            offers=_like(now.offers, helpers, after=len(alike)),
            need_week=np.concatenate((waited[oldest_first], later_needs)),
            offer_week=np.concatenate((np.full(len(now.offers), -1), later_offers)),
        ),
        size=size[alike],
        rurality=rurality[alike],
        territory=territory[alike],
    )


def rurality_of(inhabitants: NDArray[np.int64]) -> Words:
    """Return "rural", "town" or "city" by the inhabitants of the commune."""
    return np.asarray(RURALITIES)[np.searchsorted((TOWN, CITY), inhabitants, side="right")]


def _weeks(random: np.random.Generator, per_week: float, weeks: int) -> IntArray:
    """Return the week of each publication, sorted."""
    return np.repeat(np.arange(weeks), random.poisson(per_week, weeks))


def _with_stock(random: np.random.Generator, per_week: float, weeks: int) -> IntArray:
    """Return the same with what was published before the first round and is still there."""
    return _weeks(random, per_week, weeks + STOCK_WEEKS) - STOCK_WEEKS


def _like(listings: Listings, rows: IntArray, *, after: int = 0) -> Listings:
    """Return these rows, which may repeat, under ids of their order; those that come later by new firms.

    `after`: firms invented before.
    """
    given = (field.name for field in fields(listings) if field.init)
    columns = {name: getattr(listings, name)[rows] for name in given}
    arrivals = len(rows) - len(listings)
    columns["id"] = np.arange(len(rows))
    columns["organisation"][len(listings) :] = -1 - after - np.arange(arrivals)
    return type(listings)(**columns)


def _labels(listing_ids: IntArray) -> tuple[Words, Words, Words]:
    told: dict[int, tuple[str, int, str]] = {}
    query = (
        select(Listing.id, Organisation.size_class, Commune.population, Listing.territory_siren)
        .join(Organisation, Listing.organisation_id == Organisation.id)
        .join(Commune, Listing.commune_insee == Commune.insee)
    )
    for chunk in chunks(listing_ids.tolist()):
        for key, size, inhabitants, siren in db.session.execute(query.where(Listing.id.in_(chunk))):
            told[key] = (size.value, inhabitants, siren or "none")
    rows = [told[key] for key in listing_ids.tolist()]
    return (
        np.array([size for size, _, _ in rows]),
        rurality_of(np.array([inhabitants for _, inhabitants, _ in rows])),
        np.array([siren for _, _, siren in rows]),
    )


@dataclass(frozen=True, slots=True)
class _Communes:
    population: NDArray[np.int64]
    lat: NDArray[np.float64]
    lon: NDArray[np.float64]
    territory: Words


def _communes(region: str) -> _Communes:
    query = (
        select(Commune.population, Commune.lat, Commune.lon, Commune.territory_siren)
        .where(Commune.region_code == region, Commune.lat.is_not(None), Commune.population > 0)
        .order_by(Commune.insee)
    )
    rows = list(db.session.execute(query))
    if not rows:
        raise NotFound(f"no commune in region {region}")
    return _Communes(
        population=np.array([row.population for row in rows], np.int64),
        lat=np.array([row.lat for row in rows], np.float64),
        lon=np.array([row.lon for row in rows], np.float64),
        territory=np.array([row.territory_siren or "none" for row in rows]),
    )


class _Firms:
    """Invented firms, more where more people live."""

    def __init__(self, random: np.random.Generator, communes: _Communes, n: int) -> None:
        place = random.choice(len(communes.population), n, p=communes.population / communes.population.sum())
        self.staff = random.choice(len(SIZES), n, p=SIZE_SHARES)
        self.size = np.array([size.value for size in SIZES])[self.staff]
        self.lat, self.lon = communes.lat[place], communes.lon[place]
        self.rurality = rurality_of(communes.population[place])
        self.territory = communes.territory[place]
        sectors = np.arange(len(_subclasses()))
        self.sector = _subclasses()[random.choice(sectors, n)]


def _subclasses() -> IntArray:
    codes = db.session.scalars(select(Sector.code).where(Sector.level == "subclass").order_by(Sector.code))
    row = market.reference().sector_row
    return np.array([row[code] for code in codes], np.int64)


class _Maker:
    """Makes listings of firms."""

    def __init__(self, random: np.random.Generator, reference: Reference, firms: _Firms) -> None:
        self.random, self.firms = random, firms
        n = len(reference.skills)
        rank = np.arange(1, n + 1) ** -SKILL_ZIPF
        self.popularity = random.permutation(rank / rank.sum())
        self.related: dict[int, list[int]] = {}
        for one, other in reference.skills.related.tolist():
            self.related.setdefault(one, []).append(other)

    def needs(self, n: int) -> tuple[IntArray, Needs]:
        firm, columns = self._listings(n, NEEDS_BY_SIZE, NEED_LEVELS)
        urgency = 1 + self.random.choice(len(URGENCIES), n, p=URGENCIES)
        return firm, Needs(**columns, waiting_days=np.zeros(n), urgency=urgency)

    def offers(self, n: int) -> tuple[IntArray, Offers]:
        firm, columns = self._listings(n, OFFERS_BY_SIZE, OFFER_LEVELS)
        return firm, Offers(**columns, capacity=self.random.choice(CAPACITIES, n, p=CAPACITY_SHARES))

    def _listings(
        self, n: int, by_size: NDArray[np.float64], levels: tuple[float, ...]
    ) -> tuple[IntArray, dict[str, NDArray[Any]]]:
        random, firms = self.random, self.firms
        share = by_size[firms.staff]
        firm = random.choice(len(share), n, p=share / share.sum())
        return firm, {
            "id": np.arange(n),
            "organisation": firm,
            "skills": self._skills(n),
            "level": 1 + random.choice(len(levels), n, p=levels),
            "lat": firms.lat[firm],
            "lon": firms.lon[firm],
            "radius_km": np.array([float(random.choice(RADII_KM[place])) for place in firms.rurality[firm]]),
            "places": random.choice(PLACES, n, p=PLACE_SHARES),
            "availability": self._availability(n),
            "sector": firms.sector[firm],
            "avoid_competitors": random.random(n) < REFUSES_COMPETITORS,
            "competitor_radius_km": np.full(n, COMPETITOR_KM),
        }

    def _skills(self, n: int) -> IntArray:
        skills = np.full((n, 3), -1, np.int64)
        skills[:, 0] = self.random.choice(len(self.popularity), n, p=self.popularity)
        for row in np.flatnonzero(self.random.random(n) < FURTHER_SKILL):
            near = self.related.get(int(skills[row, 0]), [])
            if near:
                skills[row, 1] = self.random.choice(near)
        return skills

    def _availability(self, n: int) -> IntArray:
        free = self.random.random((n, WORKING_HALF_DAYS)) < 0.5  # noqa: PLR2004
        mask = (free << np.arange(WORKING_HALF_DAYS)).sum(axis=1)
        return np.where(self.random.random(n) < ANY_TIME, 0, mask)

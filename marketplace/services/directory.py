"""Lists that anybody can read: needs and offers by filters, skills by domain, territories.

A listing shows here while it is published, not past its term, and its structure is not suspended.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
from geopy.distance import geodesic
from numpy.typing import NDArray
from sqlalchemy import (
    CompoundSelect,
    Select,
    Subquery,
    and_,
    case,
    exists,
    func,
    literal,
    select,
    tuple_,
    union,
)
from sqlalchemy.orm import InstrumentedAttribute, joinedload, selectinload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingKind,
    ListingSkill,
    ListingState,
    Match,
    MatchState,
    Organisation,
    Place,
    Sector,
    Skill,
    SkillDomain,
    Territory,
    Venue,
)
from marketplace.services import market, places
from marketplace.services.errors import NotFound
from marketplace.services.listings import SHOWN
from marketplace.services.paging import Page
from marketplace.services.ranking import in_box
from marketplace.services.text import fold

PER_PAGE = 20
# A list goes no further: past it one filters rather than turns pages, and the database stops counting.
COUNT_MAX = 1000
LATEST = 6
DEFAULT_RADIUS_KM = 20
TERRITORIES_SHOWN = 100
_LONGEST_NAME = 120  # letters of a territory's, as its column
# Rows read for one shown where _sift takes some out: a circle fills 79 % of its box.
_READ_AHEAD = 2
_SMALLEST_CIRCLE_KM = 5
_ANY_ACCENT = str.maketrans(dict.fromkeys("aceiouy", "_"))
_LONG_WORD = 4  # letters, from which a plural's ending is left out


Point = tuple[float, float]  # latitude, longitude
Mark = tuple[datetime, int]  # when a listing was published, and its id: where a slice of a list ends


class _Spot(NamedTuple):
    """What a list is sifted and sorted by."""

    id: int
    lat: float | None
    lon: float | None
    title: str


class Sort(StrEnum):
    RELEVANCE = "relevance"
    DISTANCE = "distance"
    DATE = "date"


VENUE_PLACES = {Venue.ON_SITE: Place.HELPER | Place.LEARNER, Venue.REMOTE: Place.REMOTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is narrowed to; all of them at once. `sort` by distance needs `near`."""

    skill: Skill | None = None
    domain: SkillDomain | None = None
    near: Commune | None = None
    radius_km: float = DEFAULT_RADIUS_KM
    territory: Territory | None = None
    sector: Sector | None = None
    venue: Venue | None = None
    words: str = ""
    sort: Sort = Sort.DATE


@dataclass(frozen=True, slots=True)
class Found:
    """A listing of a list; `distance_km` from the place asked for, on the WGS 84 ellipsoid."""

    listing: Listing
    distance_km: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """`has_more`: the list was cut at COUNT_MAX."""

    page: Page[Found]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Counted:
    """What is online about a skill."""

    needs: int
    offers: int


@dataclass(frozen=True, slots=True)
class SkillSheet:
    """`near`: where the listings are looked for, within `radius_km`; None: everywhere."""

    skill: Skill
    near: Commune | None
    radius_km: int
    needs: Results
    offers: Results


@dataclass(frozen=True, slots=True)
class TerritorySheet:
    """`exchanges`: completed ones whose need is of the territory."""

    territory: Territory
    communes: int
    organisations: int
    exchanges: int
    needs: Results
    offers: Results


def search(kind: ListingKind, filters: Filters, *, page: int = 1, size: int = PER_PAGE) -> Results:
    """Return one page of the listings that pass all filters.

    A number outside the pages gives the nearest one. By distance, but with no point to measure from: by date.
    """
    point = _point(filters.near) if filters.sort is Sort.DISTANCE else None
    ids = _nearest(kind, filters, point) if point else _newest(kind, filters)
    total = min(len(ids), COUNT_MAX)
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    shown = ids[:total][(number - 1) * size : number * size]
    return Results(Page(load(shown, filters.near), number, pages, total), has_more=len(ids) > COUNT_MAX)


def latest(kind: ListingKind, *, limit: int = LATEST) -> list[Found]:
    return load([spot.id for spot in _spots(kind, Filters(), limit=limit)], None)


def newest_before(
    kinds: Sequence[ListingKind],
    filters: Filters,
    *,
    before: Mark | None,
    limit: int,
    since: datetime | None = None,
) -> tuple[list[Found], Mark | None]:
    """Return the newest that pass all filters but `sort`, and the mark after which there are more, if any.

    Around a commune there may be fewer than `limit` and more behind: what the circle cuts off its box.
    """
    rows: list[tuple[datetime, int]] = []
    for kind in kinds:  # each has its index by date
        found = _passing(kind, filters).c
        query = select(found.published_at, found.id).order_by(found.published_at.desc(), found.id.desc())
        if before:
            mark = tuple_(literal(before[0], Listing.published_at.type), literal(before[1]))
            query = query.where(tuple_(found.published_at, found.id) < mark)
        if since:
            query = query.where(found.published_at >= since)
        rows += [(published_at, key) for published_at, key in db.session.execute(query.limit(limit + 1))]
    rows.sort(reverse=True)
    listed = load([key for _, key in rows[:limit]], filters.near)
    within = [one for one in listed if one.distance_km is None or one.distance_km <= filters.radius_km]
    return within, rows[limit - 1] if len(rows) > limit else None


def counts() -> dict[str, Counted]:
    """Return what is online about each skill, by its slug; a listing counts for its main skill."""
    published = select(Listing.skill_id, Listing.kind, func.count()).where(
        Listing.kind.in_(ListingKind), Listing.state == ListingState.PUBLISHED
    )
    rows = db.session.execute(published.group_by(Listing.skill_id, Listing.kind))
    online = Counter({(skill_id, kind): number for skill_id, kind, number in rows})
    online.subtract((skill_id, kind) for _, skill_id, kind in db.session.execute(_published_but_hidden()))
    return {
        slug: Counted(online[skill_id, ListingKind.NEED], online[skill_id, ListingKind.OFFER])
        for skill_id, slug in db.session.execute(select(Skill.id, Skill.slug))
    }


def skill(slug: str, *, near: Commune | None = None) -> SkillSheet:
    """Return a skill, its levels, its related skills and what is nearest, or newest. Raises NotFound.

    A retired one has its successor loaded, which the reader should see instead.
    """
    shown = (
        joinedload(Skill.domain), joinedload(Skill.successor), selectinload(Skill.levels),
        selectinload(Skill.related),
    )  # fmt: skip
    found = db.session.scalar(select(Skill).where(Skill.slug == slug).options(*shown))
    if found is None:
        raise NotFound(f"skill {slug}")
    radius_km = usual_radius_km(near) if near else 0
    sort = Sort.DISTANCE if near else Sort.DATE
    filters = Filters(skill=found, near=near, radius_km=radius_km, sort=sort)
    return SkillSheet(
        skill=found,
        near=near,
        radius_km=radius_km,
        needs=search(ListingKind.NEED, filters, size=LATEST),
        offers=search(ListingKind.OFFER, filters, size=LATEST),
    )


def usual_radius_km(near: Commune) -> int:
    """Return how far one looks around a commune unless one says so: its territory's setting."""
    territory = db.session.get(Territory, near.territory_siren) if near.territory_siren else None
    return territory.default_radius_km if territory else DEFAULT_RADIUS_KM


def sections() -> Sequence[Sector]:
    """Return the top of the NAF tree."""
    return db.session.scalars(select(Sector).where(Sector.level == "section").order_by(Sector.code)).all()


def sector(code: str) -> Sector | None:
    """Return an entry of the NAF tree, at any level."""
    return db.session.get(Sector, code)


def territory_named(siren: str) -> Territory | None:
    """Return the territory of this SIREN, open or not."""
    return db.session.get(Territory, siren)


def open_territories() -> Sequence[Territory]:
    """Return the territories that moderate themselves, by name; TERRITORIES_SHOWN at most."""
    query = select(Territory).where(Territory.is_open).order_by(Territory.name).limit(TERRITORIES_SHOWN)
    return db.session.scalars(query.options(joinedload(Territory.department))).all()


def find_territories(text: str) -> Sequence[Territory]:
    """Return the territories so named, then those of communes so named; TERRITORIES_SHOWN at most."""
    words = fold(text[:_LONGEST_NAME]).split()
    if not words:
        return []
    names = db.session.execute(select(Territory.siren, Territory.name).order_by(Territory.population.desc()))
    sirens = [siren for siren, name in names if _holds(words, name)]
    sirens += [commune.territory_siren for commune in places.suggest(text) if commune.territory_siren]
    wanted = list(dict.fromkeys(sirens))[:TERRITORIES_SHOWN]
    query = select(Territory).where(Territory.siren.in_(wanted)).options(joinedload(Territory.department))
    found = {territory.siren: territory for territory in db.session.scalars(query)}
    return [found[siren] for siren in wanted]


def territory(siren: str) -> TerritorySheet:
    """Return a territory's public face. Raises NotFound."""
    query = select(Territory).where(Territory.siren == siren).options(joinedload(Territory.department))
    found = db.session.scalar(query)
    if found is None:
        raise NotFound(f"territory {siren}")
    filters = Filters(territory=found)
    here = Commune.territory_siren == siren
    return TerritorySheet(
        territory=found,
        communes=_count(select(Commune.insee).where(here)),
        organisations=_count(
            select(Organisation.id)
            .join(Organisation.commune)
            .where(here, Organisation.suspended_at.is_(None))
        ),
        exchanges=_count(
            select(Match.id)
            .join(Listing, Match.need_id == Listing.id)
            .where(Match.state == MatchState.COMPLETED, Listing.territory_siren == siren)
        ),
        needs=search(ListingKind.NEED, filters, size=LATEST),
        offers=search(ListingKind.OFFER, filters, size=LATEST),
    )


def load(ids: Sequence[int], near: Commune | None) -> list[Found]:
    """Return the listings of these ids, in this order, with what lists show and how far they are."""
    rows = db.session.scalars(select(Listing).where(Listing.id.in_(ids)).options(*SHOWN))
    listings = {listing.id: listing for listing in rows}
    kept = [listings[key] for key in ids if key in listings]  # the purge may have come between
    return [Found(listing, _distance_km(_point(near), listing)) for listing in kept]


def is_listed() -> ColumnElement[bool]:
    """Return the condition of what anybody may find: online, not past its term, nobody suspended."""
    term = _off_index(Listing.expires_at)  # ix_listing_expiry would be read from end to end
    # By the row, not by the list of the suspended: a page looks at few listings.
    suspended = exists().where(
        Organisation.id == Listing.organisation_id, Organisation.suspended_at.is_not(None)
    )
    return and_(Listing.state == ListingState.PUBLISHED, term > clock.now(), ~suspended)


def _published_but_hidden() -> CompoundSelect[Any]:
    """Return the few that are published and yet not listed: cheaper to take off a count than to test all."""
    query = select(Listing.id, Listing.skill_id, Listing.kind)
    suspended = select(Organisation.id).where(Organisation.suspended_at.is_not(None))
    return union(
        query.where(Listing.state == ListingState.PUBLISHED, Listing.expires_at <= clock.now()),
        query.where(
            _off_index(Listing.state) == ListingState.PUBLISHED, Listing.organisation_id.in_(suspended)
        ),
    )


def _off_index(column: InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Keep SQLite from an index on this column: it has no statistics, and takes nearly all rows for few."""
    return func.coalesce(column, column)


def _newest(kind: ListingKind, filters: Filters) -> list[int]:
    """Return ids, the newest first: more than COUNT_MAX of them when there are more, but seldom all."""
    limit = _READ_AHEAD * COUNT_MAX if filters.near or filters.words else COUNT_MAX + 1
    spots = _spots(kind, filters, limit=limit)
    kept = _sift(spots, filters)
    if len(spots) == limit and len(kept) <= COUNT_MAX:
        kept = _sift(_spots(kind, filters), filters)
    return [spot.id for spot in kept]


def _nearest(kind: ListingKind, filters: Filters, point: Point) -> list[int]:
    """Return ids, the nearest first. The circle widens only until it holds more than COUNT_MAX."""
    kept: list[_Spot] = []
    for radius_km in _radii(filters):
        narrowed = replace(filters, radius_km=radius_km)
        kept = _sift(_spots(kind, narrowed), narrowed)
        if len(kept) > COUNT_MAX:
            break
    return [kept[index].id for index in np.argsort(_distances(kept, point), kind="stable")]


def _radii(filters: Filters) -> list[float]:
    # One skill has few listings: reading them at once is faster than asking again.
    shares = () if filters.skill else (8, 4, 2)
    inner = [filters.radius_km / share for share in shares]
    return [radius for radius in inner if radius >= _SMALLEST_CIRCLE_KM] + [filters.radius_km]


def _spots(kind: ListingKind, filters: Filters, *, limit: int | None = None) -> list[_Spot]:
    """Return the newest that pass all filters, with some that _sift takes out."""
    rows = _passing(kind, filters).c
    query = select(rows.id, rows.lat, rows.lon, rows.title)
    query = query.order_by(rows.published_at.desc(), rows.id.desc()).limit(limit)
    return [_Spot(*row) for row in db.session.execute(query)]


def _passing(kind: ListingKind, filters: Filters) -> Subquery:
    query = select(Listing.id, Listing.lat, Listing.lon, Listing.title, Listing.published_at)
    conditions = _conditions(kind, filters)
    if filters.skill is None:
        return query.where(*conditions).subquery()
    # Two halves, each with its own index: one OR would read every listing of the place. In a CASE no index
    # answers the conditions: SQLite, which keeps no statistics, would read every listing by them rather than
    # the few of the skill by their ids.
    passes = case((and_(*conditions), 1), else_=0) == 1
    further = query.join(ListingSkill, ListingSkill.listing_id == Listing.id)
    return union(
        query.where(*conditions, Listing.skill_id == filters.skill.id),
        further.where(ListingSkill.skill_id == filters.skill.id, passes),
    ).subquery()


def _sift(spots: list[_Spot], filters: Filters) -> list[_Spot]:
    """Keep what passes the filters that SQL only narrows: the exact words, the exact distance."""
    words, point = fold(filters.words).split(), _point(filters.near)
    if words:
        spots = [spot for spot in spots if _holds(words, spot.title)]
    if not spots or point is None:
        return spots
    within = _distances(spots, point) <= filters.radius_km
    return [spot for spot, is_within in zip(spots, within, strict=True) if is_within]


def _distances(spots: list[_Spot], point: Point) -> NDArray[np.float64]:
    lats = np.array([spot.lat for spot in spots], np.float64)
    lons = np.array([spot.lon for spot in spots], np.float64)
    return market.distances_km(*point, lats, lons)


def _point(near: Commune | None) -> Point | None:
    if near is None or near.lat is None or near.lon is None:
        return None
    return near.lat, near.lon


def _conditions(kind: ListingKind, filters: Filters) -> list[ColumnElement[bool]]:
    conditions = [Listing.kind == kind, is_listed()]
    if filters.domain:
        of_domain = select(Skill.id).where(Skill.domain_slug == filters.domain.slug)
        conditions.append(Listing.skill_id.in_(of_domain))
    if filters.near:
        conditions.append(_around(filters.near, filters.radius_km))
    if filters.territory:
        conditions.append(Listing.territory_siren == filters.territory.siren)
    if filters.sector:
        conditions.append(_of_sector(filters.sector))
    if filters.venue:
        conditions.append(Listing.places.op("&")(int(VENUE_PLACES[filters.venue])) != 0)
    conditions += [Listing.title.ilike(_skeleton(word)) for word in fold(filters.words).split()]
    return conditions


def _around(near: Commune, radius_km: float) -> ColumnElement[bool]:
    """Return the condition of a box around the commune; the commune itself where nobody knows its point."""
    point = _point(near)
    return in_box(*point, radius_km) if point else Listing.commune_insee == near.insee


def _of_sector(sector: Sector) -> ColumnElement[bool]:
    if sector.level == "section":
        return Listing.sector_code.in_(select(Sector.code).where(Sector.section == sector.code))
    return Listing.sector_code.startswith(sector.code)


def _skeleton(word: str) -> str:
    """Return a pattern that the word passes with any accents: databases differ on what they fold."""
    return "%" + re.sub("oe|ae", "%", _singular(word)).translate(_ANY_ACCENT) + "%"


def _holds(words: list[str], text: str) -> bool:
    """Say whether each word begins a word of the text, accents, case and plural aside."""
    held = fold(text).split()
    return all(any(word.startswith(_singular(wanted)) for word in held) for wanted in words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > _LONG_WORD and word[-1] in "sx" else word


def _distance_km(point: Point | None, listing: Listing) -> float | None:
    if point is None or listing.lat is None:
        return None
    return float(geodesic(point, (listing.lat, listing.lon)).km)


def _count(query: Select[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0

"""What lists are made of: filters, the newest listings, counts by skill, territories. services.search finds.

A listing shows here while it is published, not past its term, and its structure is not suspended.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import (
    CompoundSelect,
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
from sqlalchemy.orm import InstrumentedAttribute, joinedload
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
    Sector,
    SizeClass,
    Skill,
    SkillDomain,
    Territory,
    Venue,
)
from marketplace.services import market, places
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
_LONG_WORD = 4  # letters, from which a plural's ending is left out


Point = tuple[float, float]  # latitude, longitude
Mark = tuple[datetime, int]  # when a listing was published, and its id: where a slice of a list ends


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
    size: SizeClass | None = None
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


def latest(kind: ListingKind, *, limit: int = LATEST) -> list[Found]:
    return newest_before([kind], Filters(), before=None, limit=limit)[0]


def newest_before(
    kinds: Sequence[ListingKind],
    filters: Filters,
    *,
    before: Mark | None,
    limit: int,
    since: datetime | None = None,
) -> tuple[list[Found], Mark | None]:
    """Return the newest that pass the filters, and the mark after which there are more, if any.

    `sort` and `words` are not read. Around a commune there may be fewer than `limit` and more behind: what
    the circle cuts off its box.
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


def load(ids: Sequence[int], near: Commune | None) -> list[Found]:
    """Return the listings of these ids, in this order, with what lists show and how far they are."""
    rows = db.session.scalars(select(Listing).where(Listing.id.in_(ids)).options(*SHOWN))
    listings = {listing.id: listing for listing in rows}
    kept = [listings[key] for key in ids if key in listings]  # the purge may have come between
    point = _point(near)
    if point is None:
        return [Found(listing) for listing in kept]
    lats = np.array([listing.lat for listing in kept], np.float64)
    lons = np.array([listing.lon for listing in kept], np.float64)
    distances = market.distances_km(*point, lats, lons).tolist()
    return [
        Found(listing, None if listing.lat is None else distance)
        for listing, distance in zip(kept, distances, strict=True)
    ]


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


def _passing(kind: ListingKind, filters: Filters) -> Subquery:
    query = select(Listing.id, Listing.published_at)
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
    if filters.size:
        of_size = select(Organisation.id).where(Organisation.size_class == filters.size)
        conditions.append(Listing.organisation_id.in_(of_size))
    if filters.venue:
        conditions.append(Listing.places.op("&")(int(VENUE_PLACES[filters.venue])) != 0)
    return conditions


def _around(near: Commune, radius_km: float) -> ColumnElement[bool]:
    """Return the condition of a box around the commune; the commune itself where nobody knows its point."""
    point = _point(near)
    return in_box(*point, radius_km) if point else Listing.commune_insee == near.insee


def _of_sector(sector: Sector) -> ColumnElement[bool]:
    if sector.level == "section":
        return Listing.sector_code.in_(select(Sector.code).where(Sector.section == sector.code))
    return Listing.sector_code.startswith(sector.code)


def _holds(words: list[str], text: str) -> bool:
    """Say whether each word begins a word of the text, accents, case and plural aside."""
    held = fold(text).split()
    return all(any(word.startswith(_singular(wanted)) for word in held) for wanted in words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > _LONG_WORD and word[-1] in "sx" else word

"""Lists that anybody can read: needs and offers by filters, skills by domain, territories.

A listing shows here while it is published, not past its term, and its structure is not suspended.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from geopy.distance import geodesic
from sqlalchemy import Select, and_, func, or_, select
from sqlalchemy.orm import joinedload, selectinload
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
SITEMAP_LISTINGS = 5000
_ANY_ACCENT = str.maketrans(dict.fromkeys("aceinouy", "_"))
_LONG_WORD = 4  # letters, from which a plural's ending is left out


class Sort(StrEnum):
    DISTANCE = "distance"
    DATE = "date"


class Venue(StrEnum):
    ON_SITE = "on_site"
    REMOTE = "remote"


_VENUE_PLACES = {Venue.ON_SITE: Place.HELPER | Place.LEARNER, Venue.REMOTE: Place.REMOTE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is narrowed to; all of them at once. `sort` by distance needs `near`."""

    skill: Skill | None = None
    domain: SkillDomain | None = None
    near: Commune | None = None
    radius_km: int = DEFAULT_RADIUS_KM
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
    """A skill with what is online about it."""

    skill: Skill
    needs: int
    offers: int


@dataclass(frozen=True, slots=True)
class SkillSheet:
    skill: Skill
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
    """Return one page of the listings that pass all filters; a number outside the pages gives the nearest one."""
    if filters.near is not None or filters.words:
        ids = _sifted(kind, filters)
    else:
        ids = _in_date_order(kind, filters)
    total = min(len(ids), COUNT_MAX)
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    shown = _load(ids[: total][(number - 1) * size : number * size], filters.near)
    return Results(Page(shown, number, pages, total), has_more=len(ids) > COUNT_MAX)


def latest(kind: ListingKind, *, limit: int = LATEST) -> Sequence[Found]:
    return search(kind, Filters(), size=limit).page.items


def counts() -> dict[str, Counted]:
    """Return what is online about each skill, by its slug; a listing counts for its main skill."""
    query = select(Listing.skill_id, Listing.kind, func.count()).where(_is_listed())
    online = {(key, kind): n for key, kind, n in db.session.execute(query.group_by(Listing.skill_id, Listing.kind))}
    return {
        skill.slug: Counted(
            skill, online.get((skill.id, ListingKind.NEED), 0), online.get((skill.id, ListingKind.OFFER), 0)
        )
        for skill in db.session.scalars(select(Skill))
    }


def skill(slug: str) -> SkillSheet:
    """Return a skill, its related skills and the latest about it. Raises NotFound."""
    query = select(Skill).where(Skill.slug == slug)
    found = db.session.scalar(query.options(joinedload(Skill.domain), selectinload(Skill.related)))
    if found is None:
        raise NotFound(f"skill {slug}")
    filters = Filters(skill=found)
    return SkillSheet(
        skill=found,
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


def open_territories() -> Sequence[Territory]:
    """Return the territories that moderate themselves, by name; TERRITORIES_SHOWN at most."""
    query = select(Territory).where(Territory.is_open).order_by(Territory.name).limit(TERRITORIES_SHOWN)
    return db.session.scalars(query.options(joinedload(Territory.department))).all()


def find_territories(text: str) -> Sequence[Territory]:
    """Return the territories whose name holds these words, then those of communes so called; at most TERRITORIES_SHOWN."""
    words = fold(text).split()
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
            select(Organisation.id).join(Organisation.commune).where(here, Organisation.suspended_at.is_(None))
        ),
        exchanges=_count(
            select(Match.id)
            .join(Listing, Match.need_id == Listing.id)
            .where(Match.state == MatchState.COMPLETED, Listing.territory_siren == siren)
        ),
        needs=search(ListingKind.NEED, filters, size=LATEST),
        offers=search(ListingKind.OFFER, filters, size=LATEST),
    )


def newest() -> Sequence[Listing]:
    """Return the newest listings for the sitemap, bare: SITEMAP_LISTINGS at most."""
    query = select(Listing).where(_is_listed()).order_by(Listing.published_at.desc(), Listing.id.desc())
    return db.session.scalars(query.limit(SITEMAP_LISTINGS)).all()


def _is_listed() -> ColumnElement[bool]:
    suspended = select(Organisation.id).where(Organisation.suspended_at.is_not(None))
    return and_(
        Listing.state == ListingState.PUBLISHED,
        Listing.expires_at > clock.now(),
        Listing.organisation_id.not_in(suspended),
    )


def _in_date_order(kind: ListingKind, filters: Filters) -> Sequence[int]:
    """Return the ids of the newest, one more than a list shows at most: no sort where an index gives the order."""
    query = _newest_first(select(Listing.id).where(*_conditions(kind, filters)))
    return db.session.scalars(query.limit(COUNT_MAX + 1)).all()


def _sifted(kind: ListingKind, filters: Filters) -> Sequence[int]:
    """Return the ids that also pass what SQL only narrows: the exact distance, the exact words."""
    query = select(Listing.id, Listing.lat, Listing.lon, Listing.title).where(*_conditions(kind, filters))
    by_distance = filters.sort is Sort.DISTANCE and filters.near is not None
    rows = db.session.execute(query.order_by(Listing.id.desc()) if by_distance else _newest_first(query)).all()
    if filters.words:
        words = fold(filters.words).split()
        rows = [row for row in rows if _holds(words, row.title)]
    if not rows or filters.near is None or filters.near.lat is None:
        return [row.id for row in rows]
    ids, lats, lons, _ = zip(*rows, strict=True)
    far = market.distances_km(filters.near.lat, filters.near.lon, lats, lons)
    order = np.argsort(far, kind="stable") if by_distance else np.arange(len(ids))
    return np.array(ids)[order[far[order] <= filters.radius_km]].tolist()


def _conditions(kind: ListingKind, filters: Filters) -> list[ColumnElement[bool]]:
    conditions = [Listing.kind == kind, _is_listed()]
    if filters.skill:
        conditions.append(_about(filters.skill))
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
        conditions.append(Listing.places.op("&")(int(_VENUE_PLACES[filters.venue])) != 0)
    conditions += [Listing.title.ilike(_skeleton(word)) for word in fold(filters.words).split()]
    return conditions


def _about(wanted: Skill) -> ColumnElement[bool]:
    """Return the condition that a listing's main skill, or a further one, is this one."""
    further = select(ListingSkill.listing_id).where(ListingSkill.skill_id == wanted.id)
    return or_(Listing.skill_id == wanted.id, Listing.id.in_(further))


def _around(near: Commune, radius_km: int) -> ColumnElement[bool]:
    """Return the condition of a box around the commune; the commune itself where nobody knows its point."""
    if near.lat is None or near.lon is None:
        return Listing.commune_insee == near.insee
    return in_box(near.lat, near.lon, radius_km)


def _of_sector(sector: Sector) -> ColumnElement[bool]:
    if sector.level == "section":
        return Listing.sector_code.in_(select(Sector.code).where(Sector.section == sector.code))
    return Listing.sector_code.startswith(sector.code)


def _newest_first(query: Select[Any]) -> Select[Any]:
    return query.order_by(Listing.published_at.desc(), Listing.id.desc())


def _skeleton(word: str) -> str:
    """Return a pattern that the word passes with any accents: databases differ on what they fold."""
    return "%" + re.sub("oe|ae", "%", _singular(word)).translate(_ANY_ACCENT) + "%"


def _holds(words: list[str], text: str) -> bool:
    """Say whether each word begins a word of the text, accents, case and plural aside."""
    held = fold(text).split()
    return all(any(word.startswith(_singular(wanted)) for word in held) for wanted in words)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > _LONG_WORD and word[-1] in "sx" else word


def _load(ids: Sequence[int], near: Commune | None) -> list[Found]:
    query = select(Listing).where(Listing.id.in_(ids)).options(*SHOWN)
    rows = {listing.id: listing for listing in db.session.scalars(query)}
    return [Found(rows[key], _distance_km(near, rows[key])) for key in ids]


def _distance_km(near: Commune | None, listing: Listing) -> float | None:
    if near is None or near.lat is None or listing.lat is None:
        return None
    return float(geodesic((near.lat, near.lon), (listing.lat, listing.lon)).km)


def _count(query: Select[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0

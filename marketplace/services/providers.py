"""Labelled providers as anybody may read them: near a place, by skill and label, the nearest first.

A provider shows while one of its labels holds. Nothing else moves it up or down: nobody can pay for a place.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

import numpy as np
from sqlalchemy import Select, and_, exists, func, literal, or_, select, tuple_
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Commune,
    LabelKind,
    Listing,
    ListingSkill,
    Provider,
    ProviderKind,
    ProviderLabel,
    ProviderLabelTheme,
    ProviderReview,
    ProviderTheme,
    ProviderThemeSkill,
    ReviewState,
    Skill,
)
from marketplace.services import market, skills
from marketplace.services.errors import NotFound
from marketplace.services.paging import Page
from marketplace.services.ranking import in_box

PER_PAGE = 20
# A list goes no further: past it one narrows the search rather than turns pages.
COUNT_MAX = 1000
NEAR_MAX = 3
# How far near() looks, step by step, until it has found enough.
RADII_KM = (10.0, 30.0, 80.0, 200.0)
# An average of fewer reviews says more about their authors than about the provider.
RATING_MIN_REVIEWS = 3
SHOWN = (joinedload(Provider.commune),)


class Located(Protocol):
    """A commune, a listing or a structure: what distances are measured from."""

    lat: float | None
    lon: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is narrowed to; all of them at once."""

    skill: Skill | None = None
    label: LabelKind | None = None
    kind: ProviderKind | None = None
    is_free: bool = False
    near: Commune | None = None
    radius_km: float = 0


@dataclass(frozen=True, slots=True)
class Rating:
    """Of published reviews; `average` None while there are too few."""

    count: int
    average: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """`labels`: those that hold. `subjects`: what covers the skill asked for, in the words of the list."""

    provider: Provider
    labels: Sequence[ProviderLabel]
    subjects: Sequence[str]
    rating: Rating
    distance_km: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """`has_more`: the list was cut at COUNT_MAX."""

    page: Page[Found]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Sheet:
    """A provider's page. `skills`: those that its labels cover; `past`: labels that do not hold any more."""

    found: Found
    past: Sequence[ProviderLabel]
    skills: Sequence[Skill]


class _Spot(NamedTuple):
    id: int
    lat: float | None
    lon: float | None


def near(skill_ids: Collection[int], place: Located | None, limit: int = NEAR_MAX) -> list[Found]:
    """Return the nearest providers that cover one of the skills, within the last of RADII_KM.

    Without a place to measure from: the first by name, and no distance.
    """
    covers = _covers(skill_ids)
    point = _point(place)
    if point is None:
        by_name = _query(covers).order_by(Provider.sort_name, Provider.id).limit(limit)
        return _load([_Spot(*row) for row in db.session.execute(by_name)], None, skill_ids)
    spots: list[_Spot] = []
    for radius_km in RADII_KM:
        spots = _around(covers, point, radius_km)
        if len(spots) >= limit:
            break
    return _load(spots[:limit], point, skill_ids)


def near_listing(listing: Listing, limit: int = NEAR_MAX) -> list[Found]:
    """Return the nearest providers that cover a skill of the listing."""
    further = db.session.scalars(select(ListingSkill.skill_id).where(ListingSkill.listing_id == listing.id))
    return near(skills.with_predecessors(listing.skill_id, *further), listing, limit)


def search(filters: Filters, *, page: int = 1, size: int = PER_PAGE) -> Results:
    """Return one page of the providers that pass all filters: the nearest first, else by name.

    A number outside the pages gives the nearest one. O(providers around) or, without a place, O(COUNT_MAX).
    """
    skill_ids = skills.with_predecessors(filters.skill.id) if filters.skill else []
    conditions = _conditions(filters, skill_ids)
    point = _point(filters.near)
    if point is not None:
        spots = _around(conditions, point, filters.radius_km)
    else:
        query = _query(conditions)
        if filters.near:
            query = query.where(Provider.commune_insee == filters.near.insee)
        rows = db.session.execute(query.order_by(Provider.sort_name, Provider.id).limit(COUNT_MAX + 1))
        spots = [_Spot(*row) for row in rows]
    total = min(len(spots), COUNT_MAX)
    pages = max(1, -(-total // size))
    number = min(max(page, 1), pages)
    shown = spots[:total][(number - 1) * size : number * size]
    items = _load(shown, point, skill_ids)
    return Results(Page(items, number, pages, total), has_more=len(spots) > COUNT_MAX)


def by_name_after(
    filters: Filters, *, after: tuple[str, int] | None, limit: int
) -> tuple[list[Found], tuple[str, int] | None]:
    """Return the providers by name that pass all filters, and the mark after which there are more, if any.

    Around a commune there may be fewer than `limit` and more behind: what the circle cuts off its box.
    """
    skill_ids = [filters.skill.id] if filters.skill else []
    query = _query(_conditions(filters, skill_ids)).add_columns(Provider.sort_name)
    point = _point(filters.near)
    if point is not None:
        query = query.where(in_box(*point, filters.radius_km, of=Provider))
    elif filters.near:
        query = query.where(Provider.commune_insee == filters.near.insee)
    if after:
        query = query.where(tuple_(Provider.sort_name, Provider.id) > tuple_(*map(literal, after)))
    query = query.order_by(Provider.sort_name, Provider.id).limit(limit + 1)
    rows = db.session.execute(query).all()
    found = _load([_Spot(*row[:3]) for row in rows[:limit]], point, skill_ids)
    within = [one for one in found if one.distance_km is None or one.distance_km <= filters.radius_km]
    last = rows[limit - 1] if len(rows) > limit else None
    return within, (last.sort_name, last.id) if last else None


def show(provider_id: int) -> Sheet:
    """Return a provider that stands in a list, also when its label has expired. Raises NotFound."""
    standing = select(Provider.id, Provider.lat, Provider.lon).where(
        Provider.id == provider_id, Provider.retired_at.is_(None)
    )
    row = db.session.execute(standing).one_or_none()
    found = _load([_Spot(*row)], None, []) if row else []
    if not found:
        raise NotFound(f"provider {provider_id}")
    labels = found[0].provider.labels
    theme_ids = {theme.id for label in found[0].labels for theme in label.themes}
    query = select(Skill).where(
        exists().where(ProviderThemeSkill.skill_id == Skill.id, ProviderThemeSkill.theme_id.in_(theme_ids))
    )
    return Sheet(
        found=found[0],
        past=[label for label in labels if label not in found[0].labels],
        skills=db.session.scalars(query.order_by(Skill.position)).all(),
    )


def ratings_of(provider_ids: Collection[int]) -> Mapping[int, Rating]:
    """Return the rating of each provider, of nobody's review where there is none."""
    query = (
        select(ProviderReview.provider_id, func.count(), func.avg(ProviderReview.rating))
        .where(ProviderReview.provider_id.in_(provider_ids), ProviderReview.state == ReviewState.PUBLISHED)
        .group_by(ProviderReview.provider_id)
    )
    ratings: dict[int, Rating] = defaultdict(lambda: Rating(0, None))
    for provider_id, count, average in db.session.execute(query):
        ratings[provider_id] = Rating(count, float(average) if count >= RATING_MIN_REVIEWS else None)
    return ratings


def label_holds(day: date) -> ColumnElement[bool]:
    """Return the condition that a label holds: it stands in its list, and its end has not passed."""
    return and_(
        ProviderLabel.withdrawn_on.is_(None),
        or_(ProviderLabel.valid_until.is_(None), ProviderLabel.valid_until >= day),
    )


def _covers(skill_ids: Collection[int]) -> list[ColumnElement[bool]]:
    """Return the condition that a label that holds covers one of the skills."""
    themes = select(ProviderThemeSkill.theme_id).where(ProviderThemeSkill.skill_id.in_(skill_ids))
    told = exists().where(
        ProviderLabelTheme.label_id == ProviderLabel.id, ProviderLabelTheme.theme_id.in_(themes)
    )
    return [_holds_a_label(told)]


def _conditions(filters: Filters, skill_ids: Sequence[int]) -> list[ColumnElement[bool]]:
    conditions = _covers(skill_ids) if skill_ids else [_holds_a_label()]
    if filters.label:
        conditions.append(_holds_a_label(ProviderLabel.kind == filters.label))
    if filters.kind:
        conditions.append(Provider.kind == filters.kind)
    if filters.is_free:
        conditions.append(Provider.free_first_meeting.is_(True))
    return conditions


def _holds_a_label(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(
        ProviderLabel.provider_id == Provider.id, label_holds(clock.now().date()), *conditions
    )


def _query(conditions: Sequence[ColumnElement[bool]]) -> Select[int, float | None, float | None]:
    return select(Provider.id, Provider.lat, Provider.lon).where(*conditions)


def _around(
    conditions: Sequence[ColumnElement[bool]], point: tuple[float, float], radius_km: float
) -> list[_Spot]:
    """Return the providers of the circle, the nearest first; at the same place, by name."""
    query = _query(conditions).where(in_box(*point, radius_km, of=Provider))
    spots = [_Spot(*row) for row in db.session.execute(query.order_by(Provider.sort_name, Provider.id))]
    distances = _distances(spots, point)
    order = np.argsort(distances, kind="stable")
    return [spots[index] for index in order if distances[index] <= radius_km]


def _distances(spots: Sequence[_Spot], point: tuple[float, float]) -> Sequence[float]:
    lats = np.array([spot.lat for spot in spots], np.float64)
    lons = np.array([spot.lon for spot in spots], np.float64)
    found: Sequence[float] = market.distances_km(*point, lats, lons).tolist()
    return found


def _point(place: Located | None) -> tuple[float, float] | None:
    if place is None or place.lat is None or place.lon is None:
        return None
    return place.lat, place.lon


def _load(
    spots: Sequence[_Spot], point: tuple[float, float] | None, skill_ids: Collection[int]
) -> list[Found]:
    """Return what lists show of these providers, in this order."""
    ids = [spot.id for spot in spots]
    if not ids:
        return []
    labels = selectinload(Provider.labels)
    query = select(Provider).where(Provider.id.in_(ids))
    query = query.options(
        *SHOWN, labels.joinedload(ProviderLabel.source), labels.selectinload(ProviderLabel.themes)
    )
    providers = {provider.id: provider for provider in db.session.scalars(query)}
    ratings, covering = ratings_of(ids), _covering(skill_ids)
    distances = _distances(spots, point) if point else [None] * len(spots)
    return [
        _found(providers[spot.id], covering, ratings[spot.id], distance)
        for spot, distance in zip(spots, distances, strict=True)
        if spot.id in providers  # it may have been suppressed meanwhile
    ]


def _found(provider: Provider, covering: Collection[int], rating: Rating, distance_km: float | None) -> Found:
    today = clock.now().date()
    labels = [label for label in provider.labels if label.holds_on(today)]
    subjects = {theme.label for label in labels for theme in label.themes if theme.id in covering}
    return Found(provider, labels, sorted(subjects), rating, distance_km)


def _covering(skill_ids: Collection[int]) -> frozenset[int]:
    """Return the subjects that stand for one of the skills."""
    if not skill_ids:
        return frozenset()
    query = select(ProviderTheme.id).join(ProviderThemeSkill, ProviderThemeSkill.theme_id == ProviderTheme.id)
    return frozenset(db.session.scalars(query.where(ProviderThemeSkill.skill_id.in_(skill_ids))))

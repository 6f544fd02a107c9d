"""What programs read besides listings: skills, territories and figures, slice after slice."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    Department,
    Listing,
    ListingKind,
    Match,
    MatchState,
    SearchEntry,
    Skill,
    SkillDomain,
    Territory,
)
from marketplace.services import directory
from marketplace.services.directory import Counted

_NOTHING = Counted(0, 0)
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class CountedSkill:
    skill: Skill
    online: Counted


@dataclass(frozen=True, slots=True)
class CountedTerritory:
    territory: Territory
    online: Counted


@dataclass(frozen=True, slots=True)
class Figures:
    """What is online now; `exchanges`: completed ones, counted where the need is; `skills`: by slug."""

    online: Counted
    organisations: int
    exchanges: int
    skills: Sequence[tuple[str, Counted]]


def skills(*, domain: SkillDomain | None, after: str, limit: int) -> tuple[list[CountedSkill], bool]:
    """Return the skills by slug that come after one, and whether there are more."""
    query = select(Skill).where(Skill.slug > after)
    if domain:
        query = query.where(Skill.domain_slug == domain.slug)
    query = query.order_by(Skill.slug).limit(limit + 1)
    query = query.options(joinedload(Skill.domain), selectinload(Skill.related))
    found, has_more = _more(db.session.scalars(query).all(), limit)
    online = directory.counts()
    return [CountedSkill(skill, online[skill.slug]) for skill in found], has_more


def territories(
    *, is_open: bool | None, department: Department | None, after: str, limit: int
) -> tuple[list[CountedTerritory], bool]:
    """Return the territories by SIREN that come after one, and whether there are more."""
    query = select(Territory).where(Territory.siren > after)
    if is_open is not None:
        query = query.where(Territory.is_open.is_(is_open))
    if department:
        query = query.where(Territory.department_code == department.code)
    query = query.order_by(Territory.siren).limit(limit + 1)
    found, has_more = _more(db.session.scalars(query).all(), limit)
    online = _online_by_territory([territory.siren for territory in found])
    return [CountedTerritory(each, online.get(each.siren, _NOTHING)) for each in found], has_more


def department(code: str) -> Department | None:
    return db.session.get(Department, code)


def figures(territory: Territory | None) -> Figures:
    """Return the figures of a territory, or of all. Reads the narrow table of search: half of the time."""
    here: list[ColumnElement[bool]] = [SearchEntry.expires_at > clock.now().timestamp()]
    if territory:
        here.append(SearchEntry.territory_siren == territory.siren)
    rows = select(Skill.slug, SearchEntry.kind, func.count()).join(Skill, SearchEntry.skill_id == Skill.id)
    grouped = rows.where(*here).group_by(Skill.slug, SearchEntry.kind)
    by_skill: Counter[tuple[str | None, ListingKind]] = Counter(
        {(slug, kind): number for slug, kind, number in db.session.execute(grouped)}
    )
    of_each = [(slug, _counted(by_skill, slug)) for slug in sorted({slug for slug, _ in by_skill if slug})]
    return Figures(
        online=Counted(sum(one.needs for _, one in of_each), sum(one.offers for _, one in of_each)),
        organisations=db.session.scalar(select(_organisations()).where(*here)) or 0,
        exchanges=db.session.scalar(_exchanges(territory)) or 0,
        skills=of_each,
    )


def _organisations() -> ColumnElement[int]:
    return func.count(SearchEntry.organisation_id.distinct())


def _exchanges(territory: Territory | None) -> Select[Any]:
    done = select(func.count(Match.id)).where(Match.state == MatchState.COMPLETED)
    if territory is None:
        return done
    return done.join(Listing, Match.need_id == Listing.id).where(Listing.territory_siren == territory.siren)


def _online_by_territory(sirens: list[str]) -> dict[str, Counted]:
    rows = (
        select(Listing.territory_siren, Listing.kind, func.count())
        .where(directory.is_listed(), Listing.territory_siren.in_(sirens))
        .group_by(Listing.territory_siren, Listing.kind)
    )
    online = Counter({(siren, kind): number for siren, kind, number in db.session.execute(rows)})
    return {siren: _counted(online, siren) for siren in sirens}


def _counted(online: Mapping[tuple[str | None, ListingKind], int], key: str) -> Counted:
    return Counted(online[key, ListingKind.NEED], online[key, ListingKind.OFFER])


def _more(rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], bool]:
    return rows[:limit], len(rows) > limit

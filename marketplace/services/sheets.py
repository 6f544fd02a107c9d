"""What anybody can read about a skill and about a territory, with what is online there."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import joinedload, selectinload

from marketplace.extensions import db
from marketplace.models import (
    Commune,
    Listing,
    ListingKind,
    Match,
    MatchState,
    Organisation,
    Skill,
    Territory,
)
from marketplace.services import search
from marketplace.services.directory import LATEST, Filters, Results, Sort, usual_radius_km
from marketplace.services.errors import NotFound


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
        needs=_online(ListingKind.NEED, filters),
        offers=_online(ListingKind.OFFER, filters),
    )


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
        needs=_online(ListingKind.NEED, filters),
        offers=_online(ListingKind.OFFER, filters),
    )


def _online(kind: ListingKind, filters: Filters) -> Results:
    return search.find(kind, filters, size=LATEST).results


def _count(query: Select[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(query.subquery())) or 0

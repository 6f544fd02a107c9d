"""The subjects of providers, in the words of the lists, and the skills that each stands for.

What seeds/providers/themes.csv says holds until an administrator says otherwise for a subject.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.orm import selectinload

from marketplace.extensions import db
from marketplace.models import (
    ProviderLabel,
    ProviderLabelTheme,
    ProviderTheme,
    ProviderThemeSkill,
    Skill,
    User,
)
from marketplace.services import provider_lists, rights
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.market import chunks
from marketplace.services.paging import Page, page_of
from marketplace.services.text import fold
from marketplace.services.work import Work, unit_of_work

PER_PAGE = 50
SKILLS_MAX = 30
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ThemeRow:
    """`providers`: how many labels that stand name the subject."""

    theme: ProviderTheme
    providers: int


def mapped() -> frozenset[str]:
    """Return the subjects, folded, that stand for a skill."""
    with_skill = exists().where(ProviderThemeSkill.theme_id == ProviderTheme.id)
    told = dict(db.session.execute(select(ProviderTheme.key, with_skill)).all())
    return frozenset(key for key in {*_first_skills(), *told} if told.get(key, True))


def add(work: Work, themes: Mapping[str, str]) -> dict[str, int]:
    """Write subjects that are new, with the skills they stand for at first; return all ids by folded text."""
    labels = {fold(theme): theme for theme in provider_lists.themes()} | dict(themes)
    known = _ids(work)
    new = [{"key": key, "label": label} for key, label in labels.items() if key not in known]
    for rows in chunks(new, _AT_ONCE):
        work.session.execute(insert(ProviderTheme), rows)
    known, first = _ids(work), _first_skills()
    skills = dict(work.session.execute(select(Skill.slug, Skill.id)).all())
    links = [
        {"theme_id": known[row["key"]], "skill_id": skills[slug]}
        for row in new
        for slug in first.get(row["key"], ())
    ]
    if links:
        work.session.execute(insert(ProviderThemeSkill), links)
    return known


def overview(*, by: User, unmapped_only: bool, page: int) -> Page[ThemeRow]:
    """Return a page of the subjects, those without a skill first. Raises NotAllowed for no administrator."""
    rights.require_administrator(by)
    with_skill = exists().where(ProviderThemeSkill.theme_id == ProviderTheme.id)
    query = select(ProviderTheme).options(selectinload(ProviderTheme.skills))
    if unmapped_only:
        query = query.where(~with_skill)
    found = page_of(query.order_by(with_skill, ProviderTheme.key), number=page, size=PER_PAGE)
    counts = _counts([theme.id for theme in found.items])
    rows = [ThemeRow(theme, counts.get(theme.id, 0)) for theme in found.items]
    return Page(rows, found.number, found.pages, found.total)


def get(theme_id: int, *, by: User) -> ProviderTheme:
    """Return a subject with its skills. Raises NotFound, NotAllowed."""
    rights.require_administrator(by)
    theme = db.session.scalar(
        select(ProviderTheme).where(ProviderTheme.id == theme_id).options(selectinload(ProviderTheme.skills))
    )
    if theme is None:
        raise NotFound(f"theme {theme_id}")
    return theme


def set_skills(theme_id: int, slugs: Iterable[str], *, by: User) -> ProviderTheme:
    """Say which skills a subject stands for, from now on. Raises NotFound, FieldError("skills")."""
    rights.require_administrator(by)
    wanted = sorted(set(slugs))
    if len(wanted) > SKILLS_MAX:
        raise FieldError("skills", f"{SKILLS_MAX} compétences au plus : un thème trop large n’aide personne.")
    with unit_of_work() as work:
        theme = work.lock(ProviderTheme, theme_id)
        known = select(Skill.slug, Skill.id).where(Skill.slug.in_(wanted))
        ids = dict(work.session.execute(known).all())
        before = _slugs(theme_id)
        work.session.execute(delete(ProviderThemeSkill).where(ProviderThemeSkill.theme_id == theme_id))
        rows = [{"theme_id": theme_id, "skill_id": key} for key in ids.values()]
        if rows:
            work.session.execute(insert(ProviderThemeSkill), rows)
        work.audit(
            "provider_theme.mapped", theme, by=by, before={"skills": before}, after={"skills": sorted(ids)}
        )
    return theme


def _first_skills() -> dict[str, Sequence[str]]:
    """Return the skills (slugs) of a subject at first: those of the settings, else the one that it names."""
    names = db.session.execute(select(Skill.slug, Skill.label)).all()
    named: dict[str, Sequence[str]] = {fold(text): [slug] for slug, label in names for text in (slug, label)}
    return named | {fold(theme): slugs for theme, slugs in provider_lists.themes().items()}


def _ids(work: Work) -> dict[str, int]:
    return dict(work.session.execute(select(ProviderTheme.key, ProviderTheme.id)).all())


def _slugs(theme_id: int) -> list[str]:
    query = select(Skill.slug).join(ProviderThemeSkill, ProviderThemeSkill.skill_id == Skill.id)
    return list(db.session.scalars(query.where(ProviderThemeSkill.theme_id == theme_id).order_by(Skill.slug)))


def _counts(theme_ids: Sequence[int]) -> dict[int, int]:
    query: Any = (
        select(ProviderLabelTheme.theme_id, func.count())
        .join(ProviderLabel, ProviderLabel.id == ProviderLabelTheme.label_id)
        .where(ProviderLabelTheme.theme_id.in_(theme_ids), ProviderLabel.withdrawn_on.is_(None))
        .group_by(ProviderLabelTheme.theme_id)
    )
    return dict(db.session.execute(query).all())

"""The skills reference as people use it: by domain, or from a sentence in their own words."""

import re
from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.orm import aliased, selectinload

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillDomain, SkillEdition, SkillWord
from marketplace.models.skills import SLUG_MAX
from marketplace.services.skill_index import SkillIndex

# Below this probability the likeliest skill is wrong three times in four: better no guess. docs/skills.md.
CONFIDENCE_MIN = 0.2
_SEED_FILE = "skills.csv"
_SLUG = re.compile(rf"[a-z0-9-]{{1,{SLUG_MAX}}}")
Version = tuple[str | None, int | None]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A skill that a sentence may mean. `score`: its probability; `words`: those that decided."""

    slug: str
    label: str
    domain_slug: str
    score: float
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Reference:
    skills: tuple[tuple[str, str, str], ...]
    index: SkillIndex


def all_by_domain() -> list[SkillDomain]:
    """Return the domains in order, each with its skills loaded in order, but for the retired ones."""
    current = selectinload(SkillDomain.skills.and_(Skill.retired_at.is_(None)))
    query = select(SkillDomain).order_by(SkillDomain.position).options(current)
    return list(db.session.scalars(query))


def by_slug(slug: str) -> Skill | None:
    return db.session.scalar(select(Skill).where(Skill.slug == slug))


def domain(slug: str) -> SkillDomain | None:
    return db.session.get(SkillDomain, slug)


def current_slug(slug: str | None) -> str | None:
    """Return the slug of what replaced a retired skill, any other text as it is: old links still work."""
    if slug is None or not _SLUG.fullmatch(slug):
        return slug
    new = aliased(Skill)
    query = select(new.slug).join(Skill, Skill.successor_id == new.id)
    return db.session.scalar(query.where(Skill.slug == slug)) or slug


def with_predecessors(*skill_ids: int) -> list[int]:
    """Return skills and the retired ones that they replace, by ids: older data speaks of those."""
    return [*skill_ids, *db.session.scalars(select(Skill.id).where(Skill.successor_id.in_(skill_ids)))]


def version() -> Version:
    """Return what changes whenever a word or a skill does: the digest of the files, the last edition."""
    last = select(func.max(SkillEdition.number)).scalar_subquery()
    digest = select(SeedFile.sha256).where(SeedFile.name == _SEED_FILE).scalar_subquery()
    row = db.session.execute(select(digest, last)).one()
    return row[0], row[1]


def suggest(text: str, *, limit: int = 5) -> list[Suggestion]:
    """Return the skills that `text` means, best first; none when that is not sure enough (CONFIDENCE_MIN).

    Whoever gets none offers the domains instead: all_by_domain().
    """
    reference = _reference()
    hits = reference.index.search(text, limit=limit)
    if not hits or hits[0].score < CONFIDENCE_MIN:
        return []
    return [Suggestion(*reference.skills[hit.row], round(hit.score, 4), hit.words) for hit in hits]


def _reference() -> _Reference:
    """Return the index, built once per process for each loading of the files and each edition."""
    return _read_reference(str(db.engine.url), version())


@lru_cache(maxsize=4)
def _read_reference(_database: str, _version: Version) -> _Reference:
    query = select(Skill.id, Skill.slug, Skill.label, Skill.domain_slug, Skill.description)
    skills = db.session.execute(query.where(Skill.retired_at.is_(None)).order_by(Skill.id)).all()
    row_of = {skill.id: row for row, skill in enumerate(skills)}
    words = db.session.execute(select(SkillWord.skill_id, SkillWord.text))
    phrases = [(row_of[key], text) for key, text in words if key in row_of]
    phrases += [(row_of[skill.id], text) for skill in skills for text in (skill.label, skill.description)]
    index = SkillIndex(phrases, skills=len(skills))
    return _Reference(tuple((s.slug, s.label, s.domain_slug) for s in skills), index)

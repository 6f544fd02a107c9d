"""The skills reference as people use it: by domain, or from a sentence in their own words."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import func, select
from sqlalchemy.orm import selectinload

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillDomain, SkillEdition, SkillWord
from marketplace.services.skill_index import SkillIndex

# Below this probability the likeliest skill is wrong three times in four: better no guess. docs/skills.md.
CONFIDENCE_MIN = 0.2
_SEED_FILE = "skills.csv"
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


def with_predecessors(skill: Skill) -> list[int]:
    """Return the ids of a skill and of the retired ones that it replaces: older data speaks of those."""
    return [skill.id, *db.session.scalars(select(Skill.id).where(Skill.successor_id == skill.id))]


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

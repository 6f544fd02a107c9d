"""The skills reference as people use it: by domain, or from a sentence in their own words."""

from dataclasses import dataclass
from functools import lru_cache

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from marketplace.extensions import db
from marketplace.models import SeedFile, Skill, SkillDomain, SkillWord
from marketplace.services.skill_index import SkillIndex

# Below this probability the likeliest skill is wrong three times in four: better no guess. docs/skills.md.
CONFIDENCE_MIN = 0.2
_SEED_FILE = "skills.csv"


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
    """Return the domains in order, each with its skills loaded in order."""
    query = select(SkillDomain).order_by(SkillDomain.position).options(selectinload(SkillDomain.skills))
    return list(db.session.scalars(query))


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
    """Return the index, built once per process as long as the reference files do not change."""
    digest = db.session.scalar(select(SeedFile.sha256).where(SeedFile.name == _SEED_FILE))
    return _read_reference(str(db.engine.url), digest)


@lru_cache(maxsize=4)
def _read_reference(_database: str, _digest: str | None) -> _Reference:
    query = select(Skill.id, Skill.slug, Skill.label, Skill.domain_slug, Skill.description).order_by(Skill.id)
    skills = db.session.execute(query).all()
    row_of = {skill.id: row for row, skill in enumerate(skills)}
    words = db.session.execute(select(SkillWord.skill_id, SkillWord.text))
    phrases = [(row_of[key], text) for key, text in words]
    phrases += [(row_of[skill.id], text) for skill in skills for text in (skill.label, skill.description)]
    index = SkillIndex(phrases, skills=len(skills))
    return _Reference(tuple((s.slug, s.label, s.domain_slug) for s in skills), index)

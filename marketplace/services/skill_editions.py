"""The skills reference as the national administrator edits it. Every act is one numbered edition.

A word counts at once in every process: whoever keeps an index of the reference asks for the number of the
last edition before using it (services.skills.version). A retired skill gives its listings to its successor.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from slugify import slugify
from sqlalchemy import Delete, Select, delete, func, or_, select, update
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import (
    EditionKind,
    Guide,
    Listing,
    ListingSkill,
    SavedSearch,
    Skill,
    SkillDomain,
    SkillEdition,
    SkillLevel,
    SkillRelation,
    SkillRemovedWord,
    SkillWord,
    User,
    WordKind,
)
from marketplace.models.skills import LEVELS, SLUG_MAX, WORDS_ONLY
from marketplace.services import rights
from marketplace.services.errors import FieldError, NotFound
from marketplace.services.paging import Page, page_of
from marketplace.services.work import Work, unit_of_work

PER_PAGE = 30
# DigComp 2.2 numbers its competences 1.1 to 5.4; a new skill says none of them.
NO_DIGCOMP = ""
SOMEBODY_CHANGED = "Quelqu’un a changé cette fiche entre-temps : relisez-la, puis recommencez."
SAME_LABEL = "Une compétence porte déjà ce nom."
KNOWN_WORD = "Ce mot mène déjà à cette compétence."
NOT_CURRENT = "Choisissez une compétence en service, autre que celle-ci."
EXPORT_COLUMNS = (
    "edition", "slug", "domain", "domain_label", "label", "description", "level_1", "level_2", "level_3",
    "level_4", "digcomp", "related", "synonyms", "successor",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillSheet:
    """What a skill says of itself. `levels`: « je sais… » from level 1 to 4; `related`: slugs."""

    label: str
    description: str
    levels: tuple[str, str, str, str]
    related: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EditedSkill:
    """A skill as its administrator sees it. `version`: to send back with a change."""

    skill: Skill
    words: list[SkillWord]
    version: str


@dataclass(frozen=True, slots=True)
class Export:
    """The reference as of one edition, one row a skill, by domain and position."""

    edition: int
    rows: list[dict[str, object]]


def number() -> int:
    """Return the number of the last edition; 0: the files of seeds/ as they are."""
    return db.session.scalar(select(func.max(SkillEdition.number))) or 0


def history(*, page: int, by: User) -> Page[SkillEdition]:
    """Return the editions, the latest first. Raises NotAllowed."""
    rights.require_administrator(by)
    shown = joinedload(SkillEdition.skill), joinedload(SkillEdition.by)
    query = select(SkillEdition).order_by(SkillEdition.number.desc()).options(*shown)
    return page_of(query, number=page, size=PER_PAGE)


def retired(*, by: User) -> list[Skill]:
    """Return the retired skills with their successors. Raises NotAllowed."""
    rights.require_administrator(by)
    query = select(Skill).where(Skill.retired_at.is_not(None)).order_by(Skill.label)
    return list(db.session.scalars(query.options(joinedload(Skill.successor))))


def show(slug: str, *, by: User) -> EditedSkill:
    """Return a skill with its words. Raises NotAllowed, and NotFound for one that is not in service."""
    rights.require_administrator(by)
    skill = _current(slug)
    words = select(SkillWord).where(SkillWord.skill_id == skill.id)
    order = SkillWord.is_added.desc(), SkillWord.kind, SkillWord.text
    return EditedSkill(skill, list(db.session.scalars(words.order_by(*order))), _version(skill))


def add_word(slug: str, kind: WordKind, text: str, *, by: User) -> SkillWord:
    """Let a word lead to a skill from now on. Raises NotAllowed, NotFound, FieldError where it does."""
    rights.require_administrator(by)
    with unit_of_work() as work:
        skill = _locked(work, slug)
        known = select(SkillWord.id).where(
            SkillWord.skill_id == skill.id, func.lower(SkillWord.text) == text.lower()
        )
        if work.session.scalar(known):
            raise FieldError("text", KNOWN_WORD)
        work.session.execute(_tombstone(skill, text))
        word = work.add(SkillWord(skill_id=skill.id, kind=kind, text=text, is_added=True))
        _record(work, EditionKind.WORD_ADDED, skill, f"« {text} » mène à « {skill.label} »", by=by)
    return word


def remove_word(slug: str, word_id: int, *, by: User) -> None:
    """Let a word lead there no longer, and keep the files from bringing it back. Raises as add_word()."""
    rights.require_administrator(by)
    with unit_of_work() as work:
        skill = _locked(work, slug)
        word = work.session.get(SkillWord, word_id)
        if word is None or word.skill_id != skill.id:
            raise NotFound(f"word {word_id}")
        if not word.is_added:
            work.session.add(SkillRemovedWord(skill_id=skill.id, text=word.text))
        work.session.delete(word)
        _record(
            work, EditionKind.WORD_REMOVED, skill, f"« {word.text} » ne mène plus à « {skill.label} »", by=by
        )


def change(slug: str, sheet: SkillSheet, *, by: User, seen: str) -> Skill:
    """Rewrite the sheet of a skill; the files no longer change it.

    `seen`: the version that the person had in front of them. Raises NotAllowed, NotFound, FieldError when
    somebody was quicker, when another skill has this label or a related one is not in service.
    """
    rights.require_administrator(by)
    with unit_of_work() as work:
        skill = _locked(work, slug)
        if seen != _version(skill):
            raise FieldError("version", SOMEBODY_CHANGED)
        before = _told(skill)
        _fill(work, skill, sheet)
        summary = f"Fiche de « {skill.label} » changée"
        _record(work, EditionKind.CHANGED, skill, summary, by=by, before=before, after=_told(skill))
    return skill


def create(domain_slug: str, sheet: SkillSheet, *, by: User) -> Skill:
    """Add a skill to a domain, last in its order. Raises NotAllowed, NotFound (the domain), FieldError."""
    rights.require_administrator(by)
    with unit_of_work() as work:
        if work.session.get(SkillDomain, domain_slug) is None:
            raise NotFound(f"domain {domain_slug}")
        last = work.session.scalar(select(func.max(Skill.position))) or 0
        skill = Skill(
            slug=_free_slug(sheet.label), domain_slug=domain_slug, digcomp=NO_DIGCOMP, position=last + 1
        )
        skill.label, skill.description = sheet.label, sheet.description
        work.add(skill)
        _fill(work, skill, sheet)
        summary = f"« {skill.label} » ajoutée"
        _record(work, EditionKind.CREATED, skill, summary, by=by, after=_told(skill))
    return skill


def retire(slug: str, successor_slug: str, *, by: User) -> Skill:
    """Take a skill out of service: its listings, searches, guides and predecessors go to its successor.

    Matches keep what they said. Raises NotAllowed, NotFound, FieldError unless the successor is another skill
    in service.
    """
    rights.require_administrator(by)
    with unit_of_work() as work:
        skill = _locked(work, slug)
        successor = _in_service(successor_slug)
        if successor is None or successor.id == skill.id:
            raise FieldError("successor", NOT_CURRENT)
        moved = _give_listings(work, skill.id, successor.id)
        work.session.execute(update(Guide).where(Guide.skill_id == skill.id).values(skill_id=successor.id))
        work.session.execute(
            update(SavedSearch).where(SavedSearch.skill_id == skill.id).values(skill_id=successor.id)
        )
        work.session.execute(
            update(Skill).where(Skill.successor_id == skill.id).values(successor_id=successor.id)
        )
        work.session.execute(delete(SkillRelation).where(_touching(skill)))
        skill.retired_at, skill.successor_id = clock.now(), successor.id
        summary = f"« {skill.label} » retirée, remplacée par « {successor.label} »"
        after = {"successor": successor.slug, "listings": moved}
        _record(work, EditionKind.RETIRED, skill, summary, by=by, after=after)
    return skill


def export() -> Export:
    """Return the whole reference, retired skills included, with the number of its edition."""
    skills = select(Skill).options(
        joinedload(Skill.domain), selectinload(Skill.levels), selectinload(Skill.related),
        joinedload(Skill.successor),
    )  # fmt: skip
    order = SkillDomain.position, Skill.position
    edition, synonyms = number(), _synonyms()
    found = db.session.scalars(
        skills.join(SkillDomain, Skill.domain_slug == SkillDomain.slug).order_by(*order)
    )
    return Export(edition, [_exported(skill, edition, synonyms.get(skill.id, [])) for skill in found])


def _exported(skill: Skill, edition: int, synonyms: list[str]) -> dict[str, object]:
    levels = {f"level_{level.level}": level.text for level in skill.levels}
    told: dict[str, object] = {
        "edition": edition,
        "slug": skill.slug,
        "domain": skill.domain_slug,
        "domain_label": skill.domain.label,
        "label": skill.label,
        "description": skill.description,
        **{f"level_{level}": levels.get(f"level_{level}", "") for level in LEVELS},
        "digcomp": skill.digcomp,
        "related": [related.slug for related in skill.related],
        "synonyms": synonyms,
        "successor": skill.successor.slug if skill.successor else "",
    }
    return {column: told[column] for column in EXPORT_COLUMNS}


def _synonyms() -> dict[int, list[str]]:
    """Return the words and brands that name each skill; situations and symptoms stay with the index."""
    named = SkillWord.kind.in_((WordKind.SYNONYM, WordKind.BRAND))
    query = select(SkillWord.skill_id, SkillWord.text).where(named).order_by(SkillWord.text)
    found: dict[int, list[str]] = {}
    for skill_id, text in db.session.execute(query):
        found.setdefault(skill_id, []).append(text)
    return found


def _in_service(slug: str) -> Skill | None:
    shown = selectinload(Skill.levels), selectinload(Skill.related), joinedload(Skill.domain)
    query = select(Skill).where(Skill.slug == slug, Skill.retired_at.is_(None)).options(*shown)
    return db.session.scalar(query.execution_options(populate_existing=True))


def _current(slug: str) -> Skill:
    skill = _in_service(slug)
    if skill is None:
        raise NotFound(f"skill {slug}")
    return skill


def _locked(work: Work, slug: str) -> Skill:
    """Return the skill, locked: two administrators change it one after the other."""
    work.lock(Skill, _current(slug).id)
    return _current(slug)


def _version(skill: Skill) -> str:
    return str(skill.edited_in or 0)


def _told(skill: Skill) -> dict[str, object]:
    return {
        "label": skill.label,
        "description": skill.description,
        "levels": [level.text for level in skill.levels],
        "related": [related.slug for related in skill.related],
    }


def _fill(work: Work, skill: Skill, sheet: SkillSheet) -> None:
    _require_free(sheet.label, skill.id)
    skill.label, skill.description = sheet.label, sheet.description
    related = set(_ids_in_service(sheet.related)) - {skill.id}
    work.session.flush()
    work.session.execute(delete(SkillLevel).where(SkillLevel.skill_id == skill.id))
    work.session.add_all(
        SkillLevel(skill_id=skill.id, level=level, text=text)
        for level, text in zip(LEVELS, sheet.levels, strict=True)
    )
    work.session.execute(delete(SkillRelation).where(_touching(skill)))
    for other in sorted(related):
        work.session.add(SkillRelation(skill_id=skill.id, related_id=other))
        work.session.add(SkillRelation(skill_id=other, related_id=skill.id))
    work.session.flush()
    work.session.expire(skill, ["levels", "related"])
    work.session.refresh(skill, ["levels", "related"])


def _touching(skill: Skill) -> ColumnElement[bool]:
    return or_(SkillRelation.skill_id == skill.id, SkillRelation.related_id == skill.id)


def _ids_in_service(slugs: tuple[str, ...]) -> list[int]:
    query = select(Skill.id).where(Skill.slug.in_(slugs), Skill.retired_at.is_(None))
    ids = list(db.session.scalars(query))
    if len(ids) != len(set(slugs)):
        raise FieldError("related", NOT_CURRENT)
    return ids


def _require_free(label: str, skill_id: int | None) -> None:
    query = select(Skill.id).where(func.lower(Skill.label) == label.lower(), Skill.id != (skill_id or 0))
    with db.session.no_autoflush:
        if db.session.scalar(query):
            raise FieldError("label", SAME_LABEL)


def _free_slug(label: str) -> str:
    """Return an address for a new skill that no skill has had."""
    start = slugify(label, max_length=SLUG_MAX - 3, word_boundary=True) or "competence"
    taken = set(db.session.scalars(select(Skill.slug).where(Skill.slug.startswith(start))))
    return next(slug for slug in _numbered(start) if slug not in taken)


def _numbered(start: str) -> Iterator[str]:
    yield start
    yield from (f"{start}-{number}" for number in range(2, 100))


def _tombstone(skill: Skill, text: str) -> Delete:
    return delete(SkillRemovedWord).where(
        SkillRemovedWord.skill_id == skill.id, SkillRemovedWord.text == text
    )


def _give_listings(work: Work, old: int, new: int) -> int:
    """Move the listings from a skill to another. Returns how many it was about.

    Where a listing has both, the further one falls away: it cannot be said twice.
    """
    main, further = _listings_of(old)
    moved = work.session.scalar(select(func.count()).where(or_(main, Listing.id.in_(further)))) or 0
    main_new, further_new = _listings_of(new)
    double = or_(
        ListingSkill.listing_id.in_(select(Listing.id).where(main)) & (ListingSkill.skill_id == new),
        ListingSkill.listing_id.in_(select(Listing.id).where(main_new)) & (ListingSkill.skill_id == old),
        ListingSkill.listing_id.in_(further_new) & (ListingSkill.skill_id == old),
    )
    apart = {"synchronize_session": False}
    work.session.execute(delete(ListingSkill).where(double), execution_options=apart)
    still = update(ListingSkill).where(ListingSkill.skill_id == old).values(skill_id=new)
    work.session.execute(still, execution_options=apart)
    work.session.execute(update(Listing).where(main).values(skill_id=new), execution_options=apart)
    return moved


def _listings_of(skill_id: int) -> tuple[ColumnElement[bool], Select[Any]]:
    """Return the condition of listings whose main skill it is, and those which have it besides."""
    further = select(ListingSkill.listing_id).where(ListingSkill.skill_id == skill_id)
    return Listing.skill_id == skill_id, further


def _record(
    work: Work,
    kind: EditionKind,
    skill: Skill,
    summary: str,
    *,
    by: User,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
) -> SkillEdition:
    edition = work.add(SkillEdition(kind=kind, skill_id=skill.id, by_id=by.id, summary=summary))
    if kind not in WORDS_ONLY:
        skill.edited_in = edition.number
    told = {"edition": edition.number, "summary": summary, **(after or {})}
    work.audit(f"skill.{kind}", skill, by=by, before=before, after=told)
    return edition

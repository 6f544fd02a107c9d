"""Guides and testimonials by sector and territory: anybody proposes, moderators add and decide.

A moderator adds for their territory; what is for the whole country is the national administrator's to decide.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, case, or_, select
from sqlalchemy.orm import joinedload
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import Guide, GuideKind, GuideState, Sector, Skill, Territory, User
from marketplace.services import rights, throttle
from marketplace.services.errors import AlreadyDecided, FieldError, NotFound
from marketplace.services.paging import Page, page_of
from marketplace.services.work import Work, unit_of_work

PER_PAGE = 20
NEAR_MAX = 3
# Proposals of one person in a day.
PROPOSED_MAX, DAY = 20, 86_400
WRONG_URL = "Écrivez une adresse complète, en https://, ou laissez vide."
WRONG_SECTION = "Choisissez une activité de la liste."
WRONG_TERRITORY = "Ce territoire n’existe pas : vérifiez les 9 chiffres de son SIREN."
GUIDE_NEEDS_URL = "Un guide mène à une page : écrivez son adresse."
_SHOWN = joinedload(Guide.skill), joinedload(Guide.territory)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideSheet:
    """What somebody shares. `section`: a letter of the NAF; empty or None narrows nothing."""

    kind: GuideKind
    title: str
    text: str
    url: str = ""
    publisher: str
    section: str | None = None
    skill_id: int | None = None
    territory_siren: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideFilters:
    kind: GuideKind | None = None
    section: str | None = None
    skill_id: int | None = None
    territory_siren: str | None = None


def search(filters: GuideFilters, *, page: int = 1) -> Page[Guide]:
    """Return the published ones that pass; what is for all trades or all places passes any filter."""
    query = select(Guide).where(Guide.state == GuideState.PUBLISHED, *_conditions(filters))
    return page_of(_newest(query), number=page, size=PER_PAGE)


def near(*, skill_id: int, section: str | None, territory_siren: str | None) -> list[Guide]:
    """Return the best ones for a need: of its subject or its trade, of its territory or of all; NEAR_MAX."""
    own_subject, own_trade = Guide.skill_id == skill_id, Guide.section == section
    query = (
        select(Guide)
        .where(
            Guide.state == GuideState.PUBLISHED,
            or_(own_subject, own_trade) if section else own_subject,
            or_(Guide.territory_siren.is_(None), Guide.territory_siren == territory_siren),
        )
        .order_by(
            case((own_subject, 0), else_=1),
            case((Guide.territory_siren == territory_siren, 0), else_=1),
            Guide.decided_at.desc(),
            Guide.id.desc(),
        )
        .limit(NEAR_MAX)
        .options(*_SHOWN)
    )
    return list(db.session.scalars(query))


def propose(sheet: GuideSheet, *, by: User) -> Guide:
    """Share a guide: at once by whoever decides for its territory, else once they have read it.

    Raises NotAllowed unless the mail address is confirmed, FieldError, TooManyAttempts.
    """
    rights.require_confirmed(by)
    _require_sound(sheet)
    decides = rights.moderates(by, sheet.territory_siren)
    if not decides:
        throttle.count_attempt(f"guide:{by.id}", limit=PROPOSED_MAX, seconds=DAY)
    with unit_of_work() as work:
        guide = Guide(proposed_by_id=by.id, state=GuideState.PENDING, **_columns(sheet))
        if decides:
            _decide(guide, GuideState.PUBLISHED, by)
        work.add(guide)
        work.audit(
            f"guide.{'added' if decides else 'proposed'}", guide, by=by, territory=guide.territory_siren
        )
    return guide


def queue(*, by: User, page: int = 1) -> Page[Guide]:
    """Return what waits for this moderator, the oldest first. Raises NotAllowed."""
    _require_moderator(by)
    waiting = select(Guide).where(Guide.state == GuideState.PENDING, _decided_by(by))
    query = waiting.order_by(Guide.proposed_at, Guide.id).options(*_SHOWN, joinedload(Guide.proposed_by))
    return page_of(query, number=page, size=PER_PAGE)


def waiting(user: User) -> int:
    """Return how many guides wait for this person's decision."""
    return queue(by=user).total if rights.is_moderator(user) else 0


def published_here(*, by: User, page: int = 1) -> Page[Guide]:
    """Return the published ones that this moderator may take back. Raises NotAllowed."""
    _require_moderator(by)
    query = select(Guide).where(Guide.state == GuideState.PUBLISHED, _decided_by(by))
    return page_of(_newest(query), number=page, size=PER_PAGE)


def decide(guide_id: int, *, publish: bool, reason: str = "", by: User) -> Guide:
    """Publish a guide or refuse it; its proposer is told, with the reason of a refusal.

    Raises NotFound elsewhere than in one's territories, AlreadyDecided, FieldError for a refusal without one.
    """
    if not publish and not reason:
        raise FieldError("reason", "Dites pourquoi : la personne qui l’a proposé le lira.")
    with unit_of_work() as work:
        guide = _own(work, guide_id, by)
        if guide.state is not GuideState.PENDING:
            raise AlreadyDecided(guide.state)
        _decide(guide, GuideState.PUBLISHED if publish else GuideState.REJECTED, by, reason)
        _tell(work, guide)
        action = "guide.published" if publish else "guide.rejected"
        work.audit(action, guide, by=by, territory=guide.territory_siren, reason=reason)
    return guide


def withdraw(guide_id: int, *, by: User) -> Guide:
    """Take a published guide off. Raises NotFound elsewhere than in one's territories, AlreadyDecided."""
    with unit_of_work() as work:
        guide = _own(work, guide_id, by)
        if guide.state is not GuideState.PUBLISHED:
            raise AlreadyDecided(guide.state)
        _decide(guide, GuideState.WITHDRAWN, by)
        work.audit("guide.withdrawn", guide, by=by, territory=guide.territory_siren)
    return guide


def _own(work: Work, guide_id: int, by: User) -> Guide:
    guide = work.lock(Guide, guide_id)
    if not rights.moderates(by, guide.territory_siren):
        raise NotFound(f"guide {guide_id}")
    return guide


def _decide(guide: Guide, state: GuideState, by: User, reason: str = "") -> None:
    guide.state, guide.decided_at, guide.decided_by_id, guide.reason = state, clock.now(), by.id, reason


def _tell(work: Work, guide: Guide) -> None:
    proposer = work.session.get(User, guide.proposed_by_id) if guide.proposed_by_id else None
    if proposer is not None:
        work.mail("guide_decided", to=proposer, guide=guide)


def _require_moderator(user: User) -> None:
    if not rights.is_moderator(user):
        rights.require_administrator(user)


def _decided_by(user: User) -> ColumnElement[bool]:
    return rights.moderated_in(Guide.territory_siren, user)


def _newest(query: Select[Any]) -> Select[Any]:
    return query.order_by(Guide.decided_at.desc(), Guide.id.desc()).options(*_SHOWN)


def _conditions(filters: GuideFilters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if filters.kind:
        conditions.append(Guide.kind == filters.kind)
    for column, value in (
        (Guide.section, filters.section),
        (Guide.skill_id, filters.skill_id),
        (Guide.territory_siren, filters.territory_siren),
    ):
        if value:
            conditions.append(or_(column == value, column.is_(None)))
    return conditions


def _require_sound(sheet: GuideSheet) -> None:
    parts = urlsplit(sheet.url)
    if sheet.url and (parts.scheme not in ("http", "https") or "." not in (parts.hostname or "")):
        raise FieldError("url", WRONG_URL)
    if sheet.kind is GuideKind.GUIDE and not sheet.url:
        raise FieldError("url", GUIDE_NEEDS_URL)
    section = db.session.get(Sector, sheet.section) if sheet.section else None
    if sheet.section and (section is None or section.level != "section"):
        raise FieldError("section", WRONG_SECTION)
    if sheet.territory_siren and db.session.get(Territory, sheet.territory_siren) is None:
        raise FieldError("territory", WRONG_TERRITORY)
    if sheet.skill_id and db.session.get(Skill, sheet.skill_id) is None:
        raise NotFound(f"skill {sheet.skill_id}")


def _columns(sheet: GuideSheet) -> dict[str, object]:
    return {
        "kind": sheet.kind,
        "title": sheet.title,
        "text": sheet.text,
        "url": sheet.url,
        "publisher": sheet.publisher,
        "section": sheet.section or None,
        "skill_id": sheet.skill_id,
        "territory_siren": sheet.territory_siren or None,
    }

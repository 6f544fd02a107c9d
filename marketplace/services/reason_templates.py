"""Templates of reasons: the nation's, and those of each territory, which may stand in for the nation's."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import DecisionGround, ReasonTemplate, Territory, User
from marketplace.services import rights
from marketplace.services.errors import FieldError, NotAllowed, NotFound
from marketplace.services.work import Work, unit_of_work

# More would be slower to look through than to write.
TEMPLATES_MAX = 100
TERRITORIES_MAX = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSheet:
    """What a template says; the facts are a beginning, which the moderator completes."""

    name: str
    ground: DecisionGround
    facts: str = ""
    explanation: str = ""


def usable(territory_siren: str | None) -> Sequence[ReasonTemplate]:
    """Return what a moderator of the territory may use: its own, and the nation's that it did not replace."""
    query = select(ReasonTemplate).where(_seen_in(territory_siren), ReasonTemplate.archived_at.is_(None))
    return db.session.scalars(query.order_by(ReasonTemplate.name).limit(2 * TEMPLATES_MAX)).all()


def listed(territory_siren: str | None, *, by: User) -> Sequence[ReasonTemplate]:
    """Return the same with those archived, last, for the page that changes them. Raises NotFound."""
    _require_right(by, territory_siren)
    query = select(ReasonTemplate).where(_seen_in(territory_siren))
    order = ReasonTemplate.archived_at.is_not(None), ReasonTemplate.name, ReasonTemplate.id
    return db.session.scalars(query.order_by(*order).limit(2 * TEMPLATES_MAX)).all()


def get(template_id: int, *, territory_siren: str | None, by: User) -> ReasonTemplate:
    """Return a template as this territory sees it: its own for one that it replaced. Raises NotFound."""
    _require_right(by, territory_siren)
    named = or_(ReasonTemplate.id == template_id, ReasonTemplate.replaces_id == template_id)
    found = db.session.scalar(select(ReasonTemplate).where(named, _seen_in(territory_siren)))
    if found is None:
        raise NotFound(f"template {template_id}")
    return found


def territories(*, by: User) -> Sequence[Territory]:
    """Return the territories whose templates the person may change. Raises NotAllowed for no moderator."""
    if not rights.is_moderator(by):
        raise NotAllowed("not a moderator")
    query = select(Territory).where(rights.moderated_in(Territory.siren, by))
    if rights.is_administrator(by):
        query = query.where(Territory.is_open)
    return db.session.scalars(query.order_by(Territory.name).limit(TERRITORIES_MAX)).all()


def territory(siren: str | None, *, by: User) -> Territory | None:
    """Return the territory whose templates the person may change; None: the nation's. Raises NotFound."""
    _require_right(by, siren)
    return db.session.get(Territory, siren) if siren is not None else None


def add(sheet: TemplateSheet, *, territory_siren: str | None, by: User) -> ReasonTemplate:
    """Add a template to a territory (None: for all). Raises NotFound, FieldError when there are too many."""
    with unit_of_work() as work:
        _require_right(by, territory_siren)
        _require_room(work, territory_siren)
        template = work.add(ReasonTemplate(territory_siren=territory_siren, **asdict(sheet)))
        work.audit("reason_template.added", template, by=by, territory=territory_siren, after=asdict(sheet))
    return template


def change(
    template_id: int, sheet: TemplateSheet, *, territory_siren: str | None, by: User
) -> ReasonTemplate:
    """Rewrite a template; the nation's stays as it is: a territory gets its own. Raises NotFound."""
    with unit_of_work() as work:
        template = _own_row(work, template_id, territory_siren, by=by)
        before = asdict(_sheet_of(template))
        for name, value in asdict(sheet).items():
            setattr(template, name, value)
        work.audit(
            "reason_template.changed",
            template,
            by=by,
            territory=territory_siren,
            before=before,
            after=asdict(sheet),
        )
    return template


def archive(
    template_id: int, *, territory_siren: str | None, by: User, archived: bool = True
) -> ReasonTemplate:
    """Put a template away, or bring it back, here only. Raises NotFound."""
    with unit_of_work() as work:
        template = _own_row(work, template_id, territory_siren, by=by)
        template.archived_at = clock.now() if archived else None
        action = "reason_template.archived" if archived else "reason_template.brought_back"
        work.audit(action, template, by=by, territory=territory_siren)
    return template


def _seen_in(territory_siren: str | None) -> ColumnElement[bool]:
    national = ReasonTemplate.territory_siren.is_(None)
    if territory_siren is None:
        return national
    own = aliased(ReasonTemplate)
    replaced = exists().where(own.replaces_id == ReasonTemplate.id, own.territory_siren == territory_siren)
    return or_(ReasonTemplate.territory_siren == territory_siren, and_(national, ~replaced))


def _require_right(by: User, territory_siren: str | None) -> None:
    if not rights.moderates(by, territory_siren):
        raise NotFound(f"templates of {territory_siren}")
    rights.require_confirmed(by)
    if territory_siren is not None and db.session.get(Territory, territory_siren) is None:
        raise NotFound(f"territory {territory_siren}")


def _require_room(work: Work, territory_siren: str | None) -> None:
    if territory_siren is not None:
        work.lock(Territory, territory_siren)  # two who add at once are counted one after the other
    same = (
        ReasonTemplate.territory_siren.is_(None)
        if territory_siren is None
        else ReasonTemplate.territory_siren == territory_siren
    )
    if len(work.session.scalars(select(ReasonTemplate.id).where(same)).all()) >= TEMPLATES_MAX:
        raise FieldError("name", f"{TEMPLATES_MAX} motifs au plus : modifiez-en un, ou archivez.")


def _own_row(work: Work, template_id: int, territory_siren: str | None, *, by: User) -> ReasonTemplate:
    """Return the row that this territory may write: its own, made now where it is the nation's."""
    seen = get(template_id, territory_siren=territory_siren, by=by)
    if seen.territory_siren == territory_siren:
        return work.lock(ReasonTemplate, seen.id)
    _require_room(work, territory_siren)
    seen = get(template_id, territory_siren=territory_siren, by=by)  # somebody may have replaced it meanwhile
    copy = ReasonTemplate(
        territory_siren=territory_siren,
        replaces_id=seen.id,
        archived_at=seen.archived_at,
        **asdict(_sheet_of(seen)),
    )
    return work.add(copy)


def _sheet_of(template: ReasonTemplate) -> TemplateSheet:
    return TemplateSheet(
        name=template.name,
        ground=template.ground,
        facts=template.facts,
        explanation=template.explanation,
    )

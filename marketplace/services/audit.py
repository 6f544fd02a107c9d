"""The audit log: writing its chain, checking it, reading it.

Each row holds the SHA-256 of its content and of the row before it. The chain is written at the very end of a
transaction (services.work), with one row locked, so that acts take turns for that moment only.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Row, Select, func, or_, select, true
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.sql import ColumnElement

from marketplace import clock
from marketplace.extensions import db
from marketplace.models import AuditEntry, AuditHead, Territory, User
from marketplace.models.audit import NO_HASH
from marketplace.services import rights
from marketplace.services.errors import NotAllowed
from marketplace.services.paging import Page

PAGE_SIZE = 50
WORDS_MAX = 100
_PARIS = ZoneInfo("Europe/Paris")
_HEAD = 1
_ROWS_AT_ONCE = 500
_HASHED = (
    "at", "actor_id", "action", "subject_type", "subject_id", "territory_siren", "before", "after", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filters:
    """What the journal is narrowed to, all at once. `subject`: « listing », « listing 12 »; days included."""

    words: str = ""
    action: str = ""
    actor: str = ""
    subject: str = ""
    since: date | None = None
    until: date | None = None


class Line(NamedTuple):
    """A row of the log with the names of today; `actor` None: the site itself, or an account that is gone."""

    entry: AuditEntry
    actor: str | None
    territory: str | None


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk along the chain found. `wrong` None: nothing; else the first row, and in words why."""

    entries: int
    head: str
    wrong: str | None = None


def seal(session: scoped_session[Any] | Session, entries: Sequence[AuditEntry]) -> None:
    """Append the lines to the chain. Whoever comes second waits here for the first one's commit."""
    if not entries:
        return
    session.flush()  # the head is locked last of all, so that nobody waits for rows while holding it
    head = session.get_one(AuditHead, _HEAD, populate_existing=True, with_for_update=True)
    for entry in entries:
        entry.at = entry.at or clock.now()
        entry.reason = entry.reason or ""
        entry.previous_hash = head.hash
        entry.hash = head.hash = _hash(head.hash, entry)
    session.add_all(entries)
    head.entries += len(entries)


def verify() -> Verification:
    """Walk along the whole chain, as it stood at one moment. O(rows) in time, a few rows in memory."""
    db.session.rollback()
    if db.engine.dialect.name == "postgresql":
        db.session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    try:
        return _walk()
    finally:
        db.session.rollback()


def search(filters: Filters, *, by: User, page: int) -> Page[Line]:
    """Return one page of the log, newest first. Raises NotAllowed for no moderator."""
    query = _visible(filters, by)
    count = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    total = db.session.scalar(count) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    number = min(max(page, 1), pages)
    rows = db.session.execute(query.limit(PAGE_SIZE).offset((number - 1) * PAGE_SIZE))
    return Page([Line(*row) for row in rows], number, pages, total)


def export(filters: Filters, *, by: User) -> Iterator[Line]:
    """Return every line, newest first, read as they are asked for. Raises NotAllowed at once."""
    return _read(_visible(filters, by).execution_options(yield_per=_ROWS_AT_ONCE))


def actions(*, by: User) -> Sequence[str]:
    """Return the acts that the log knows, for a list to choose from. Raises NotAllowed for no moderator."""
    return db.session.scalars(
        select(AuditEntry.action).where(_scope(by)).distinct().order_by(AuditEntry.action)
    ).all()


def _read(query: Select[Any]) -> Iterator[Line]:
    """Ask the database when the first line is wanted: a file is sent once the request's session closed."""
    for row in db.session.execute(query):
        yield Line(*row)


def _walk() -> Verification:
    count, last = 0, NO_HASH
    columns = (AuditEntry.id, AuditEntry.previous_hash, AuditEntry.hash)
    query = select(*columns, *(getattr(AuditEntry, name) for name in _HASHED)).order_by(AuditEntry.id)
    for row in db.session.execute(query.execution_options(yield_per=_ROWS_AT_ONCE)):
        wrong = _fault(row, last)
        if wrong:
            return Verification(count, last, wrong)
        count, last = count + 1, row.hash
    head = db.session.execute(select(AuditHead.entries, AuditHead.hash)).one_or_none()
    if head is None:
        return Verification(count, last, "the end of the chain (audit_head) is missing")
    if (head.entries, head.hash) != (count, last):
        return Verification(
            count, last, f"after the last row: {head.entries} were written, {count} are there"
        )
    return Verification(count, last)


def _fault(row: Row[Any], last: str) -> str | None:
    if row.previous_hash != last:
        return f"row {row.id}: a row is missing or was inserted before it"
    if row.hash != _hash(last, row):
        return f"row {row.id}: altered"
    return None


def _hash(previous: str, entry: AuditEntry | Row[Any]) -> str:
    told = {name: getattr(entry, name) for name in _HASHED}
    told["at"] = told["at"].astimezone(UTC).isoformat()
    # JSON keys are text and numbers come back as they were: written twice, it is the same as once.
    text = json.dumps(json.loads(json.dumps(told)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _visible(filters: Filters, by: User) -> Select[Any]:
    told: Any = select(AuditEntry, User.name, Territory.name)
    return (  # type: ignore[no-any-return]
        told.outerjoin(User, User.id == AuditEntry.actor_id)
        .outerjoin(Territory, Territory.siren == AuditEntry.territory_siren)
        .where(_scope(by), *_conditions(filters))
        .order_by(AuditEntry.id.desc())
    )


def _scope(by: User) -> ColumnElement[bool]:
    if rights.is_administrator(by):
        return true()
    sirens = rights.territories_moderated(by)
    if not sirens:
        raise NotAllowed("not a moderator")
    return AuditEntry.territory_siren.in_(sirens)


def _conditions(filters: Filters) -> Iterator[ColumnElement[bool]]:
    for word in filters.words.split():
        yield or_(*(_holds(column, word) for column in (AuditEntry.reason, AuditEntry.action, User.name)))
    if filters.action:
        yield AuditEntry.action == filters.action
    for word in filters.actor.split():
        yield _holds(User.name, word)
    if filters.subject:
        kind, _, key = filters.subject.partition(" ")
        yield AuditEntry.subject_type == kind
        if key:
            yield AuditEntry.subject_id == key
    if filters.since:
        yield AuditEntry.at >= _midnight(filters.since)
    if filters.until:
        yield AuditEntry.at < _midnight(filters.until) + timedelta(days=1)


def _holds(column: Any, word: str) -> ColumnElement[bool]:
    return column.icontains(word, autoescape=True)  # type: ignore[no-any-return]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=_PARIS)

"""The unit of work: one business act, one transaction, with its audit lines and its mail inside."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from flask_sqlalchemy.session import Session
from sqlalchemy import inspect
from sqlalchemy.orm import scoped_session

from marketplace import clock
from marketplace.extensions import SQLITE_BEGIN, db
from marketplace.models import AuditEntry, Report, User
from marketplace.services import audit, mailer
from marketplace.services.errors import NotFound

Row = TypeVar("Row")
_CURRENT = "unit_of_work"


class Work:
    """What a service does inside its transaction besides changing rows."""

    def __init__(self, session: scoped_session[Session]) -> None:
        self.session = session
        self.failed_inside = False
        # Lines of the audit log, chained at the end of the transaction.
        self.entries: list[AuditEntry] = []

    def lock(self, model: type[Row], key: Any) -> Row:
        """Return the row, read afresh and locked until the end. Raises NotFound.

        Lock order, so that two acts never wait for each other: listings by id, then matches; the end of the
        audit log comes last of all, by itself. Rows that refer to this one may be written meanwhile: a round
        writes some on listings that it does not lock.
        """
        row = self.session.get(model, key, populate_existing=True, with_for_update={"key_share": True})
        if row is None:
            raise NotFound(f"{model.__name__} {key}")
        return row

    def add(self, row: Row) -> Row:
        """Add a row and give it its id."""
        self.session.add(row)
        self.session.flush()
        return row

    def mail(
        self, template: str, *, to: User | Report | Iterable[User] | Iterable[Report], **context: Any
    ) -> None:
        """Queue templates/mail/<template>.txt for one person or several, or for whoever wrote a report."""
        for person in [to] if isinstance(to, User | Report) else to:
            self.session.add(mailer.compose(template, to=person.email, person=person, **context))

    def audit(
        self,
        action: str,
        subject: Any,
        *,
        by: User | None,
        territory: str | None = None,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        """Add a line to the audit log. `by` None: the site itself."""
        self.session.flush()
        (*key,) = inspect(subject).identity
        self.entries.append(
            AuditEntry(
                at=clock.now(),
                actor_id=by.id if by else None,
                action=action,
                subject_type=type(subject).__name__.lower(),
                subject_id="/".join(str(part) for part in key),
                territory_siren=territory,
                before=dict(before) if before is not None else None,
                after=dict(after) if after is not None else None,
                reason=reason,
            )
        )


def is_under_way() -> bool:
    """Say whether a unit of work is open in this session."""
    return _CURRENT in db.session.info


@contextmanager
def unit_of_work() -> Iterator[Work]:
    """Run one business act in one transaction: commit at the end, roll back on any error.

    What was read before is forgotten, so that the rules decide on fresh rows. Inside another unit of work it
    joins that one, which alone commits, and never when what joined it failed: it may have written half.
    """
    session = db.session
    current: Work | None = session.info.get(_CURRENT)
    if current is not None:
        yield from _join(current)
        return
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("rows were changed outside a unit of work")
    session.rollback()
    session.connection(execution_options={SQLITE_BEGIN: "IMMEDIATE"})
    work = session.info[_CURRENT] = Work(session)
    try:
        yield work
        if work.failed_inside:
            raise RuntimeError("an act inside this unit of work failed, and its error was swallowed")
        audit.seal(session, work.entries)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info.pop(_CURRENT, None)


def _join(work: Work) -> Iterator[Work]:
    try:
        yield work
    except BaseException:
        work.failed_inside = True
        raise

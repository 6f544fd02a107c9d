"""The audit log as somebody with every right over the database could treat it."""

from collections.abc import Iterator
from contextlib import contextmanager

from marketplace.extensions import db
from marketplace.models import AuditEntry, audit_guard
from marketplace.services import audit


@contextmanager
def behind_the_guard() -> Iterator[None]:
    """Let the block change rows of the log; commits."""
    connection = db.session.connection()
    audit_guard.take_down(connection.exec_driver_sql, connection.dialect.name)
    yield
    audit_guard.put_up(connection.exec_driver_sql, connection.dialect.name)
    db.session.commit()


def write(**fields: object) -> AuditEntry:
    """Append a line as a unit of work does."""
    entry = AuditEntry(**{"action": "a.b", "subject_type": "user", "subject_id": "1", **fields})
    audit.seal(db.session, [entry])
    db.session.commit()
    return entry

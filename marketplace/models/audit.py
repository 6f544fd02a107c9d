"""The audit log: who did what to what, when, and why. Rows are only ever added.

The database itself refuses to change or delete a row (models.audit_guard), and each row holds the hash of the
one before it, so that what was done behind the guard shows (services.audit).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, Connection, Index, String, Table, Text, event, insert
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.extensions import Model
from marketplace.models import audit_guard
from marketplace.models.types import UtcDateTime, now

# The hash before the first row.
NO_HASH = "0" * 64


class AuditEntry(Model):
    """One line. Its order in the chain is that of its id."""

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    # None: the site itself (worker, command line). No reference: the line stays when the account goes.
    actor_id: Mapped[int | None] = mapped_column(index=True)
    action: Mapped[str] = mapped_column(String(60), index=True)
    subject_type: Mapped[str] = mapped_column(String(40))
    subject_id: Mapped[str] = mapped_column(String(40))
    territory_siren: Mapped[str | None] = mapped_column(String(9), index=True)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    reason: Mapped[str] = mapped_column(Text, default="")
    # Unique: two rows can never follow the same one.
    previous_hash: Mapped[str] = mapped_column(String(64), unique=True)
    hash: Mapped[str] = mapped_column(String(64))

    __table_args__ = (Index("ix_audit_entry_subject", "subject_type", "subject_id"),)


class AuditHead(Model):
    """The end of the chain, in one row: whoever writes to the log locks it, and takes turns."""

    id: Mapped[int] = mapped_column(primary_key=True)
    entries: Mapped[int] = mapped_column(default=0)
    hash: Mapped[str] = mapped_column(String(64), default=NO_HASH)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


@event.listens_for(AuditEntry.__table__, "after_create")
def _guard(_table: Table, connection: Connection, **_options: object) -> None:
    audit_guard.put_up(connection.exec_driver_sql, connection.dialect.name)


@event.listens_for(AuditHead.__table__, "after_create")
def _begin(table: Table, connection: Connection, **_options: object) -> None:
    connection.execute(insert(table).values(id=1, entries=0, hash=NO_HASH))

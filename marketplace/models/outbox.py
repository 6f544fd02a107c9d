"""Mail that must follow a write: queued in its transaction, sent later by `flask worker`."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from marketplace.extensions import Model
from marketplace.models.types import UtcDateTime, closed_list, now


class MailState(StrEnum):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


class OutboxMail(Model):
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[MailState] = mapped_column(closed_list(MailState, "mail_state"), default=MailState.WAITING)
    recipient: Mapped[str] = mapped_column(String(254), index=True)
    template: Mapped[str] = mapped_column(String(60))
    # One of many written at once (a round): it lets others pass, above all a link that somebody waits for.
    is_bulk: Mapped[bool] = mapped_column(default=False)
    subject: Mapped[str] = mapped_column(String(250))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    # Where a program that reads mail stops more of the kind, in one click (RFC 8058).
    unsubscribe_url: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    send_after: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str] = mapped_column(Text, default="")

    __table_args__ = (
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent_has_date"),
        Index("ix_outbox_mail_due", "state", "is_bulk", "send_after"),
    )
